"""An append is recorded once and durably, whatever becomes of the connection, the commit, its neighbours."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest

from eventstore import prepared
from eventstore.appender import Appender, Recorded
from eventstore.database import Database, DatabaseUnavailable, LedgerConnection
from eventstore.durable import ATTEMPTS
from eventstore.events import Delivery
from eventstore.group_commit import Closed, Limits, Overloaded
from projections.projection import kept_in_step
from tests.integration.conftest import OwnServer
from tests.support.breaking import WARNING, Breaking, warning_at_each_statement, warning_at_the_commit
from tests.support.database import at, execute, make_template
from tests.support.events import RECEIVED, deliver, event

NEW = Recorded(events=1, repeats=0, conflicts=0)
REPEAT = Recorded(events=0, repeats=1, conflicts=0)

DICE = random.Random(20261123)  # noqa: S311 - no secret


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url, role="ledger_service") as opened:
        yield opened


@asynccontextmanager
async def appending(
    database: Database, limits: Limits | None = None, writers: int = 1
) -> AsyncIterator[Appender]:
    appender = Appender(database, kept_in_step(), limits=limits or Limits(), writers=writers)
    appender.open()
    try:
        yield appender
    finally:
        await appender.close()


def told(number: int = 0, **said: Any) -> Delivery:
    """Return a delivery of one event, in an entry of that number."""
    return deliver(event(**{"key": f"key-{number}", "message_status": "sending"} | said), number=number)


def counts(url: str) -> tuple[object, ...]:
    """Return how many entries, events and repeats there are."""
    query = (
        "SELECT (SELECT count(*) FROM entries), (SELECT count(*) FROM events), (SELECT count(*) FROM repeats)"
    )
    return execute(url, query)[0]


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


# Run again ---------------------------------------------------------------------------------------------


async def test_an_append_run_again_writes_nothing_twice(database: Database, database_url: str) -> None:
    delivery = deliver(event(), event())
    async with appending(database) as appender:
        await appender.append(delivery)
        read_model = execute(database_url, "TABLE message_status")
        assert await appender.append(delivery) == Recorded(2, 0, 0), "told as it would have been then"
    assert counts(database_url) == (1, 1, 1)
    assert execute(database_url, "TABLE message_status") == read_model


async def test_an_append_run_again_among_new_ones_harms_none(database: Database, database_url: str) -> None:
    async with appending(database) as appender:
        await appender.append(told(0))
        assert await asyncio.gather(*(appender.append(told(number)) for number in range(3))) == [NEW] * 3
    assert counts(database_url) == (3, 3, 0)


async def test_one_entry_twice_in_a_batch_is_written_once(database: Database, database_url: str) -> None:
    async with appending(database) as appender:
        await appender.append(told(0, key="key"))
        await asyncio.gather(*(appender.append(told(1, key="key")) for _ in range(3)))
    assert counts(database_url) == (2, 1, 1)


class BreakingAppends(Breaking):
    """The same of the connections that the appender keeps."""

    def __init__(self, url: str, lose: str, times: int, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(url, lose, times)
        self.execute = prepared.run
        monkeypatch.setattr(prepared, "run", self.break_and_execute)

    async def break_and_execute(self, lent: LedgerConnection, *statement: Any) -> list[Any]:
        breaks, self.left = self.left > 0, self.left - 1
        if breaks and self.lose == "before":
            self.terminate(lent)
        rows = await self.execute(lent, *statement)
        if breaks and self.lose == "after":
            self.terminate(lent)
            await lent.execute("SELECT 'the answer'")  # which is lost
        return rows


@pytest.mark.parametrize("lose", ["before", "after"])
async def test_a_lost_connection_is_replaced_and_the_append_recorded_once(
    database_url: str, lose: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        BreakingAppends(database_url, lose, ATTEMPTS - 1, monkeypatch) as database,
        appending(database) as appender,
    ):
        assert await appender.append(told()) == NEW
        assert database.mended == ATTEMPTS - 1
    assert counts(database_url) == (1, 1, 0)


async def test_a_database_that_stays_lost_is_said_and_the_next_append_finds_it_back(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        BreakingAppends(database_url, "before", ATTEMPTS, monkeypatch) as database,
        appending(database) as appender,
    ):
        with pytest.raises(DatabaseUnavailable, match="cannot be reached"):
            await appender.append(told())
        assert await appender.append(told()) == NEW
    assert counts(database_url) == (1, 1, 0)


async def test_a_commit_with_a_warning_is_never_a_success(database: Database, database_url: str) -> None:
    execute(database_url, WARNING, warning_at_each_statement("events"))
    async with appending(database) as appender:
        with pytest.raises(DatabaseUnavailable, match="canceling wait for synchronous replication"):
            await appender.append(told())
        execute(database_url, "DROP TRIGGER warns ON events")
        assert await appender.append(told()) == NEW, "the supplier sends it again"
    assert counts(database_url) == (1, 1, 0), "committed, though nobody was told so"


async def test_after_a_commit_with_a_warning_one_without_is_the_answer(
    database: Database, database_url: str
) -> None:
    # A row that is there already warns no more.
    execute(database_url, WARNING, warning_at_the_commit("events"))
    async with appending(database) as appender:
        assert await appender.append(told()) == NEW
    assert counts(database_url) == (1, 1, 0)


async def test_a_notice_that_is_no_warning_is_a_success(database: Database, database_url: str) -> None:
    execute(
        database_url, WARNING.replace("RAISE WARNING", "RAISE NOTICE"), warning_at_each_statement("events")
    )
    async with appending(database) as appender:
        assert await appender.append(told()) == NEW


async def cancel_a_waiting_commit(url: str, cancelled: set[object]) -> None:
    """Cancel a commit that waits for a standby, as an operator or a failover does; each once."""
    waiting = (
        "SELECT pid, query_start FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event = 'SyncRep'"
    )
    async with asyncio.timeout(20), await psycopg.AsyncConnection.connect(url, autocommit=True) as operator:
        while True:
            for commit in await (await operator.execute(waiting)).fetchall():
                if commit not in cancelled:
                    cancelled.add(commit)
                    await operator.execute("SELECT pg_cancel_backend(%s)", [commit[0]])
                    return


async def until_commits_wait(url: str, cancelled: set[object]) -> None:
    """Commit until one is kept waiting for a standby: the server does so some time after a reload."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as probe:
        kept_waiting = asyncio.Event()
        probe.add_notice_handler(lambda _: kept_waiting.set())

        async def commit() -> None:
            while not kept_waiting.is_set():
                await probe.execute("SELECT pg_logical_emit_message(true, 'probe', '')")

        commits = asyncio.create_task(commit())
        await cancel_a_waiting_commit(url, cancelled)
        await commits


async def test_a_commit_that_no_standby_confirmed_is_no_success_however_often_it_is_run_again(
    own_server: OwnServer,
) -> None:
    make_template(own_server.url)
    url = at(own_server.url, "migrated")
    cancelled: set[object] = set()
    async with Database(url, role="ledger_service") as database, appending(database) as appender:
        own_server.set("synchronous_standby_names", "nobody")
        try:
            await until_commits_wait(url, cancelled)
            answer = asyncio.create_task(appender.append(told()))
            for _ in range(ATTEMPTS):  # the second finds its entries there already, and still has to wait
                await cancel_a_waiting_commit(url, cancelled)
            with pytest.raises(DatabaseUnavailable, match="canceling wait for synchronous replication"):
                await answer
        finally:
            own_server.set("synchronous_standby_names", "")
        assert await appender.append(told()) == NEW
    assert counts(url) == (1, 1, 0)


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
