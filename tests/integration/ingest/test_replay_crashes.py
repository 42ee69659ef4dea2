"""A replay that crashes, at whatever step, leaves nothing by halves; another one completes it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from eventstore.appender import Appender, Recorded
from eventstore.database import Database, LedgerConnection
from eventstore.durable import Unrecorded
from eventstore.events import Delivery, Entry
from ingest.callbacks import RULES, read
from ingest.refusals import kept
from ingest.replay import foresee, replaying_entry_id
from ingest.settlement import Fate, discard
from projections.projection import kept_in_step
from tests.integration.ingest.test_replay import counts, fates
from tests.support.database import execute
from tests.support.refused import MENDED, held, refused, replayer
from tests.support.supplier import body, delivered

# Crashes ----------------------------------------------------------------------------------------------


FAULT = """
    CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'the disk is full' USING ERRCODE = 'disk_full';
    END
    $$
"""


@pytest.mark.parametrize("table", ["events", "quarantine", "quarantine_usage", "acts"])
async def test_a_replay_that_fails_halfway_leaves_nothing_behind(
    client: httpx.AsyncClient, database: Database, database_url: str, table: str
) -> None:
    quarantined = await refused(client, 403)
    execute(
        database_url,
        FAULT,
        f"CREATE TRIGGER fails BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION fail()",
    )
    before = held(database_url)
    with pytest.raises((Unrecorded, Exception), match="the disk is full"):
        await replayer(database).replay([quarantined])
    assert counts(database_url) == (0, 0, 0, 0)
    assert held(database_url) == before

    execute(database_url, f"DROP TRIGGER fails ON {table}")
    assert fates(await replayer(database).replay([quarantined])) == {quarantined: Fate.RECORDED}
    assert held(database_url) == (0, 0)


async def test_a_quarantined_callback_whose_entry_is_there_already_is_settled_by_the_next_replay(
    client: httpx.AsyncClient, database: Database, database_url: str
) -> None:
    quarantined = await refused(client, 403)
    async with database.connection() as connection:
        found = (await kept(connection, [quarantined]))[quarantined]
    content = found.body or b""
    entry = Entry(
        entry_id=replaying_entry_id(found),
        kind="callback",
        client_id="notify",
        received_at=found.refusal.received_at,
        body=content,
        signature=bytes.fromhex(MENDED.secrets.sign(content)),
        secret_id="mended",
        rules=RULES,
        replays=quarantined,
    )
    appender = Appender(database, kept_in_step())
    appender.open()
    await appender.append(Delivery(entry, read(content, found.refusal.received_at, 1)))
    await appender.close()
    assert held(database_url) == (1, len(content)), "as a restore may leave it"

    assert fates(await foresee(database, MENDED, [quarantined])) == {quarantined: Fate.ALREADY_REPLAYED}
    assert held(database_url) == (1, len(content))
    told = await discard(database, [quarantined], actor="somebody", reason="rubbish")
    assert fates(told) == {quarantined: Fate.ALREADY_REPLAYED}
    for _ in range(2):
        told = await replayer(database).replay([quarantined])
        assert fates(told) == {quarantined: Fate.ALREADY_REPLAYED}
        assert held(database_url) == (0, 0)
    assert counts(database_url) == (1, 1, 0, 0)


class Breaking(Database):
    """A database that loses its first connection, before or after the commit."""

    def __init__(self, url: str, lose: str) -> None:
        super().__init__(url, role="ledger_operator")
        self.url = url
        self.lose = lose

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[LedgerConnection]:
        async with super().connection() as lent:
            lose, self.lose = self.lose, ""
            if lose == "before":
                self.terminate(lent)
            yield lent
            if lose == "after":
                self.terminate(lent)
                await lent.execute("SELECT 'the answer'")  # which is lost

    def terminate(self, lent: LedgerConnection) -> None:
        assert execute(self.url, f"SELECT pg_terminate_backend({lent.info.backend_pid}, 10000)") == [(True,)]


@pytest.mark.parametrize("lose", ["before", "after"])
async def test_a_lost_connection_does_not_hide_what_was_done(
    client: httpx.AsyncClient, database_url: str, lose: str, teleported: Any
) -> None:
    ids = [await refused(client, answer) for answer in (401, 422)]
    rubbish = await refused(client, 403)
    teleported()
    async with Breaking(database_url, lose) as database:
        told = await replayer(database).replay(ids)
        assert set(fates(told).values()) == {Fate.RECORDED}
        assert [one.recorded for one in told] == [Recorded(1, 0, 0)] * 2
        database.lose = lose
        (gone,) = await discard(database, [rubbish], actor="somebody", reason="rubbish")
        assert gone.fate is Fate.DISCARDED
    assert counts(database_url) == (3, 2, 0, 3)
    assert held(database_url) == (0, 0)


async def test_one_that_the_database_refuses_fails_alone(
    client: httpx.AsyncClient, database: Database, database_url: str
) -> None:
    ids = [await refused(client, 403, body(delivered(f"m-{n}", key=f"key-{n}"))) for n in range(7)]
    execute(
        database_url,
        FAULT.replace("disk_full", "data_exception"),
        "CREATE TRIGGER fails BEFORE INSERT ON events FOR EACH ROW WHEN (NEW.message_id = 'm-3')"
        " EXECUTE FUNCTION fail()",
    )
    told = {one.refusal_id: one for one in await replayer(database).replay(ids)}
    assert (told.pop(ids[3]).fate, {one.fate for one in told.values()}) == (Fate.FAILED, {Fate.RECORDED})
    assert held(database_url)[0] == 1
    assert counts(database_url) == (6, 6, 0, 6)
