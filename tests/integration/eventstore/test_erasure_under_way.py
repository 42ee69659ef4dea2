"""What comes while a message is erased, or afterwards, leaves nothing of it."""

import asyncio
import json

import httpx
import psycopg
import pytest

from eventstore import erasure
from eventstore.database import Database
from eventstore.erasure import ErasureInTheWay, LedgerBusy, Outcome
from projections.refold import REBUILD_LOCK
from tests.integration.eventstore.test_erasure import (
    HOLDING,
    OTHER,
    M,
    dump,
    findings,
    post,
    request_for,
    seen,
    story,
)
from tests.support.appending import append, connected, numbered
from tests.support.breaking import Breaking
from tests.support.database import execute
from tests.support.refused import operating, refused, replayer
from tests.support.supplier import body, delivered
from tests.support.vacuum import autovacuum_in

# What comes later


async def test_what_comes_later_is_acknowledged_and_leaves_nothing(
    client: httpx.AsyncClient, eraser: Database, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await story(client)
    await erasure.erase(eraser, request_for())
    capsys.readouterr()
    late = [
        await post(client, delivered(M, key="m-2", channelStatusDescription="the patient’s")),  # once more
        await post(client, delivered(M, key="m-3", channelStatus="read")),  # something new
        await post(client, delivered(M, key="m-4"), delivered(M, key="m-5")),
    ]
    assert await seen(client) == (0, 404)
    assert (
        execute(
            database_url,
            "SELECT body, salt, signature, rejection, secret_id IS NOT NULL, kind FROM entries"  # noqa: S608 - our own words
            f" WHERE entry_id IN {tuple(map(str, late))}",
        )
        == [(None, None, None, None, True, "callback")] * 3
    )
    left = dump(database_url, *HOLDING)
    assert M not in left
    assert M.encode().hex() not in left
    assert findings(database_url) == []
    warned = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [
        (line["event"], line["entry_id"], line["erased"], line["returned"])
        for line in warned
        if "erased" in line
    ] == [("callback.of_erased_message", str(one), n, 0) for one, n in zip(late, (1, 1, 2), strict=True)]
    await post(client, delivered(OTHER, key="o-2"))
    assert await seen(client, OTHER) == (1, 200)


async def test_a_later_callback_that_carries_another_message_too_is_recorded_and_told(
    client: httpx.AsyncClient, eraser: Database, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await story(client)
    await erasure.erase(eraser, request_for())
    capsys.readouterr()
    both = await post(client, delivered(M, key="m-3"), delivered(OTHER, key="o-3"))
    (line,) = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert (line["event"], line["returned"]) == ("callback.of_erased_message", 1)
    assert (await seen(client), findings(database_url)) == ((1, 200), []), "nothing of the other may be lost"
    told = await erasure.erase(eraser, request_for(whole_entry=True))
    assert (told.outcome, told.others) == (Outcome.ERASED, {both: (OTHER,)})
    assert (await seen(client), findings(database_url)) == ((0, 404), [])


async def test_a_replay_of_an_erased_message_leaves_nothing(
    client: httpx.AsyncClient, eraser: Database, database_url: str
) -> None:
    await story(client)
    await erasure.erase(eraser, request_for())
    quarantined = await refused(client, 403, body(delivered(M, key="late")))
    async with operating(database_url) as database:
        (told,) = await replayer(database).replay([quarantined])
    assert told.recorded is not None
    assert (told.recorded.events, told.recorded.erased) == (0, 1)
    assert await seen(client) == (0, 404)
    assert M.encode().hex() not in dump(database_url, *HOLDING)


async def test_erased_while_its_callbacks_arrive_nothing_of_it_is_left(
    client: httpx.AsyncClient, eraser: Database, database_url: str
) -> None:
    stop = asyncio.Event()
    answered: list[int] = []

    async def tell(writer: int) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            mine, other = f"{writer}-{number}", f"o-{writer}-{number}"
            await post(client, delivered(M, key=mine))
            await post(client, delivered(M, key=mine))
            await post(client, delivered(OTHER, key=other, reference="another"))
            answered.append(number)

    async with asyncio.TaskGroup() as group:
        writers = [group.create_task(tell(writer)) for writer in range(8)]
        while len(answered) < 8:
            await asyncio.sleep(0.01)
            assert not any(writer.done() for writer in writers)
        told = await erasure.erase(eraser, request_for())
        before = len(answered)
        while len(answered) < before + 8:
            await asyncio.sleep(0.01)
            assert not any(writer.done() for writer in writers)
        stop.set()
    assert told.outcome is Outcome.ERASED
    assert told.events > 0
    assert await seen(client) == (0, 404)
    left = dump(database_url, *HOLDING)
    assert M not in left
    assert M.encode().hex() not in left
    assert findings(database_url) == []
    ((others,),) = execute(database_url, f"SELECT count(*) FROM events WHERE message_id = '{OTHER}'")  # noqa: S608 - our own words
    assert others == len(answered)


async def test_an_append_that_is_under_way_is_waited_for_and_erased(
    client: httpx.AsyncClient, eraser: Database, database_url: str
) -> None:
    """Step by step: the append has its snapshot and is not committed when the erasure comes."""
    await post(client, delivered(M, key="m-1"))
    with psycopg.connect(database_url) as slow:
        slow.execute(
            "INSERT INTO events SELECT recorded_at, effective_at, occurred_at, content_hash,"
            " '00000000-0000-7000-8000-000000000001', item, cascade_order, retry_count, event_type,"
            " message_id,"
            " message_reference, channel, message_status, channel_status, supplier_status,"
            " message_failure_code, channel_failure_code, cascade_type, 'm-2', sha256('m-2') FROM events"
        )
        slow.execute(
            "INSERT INTO entries (received_at, entry_id, rules, kind, client_id, body)"
            " VALUES (now(), '00000000-0000-7000-8000-000000000001', 1, 'callback', 'notify', 'm-2')"
        )
        erasing = asyncio.create_task(erasure.erase(eraser, request_for()))
        while not execute(database_url, "SELECT 1 FROM pg_locks WHERE NOT granted"):
            await asyncio.sleep(0.005)
            assert not erasing.done()
        slow.commit()
    told = await erasing
    assert (told.outcome, told.events) == (Outcome.ERASED, 2)


async def test_a_ledger_that_cannot_be_had_is_said(
    client: httpx.AsyncClient, eraser: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await story(client)
    monkeypatch.setattr(erasure, "PATIENCE", 0.1)
    with psycopg.connect(database_url) as other:
        other.execute("LOCK TABLE entries IN ROW EXCLUSIVE MODE")  # as an append does
        with pytest.raises(LedgerBusy):
            await erasure.erase(eraser, request_for())
    with psycopg.connect(database_url) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s)", [REBUILD_LOCK])
        with pytest.raises(ErasureInTheWay, match="a rebuild is running"):
            await erasure.erase(eraser, request_for())
        other.rollback()
    assert (await erasure.erase(eraser, request_for())).outcome is Outcome.ERASED


async def test_a_vacuum_is_waited_for_and_nobody_waits_behind_it(
    client: httpx.AsyncClient, eraser: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasure, "PATIENCE", 0.0)  # it waits, and does not come again
    await story(client)
    with psycopg.connect(database_url) as vacuum:
        vacuum.execute("LOCK TABLE entries IN SHARE UPDATE EXCLUSIVE MODE")  # as one has it
        erasing = asyncio.create_task(erasure.erase(eraser, request_for()))
        while not execute(database_url, "SELECT 1 FROM pg_locks WHERE NOT granted"):
            await asyncio.sleep(0.005)
            assert not erasing.done()
        await post(client, delivered(M, key="meanwhile"))
        foreseen = await erasure.foresee(eraser, request_for())
        assert not erasing.done()
    told = await erasing
    assert (told.outcome, told.events) == (Outcome.ERASED, foreseen.events)
    assert await seen(client) == (0, 404)


@pytest.mark.slow  # the server takes its time to begin one
async def test_an_autovacuum_makes_way(
    client: httpx.AsyncClient, eraser: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasure, "PATIENCE", 10.0)
    await story(client)
    with connected(database_url) as owner:
        for _ in range(1_500):
            append(owner, numbered())
        with autovacuum_in(owner, database_url, "entries"):
            told = await erasure.erase(eraser, request_for())
    assert told.outcome is Outcome.ERASED


async def test_an_answer_that_was_lost_is_told_when_it_runs_again(
    client: httpx.AsyncClient, database_url: str
) -> None:
    entries = await story(client)

    class Lost(Breaking):
        def __init__(self) -> None:
            super().__init__(database_url, lose="after", times=1)
            self._role = "ledger_eraser"

    async with Lost() as database:
        told = await erasure.erase(database, request_for())
    assert (told.outcome, [*told.entries], told.events) == (Outcome.ERASED, sorted(entries), 2)
    assert execute(database_url, "SELECT count(*) FROM entries WHERE kind = 'erasure'") == [(1,)]
