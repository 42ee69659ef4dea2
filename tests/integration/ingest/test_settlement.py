"""Discarding: for quarantined requests alone, for good, with a reason; and room under the caps freed once."""

import asyncio
import json
from datetime import UTC, datetime
from hashlib import sha256
from itertools import count
from uuid import UUID

import httpx
import pytest

from eventstore.acts import acts_on
from eventstore.appender import Recorded
from eventstore.database import Database
from ingest.quarantine import ALARM_PAUSE, Caps, Quarantine, QuarantineFull, Suspect
from ingest.refusals import kept, usage
from ingest.settlement import Fate, Settled, Tally, discard
from tests.support.database import execute
from tests.support.refused import held, refused
from tests.support.supplier import body, delivered

RECEIVED = datetime(2026, 11, 23, 12, tzinfo=UTC)


def suspect(number: int, content: bytes = b"content") -> Suspect:
    return Suspect(UUID(int=number), RECEIVED, 403, None, b"signature", content)


def fates(told: list[Settled]) -> dict[UUID, Fate]:
    return {one.refusal_id: one.fate for one in told}


async def test_a_discarded_request_is_gone_but_not_that_it_was_there(
    client: httpx.AsyncClient, database: Database, database_url: str
) -> None:
    content = body(delivered())
    quarantined = await refused(client, 403, content)
    told = await discard(database, [quarantined], actor="alice", reason="a drill")
    assert told == [Settled(quarantined, Fate.DISCARDED)]
    assert held(database_url) == (0, 0)
    assert execute(
        database_url,
        "SELECT quarantine_id, answer, settlement, settled_at >= recorded_at, freed_bytes, signature, body"
        " FROM quarantine",
    ) == [(quarantined, 403, "discarded", True, len(content), None, b"")]

    async with database.connection() as connection:
        (act,) = await acts_on(connection, str(quarantined))
        found = (await kept(connection, [quarantined]))[quarantined]
    assert (act.actor, act.act, act.outcome, act.reason) == (
        "alice",
        "quarantine.discard",
        "discarded",
        "a drill",
    )
    assert act.detail == {
        "answer": 403,
        "received_at": found.refusal.received_at.isoformat(),
        "bytes": len(content),
        "sha256": sha256(content).hexdigest(),
    }
    assert (found.body, found.signature, found.refusal.bytes) == (None, None, len(content))


async def test_a_second_discard_and_one_of_what_is_no_suspect_change_nothing(
    client: httpx.AsyncClient, database: Database, database_url: str
) -> None:
    quarantined, entry_id = await refused(client, 401), await refused(client, 422)
    await discard(database, [quarantined], actor="somebody", reason="a drill")
    before = [execute(database_url, f"TABLE {table}") for table in ("entries", "quarantine", "acts")]
    ids = [quarantined, entry_id, UUID(int=1)]
    told = await discard(database, ids, actor="somebody", reason="again")
    assert fates(told) == {
        quarantined: Fate.ALREADY_DISCARDED,
        entry_id: Fate.AN_ENTRY,
        UUID(int=1): Fate.UNKNOWN,
    }
    assert [execute(database_url, f"TABLE {table}") for table in ("entries", "quarantine", "acts")] == before


async def test_a_full_quarantine_refuses_until_somebody_makes_room(
    client: httpx.AsyncClient, database: Database, database_url: str
) -> None:
    async with Database(database_url, role="ledger_service") as theirs:
        quarantine = Quarantine(theirs, Caps(requests=3, bytes=1000))
        quarantine.open()
        for number in range(3):
            await quarantine.keep(suspect(number))
        with pytest.raises(QuarantineFull):
            await quarantine.keep(suspect(3))
        assert held(database_url) == (3, 21), "nothing is evicted"

        await discard(database, [UUID(int=0), UUID(int=1)], actor="somebody", reason="a drill")
        with pytest.raises(QuarantineFull):
            await quarantine.keep(suspect(4, b"x" * 994))
        await quarantine.keep(suspect(5, b"x" * 993))
        assert held(database_url) == (2, 1000)
        await quarantine.close()


async def test_what_is_kept_and_settled_at_once_is_counted_right(
    database: Database, database_url: str
) -> None:
    async with Database(database_url, role="ledger_service") as theirs:
        quarantine = Quarantine(theirs, Caps(requests=10_000, bytes=10_000_000))
        quarantine.open()
        numbers = count()

        async def come_and_go() -> None:
            for _ in range(10):
                mine = [next(numbers) for _ in range(5)]
                await asyncio.gather(*(quarantine.keep(suspect(number)) for number in mine))
                ids = [UUID(int=number) for number in mine[1:]]
                await asyncio.gather(
                    *(discard(database, ids, actor="somebody", reason="a drill") for _ in range(2))
                )

        await asyncio.gather(*(come_and_go() for _ in range(4)))
        await quarantine.close()
    assert held(database_url) == (40, 40 * 7)
    async with database.connection() as connection:
        assert await usage(connection) == (40, 280)
    assert execute(database_url, "SELECT count(*), count(DISTINCT subject) FROM acts") == [(160, 160)]


async def test_a_full_quarantine_alarms_once_a_minute(
    database_url: str, capsys: pytest.CaptureFixture[str], client: httpx.AsyncClient
) -> None:
    del client  # its logs are JSON
    moments = [0.0, 1.0, ALARM_PAUSE - 1, ALARM_PAUSE, ALARM_PAUSE + 1]
    async with Database(database_url, role="ledger_service") as database:
        quarantine = Quarantine(database, Caps(requests=0, bytes=0), clock=iter(moments).__next__)
        quarantine.open()
        for _ in moments:
            with pytest.raises(QuarantineFull):
                await quarantine.keep(suspect(1))
        await quarantine.close()
    logged = [json.loads(line) for line in capsys.readouterr().err.splitlines() if "quarantine.full" in line]
    assert [(line["level"], line["most_requests"]) for line in logged] == [("error", 0)] * 2


def test_a_tally_counts_fates_and_reasons() -> None:
    tally = Tally()
    tally.add(
        [Settled(UUID(int=1), Fate.STILL_REFUSED, "why"), Settled(UUID(int=2), Fate.STILL_REFUSED, "why")]
    )
    assert (tally.fates[Fate.STILL_REFUSED], tally.reasons[Fate.STILL_REFUSED]["why"]) == (2, 2)
    assert tally.recorded == Recorded(0, 0, 0)
