"""The listing: registered messages in the order of their newest event, by batch and by recipient.

`listed_messages` has a row for each message and each registration of its reference, with the message's place
among the newest. An append keeps it in step for every registration that it sees (`sql/listed_messages.sql`).
What a registration and an append cannot see of each other is put right here, off their way:

1. A registration is noted in `unlisted_registrations` by a trigger, in its own transaction. As long as it is
   there, reads look its messages up one by one (`query/page.py`): they are exact, and wait for nothing.
2. Appends that began before the registration was committed may not have seen it, so all that are in flight
   are waited for. They hold a lock of the read model from before their snapshot to their end.
3. From then on every append keeps what it writes in step. What those before it wrote is listed: messages that
   are not there yet, and messages that one of them moved after another had listed them.
4. The note is taken away.

Killed at any step, it begins that batch again. A rebuild of the read model empties the listing, and notes all
registrations.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import structlog

from eventstore.database import Database, LedgerConnection
from eventstore.errors import LedgerError
from eventstore.statements import statement

LISTING_LOCK = 0x57A7_1ED9
"""Key of the advisory lock that is held by who lists a batch, and by a rebuild."""

SLICE = 1_000
"""References that one transaction lists: some tens of milliseconds, for which an erasure may wait."""

POLL = 0.01
"""Seconds between two looks at the appends in flight."""

log = structlog.get_logger()


class Listing:
    """Lists the registrations of one database; several at once, in one process or many, take turns."""

    def __init__(self, database: Database) -> None:
        """Take the database, on a connection that no callback waits for."""
        self._database = database
        self._told = ""

    async def once(self) -> int:
        """List what is not listed yet; return how many registrations. Raises what the database raises.

        Nothing is done where listing has not begun, or while another lists or a rebuild runs.
        """
        done = 0
        async with self._database.connection() as connection:
            while listed := await _list_a_batch(connection):
                done += listed
        return done

    async def run(self, every: float) -> None:
        """List every so many seconds until cancelled."""
        while True:
            await self.attempt()
            await asyncio.sleep(every)

    async def attempt(self) -> None:
        """List once; what fails is told once, and may be attempted again."""
        try:
            await self.once()
            self._told = ""
        except (LedgerError, psycopg.Error, OSError) as error:
            if str(error) != self._told:
                log.warning("listing.stopped", error=type(error).__name__, reason=str(error))
            self._told = str(error)


async def _list_a_batch(connection: LedgerConnection) -> int:
    """List what is not listed of one batch; return how many of its registrations."""
    async with _alone(connection) as free:
        unlisted = await _rows(connection, "unlisted") if free else []
        for client_id, batch_reference, entries in unlisted:
            await _appends_over(connection)
            batch = {"client_id": client_id, "batch_reference": batch_reference, "entries": entries}
            after = ""
            while slice_ := await _rows(connection, "listing_slice", batch | {"after": after, "size": SLICE}):
                ((until,),) = slice_
                for what in ("list_moved", "list_missing"):
                    asked = batch | {"after": after, "until": until}
                    await connection.execute(statement("projections", what), asked)
                after = until
            await connection.execute(statement("projections", "listed"), batch)
            return len(entries)
    return 0


async def _appends_over(connection: LedgerConnection) -> None:
    """Wait until every append that is in flight now has ended; what begins later is not waited for."""
    waited_for = {one for (one,) in await _rows(connection, "appends_in_flight")}
    while waited_for:
        await asyncio.sleep(POLL)
        waited_for &= {one for (one,) in await _rows(connection, "appends_in_flight")}


@asynccontextmanager
async def _alone(connection: LedgerConnection) -> AsyncIterator[bool]:
    """Hold the lock, if it is free; tell whether it is."""
    cursor = await connection.execute("SELECT pg_try_advisory_lock(%s)", [LISTING_LOCK])
    ((free,),) = await cursor.fetchall()
    try:
        yield free
    finally:
        if free and not connection.closed:
            await connection.execute("SELECT pg_advisory_unlock(%s)", [LISTING_LOCK])


async def _rows(
    connection: LedgerConnection, name: str, asked: dict[str, Any] | None = None
) -> list[tuple[Any, ...]]:
    cursor = await connection.execute(statement("projections", name), asked)
    return await cursor.fetchall()
