"""An append is recorded, told, kept in order with its neighbours, and refused where too much waits."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import pytest

from eventstore.appender import Appender, Recorded
from eventstore.database import Database
from eventstore.group_commit import Closed, Limits, Overloaded
from projections.projection import kept_in_step
from tests.support.appending import NEW, REPEAT, appending, counts, told
from tests.support.breaking import BreakingAppends
from tests.support.database import execute
from tests.support.events import RECEIVED, deliver, event

DICE = random.Random(20261123)  # noqa: S311 - no secret


async def test_what_is_appended_is_there_with_its_status_when_the_answer_comes(
    database: Database, database_url: str
) -> None:
    async with appending(database) as appender:
        assert await appender.append(told()) == NEW
        assert counts(database_url) == (1, 1, 0)
        assert execute(database_url, "SELECT message_status FROM message_status") == [("sending",)]


async def test_one_event_delivered_200_times_at_once_is_one_event(
    database: Database, database_url: str
) -> None:
    deliveries = [told(number, key="key") for number in range(200)]
    async with appending(database, Limits(batch_rows=30), writers=3) as appender:
        recorded = await asyncio.gather(*map(appender.append, deliveries))
    assert sorted(recorded) == [REPEAT] * 199 + [NEW]
    assert counts(database_url) == (200, 1, 199)


async def test_one_event_twice_in_one_delivery_is_an_event_and_a_repeat(
    database: Database, database_url: str
) -> None:
    async with appending(database) as appender:
        assert await appender.append(deliver(event(), event())) == Recorded(1, 1, 0)
    assert execute(database_url, "SELECT item FROM events") == [(0,)]
    assert execute(database_url, "SELECT item FROM repeats") == [(1,)]


async def test_repeats_and_conflicts_are_counted_for_each_delivery(database: Database) -> None:
    first, second, third = (event(key=key, message_status="sending") for key in "abc")
    later = event(key="b", message_status="sending", occurred_at=RECEIVED.replace(hour=11))
    other = event(key="c", message_status="delivered")
    async with appending(database) as appender:
        assert await appender.append(deliver(first, second, third)) == Recorded(3, 0, 0)
        repeat, newer, conflict = await asyncio.gather(
            appender.append(deliver(first, second, number=1)),
            appender.append(deliver(first, later, number=2)),
            appender.append(deliver(event(key="d"), other, number=3)),
        )
    assert repeat == Recorded(events=0, repeats=2, conflicts=0)
    assert newer == Recorded(events=1, repeats=1, conflicts=0), "another timestamp alone is no conflict"
    assert conflict == Recorded(events=2, repeats=0, conflicts=1)


async def test_events_of_one_batch_may_conflict_with_each_other(database: Database) -> None:
    one, other = (event(key="a", message_status=status) for status in ("sending", "delivered"))
    async with appending(database) as appender:
        assert await appender.append(deliver(one, other)) == Recorded(2, 0, 2)
        assert await appender.append(deliver(other, one, number=1)) == Recorded(0, 2, 0)


async def test_one_key_on_two_messages_is_a_conflict(database: Database) -> None:
    one, other, third = (event(message, key="a", message_status="sending") for message in ("1", "2", "3"))
    async with appending(database) as appender:
        assert await appender.append(deliver(one)) == NEW
        assert await appender.append(deliver(other, number=1)) == Recorded(1, 0, 1)
        assert await appender.append(deliver(third, other, number=2)) == Recorded(1, 1, 1)


async def test_a_rejected_entry_is_kept_without_events(database: Database, database_url: str) -> None:
    refused = deliver()._replace(entry=deliver().entry._replace(body=b"nonsense", rejection="not JSON"))
    async with appending(database) as appender:
        assert await appender.append(refused) == Recorded(0, 0, 0)
    assert execute(database_url, "SELECT body, rejection FROM entries") == [(b"nonsense", "not JSON")]
    assert counts(database_url) == (1, 0, 0)


# Neighbours --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bad",
    [{"reference": "a\0b"}, {"message_id": DICE.randbytes(20_000).hex()}],
    ids=["NUL in text", "more than an index holds"],
)
async def test_a_delivery_that_the_database_refuses_fails_alone(
    database: Database, database_url: str, bad: dict[str, str]
) -> None:
    deliveries = [told(number, **(bad if number == 5 else {})) for number in range(12)]
    async with appending(database) as appender:
        recorded = await asyncio.gather(*map(appender.append, deliveries), return_exceptions=True)
    assert isinstance(recorded.pop(5), psycopg.DataError | psycopg.OperationalError)
    assert recorded == [NEW] * 11
    assert counts(database_url) == (11, 11, 0)


async def test_writers_with_the_same_keys_in_any_order_never_deadlock(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        BreakingAppends(database_url, "never", 0, monkeypatch) as database,
        appending(database, Limits(batch_rows=30), writers=6) as appender,
    ):
        for turn in range(30):
            events = [
                event(f"message-{n % 10}", key=f"key-{turn}-{n}", channel="sms", channel_status="sending")
                for n in range(30)
            ]
            shuffled = [DICE.sample(events, len(events)) for _ in range(6)]
            recorded = await asyncio.gather(
                *(appender.append(deliver(*one, number=6 * turn + n)) for n, one in enumerate(shuffled))
            )
            assert sum(one.events for one in recorded) == 30
        assert database.mended == 0, "nothing had to be run again"
    assert counts(database_url) == (180, 900, 4500)


# Full, and closed --------------------------------------------------------------------------------------


@asynccontextmanager
async def stalled(url: str) -> AsyncIterator[None]:
    """Hold every append up, as a busy database does."""
    async with await psycopg.AsyncConnection.connect(url) as holder:
        await holder.execute("LOCK TABLE entries IN EXCLUSIVE MODE")
        yield
        await holder.rollback()


async def test_more_than_may_wait_is_refused_and_what_waits_is_recorded(
    database: Database, database_url: str
) -> None:
    async with appending(database, Limits(waiting_requests=3, batch_rows=1)) as appender:
        async with stalled(database_url):
            waiting = [asyncio.create_task(appender.append(told(number))) for number in range(3)]
            await asyncio.sleep(0)
            assert appender.full
            with pytest.raises(Overloaded):
                await appender.append(told(3))
        assert await asyncio.gather(*waiting) == [NEW] * 3
    assert counts(database_url) == (3, 3, 0)


async def test_bodies_weigh_as_much_as_they_are_long(database: Database, database_url: str) -> None:
    heavy = told()._replace(entry=told().entry._replace(body=b"x" * 10_000))
    async with appending(database, Limits(waiting_bytes=10_000)) as appender:
        async with stalled(database_url):
            waiting = asyncio.create_task(appender.append(heavy))
            await asyncio.sleep(0)
            with pytest.raises(Overloaded):
                await appender.append(told(1))
        assert await waiting == NEW


async def test_close_records_what_waits_and_then_refuses(database: Database, database_url: str) -> None:
    appender = Appender(database, kept_in_step(), limits=Limits(batch_rows=2))
    appender.open()
    async with stalled(database_url):
        waiting = [asyncio.create_task(appender.append(told(number))) for number in range(7)]
        await asyncio.sleep(0)
        closing = asyncio.create_task(appender.close())
        await asyncio.sleep(0)
        with pytest.raises(Closed):
            await appender.append(told(7))
    await closing
    assert [task.result() for task in waiting] == [NEW] * 7
    assert counts(database_url) == (7, 7, 0)


async def test_a_caller_that_hangs_up_does_not_take_its_delivery_back(
    database: Database, database_url: str
) -> None:
    async with appending(database) as appender, stalled(database_url):
        impatient = asyncio.create_task(appender.append(told()))
        await asyncio.sleep(0)
        impatient.cancel()
        with pytest.raises(asyncio.CancelledError):
            await impatient
    assert counts(database_url) == (1, 1, 0)


async def test_text_is_utf8_whatever_the_environment_says(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    async with Database(database_url, role="ledger_service") as database, appending(database) as appender:
        await appender.append(told(reference="the patient’s"))
    monkeypatch.delenv("PGCLIENTENCODING")
    assert execute(database_url, "SELECT message_reference FROM events") == [("the patient’s",)]
