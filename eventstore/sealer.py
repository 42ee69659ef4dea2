"""Gives the ledger its order, late: finds the entries that are new, and gives each its index and its leaf.

Appends promise no order and share no lock, so a number taken when an entry is written would be seen out of
order. The sealer finds what is new by the difference of two snapshots: the one of last time, which it
keeps, and that of the statement by which it looks. An entry whose transaction was open last time is found
when that has ended; one that was rolled back never; nothing is skipped, and nothing is waited for.
"""

from datetime import UTC, datetime, timedelta
from functools import partial
from secrets import token_hex
from typing import NamedTuple
from uuid import UUID

import structlog
from psycopg.errors import UniqueViolation

from eventstore import tiles
from eventstore.database import Database, LedgerConnection
from eventstore.durable import committed
from eventstore.errors import LedgerError
from eventstore.sealer_state import FIRST, State, change, hold
from eventstore.statements import statement

MOST = 20_000
"""Entries that are sealed in one transaction."""

SWEPT = 50_000
"""Entries that one step of a sweep looks at: some 50 ms, in which nobody seals."""

LATE = timedelta(minutes=1)
"""An entry that was recorded longer ago when it is sealed, is worth a warning."""

HAS_LEAF = "leaves_entry_id_key"
"""The constraint that an entry has one leaf."""

_LAST = str(2**64 - 1)
"""Above every transaction id."""

log = structlog.get_logger()


class ServerChanged(LedgerError):
    """The database is on another server, or another line of its history, than when it was sealed last."""


class Sealed(NamedTuple):
    """What one transaction of the sealer came to."""

    entries: int
    size: int
    """Entries of the ledger that have their index now."""
    more: bool
    """Whether it stopped at `MOST`."""


def new_incarnation() -> str:
    """Return a name that no other log has, in this database or in a copy of it."""
    return token_hex(8)


async def seal(
    database: Database, *, everything: bool = False, resumed: bool = False, most: int = MOST
) -> Sealed:
    """Seal what is new, in one transaction.

    `everything` looks at all entries and not only at those that the last snapshot did not see, and makes this
    server the sealer's: after a restore transaction ids mean nothing. What the last snapshot did not see has
    no leaf, unless the last seal stopped half-way (`resumed`), or a restored entry bears the id of a
    transaction that has only come now: then its key says so, and each entry is asked for its leaf. Raises
    `ServerChanged` where the server is another one and not everything is looked at, `OvertakenSealer` or what
    `durable.committed` does.
    """

    async def work(connection: LedgerConnection, *, trusting: bool = False) -> Sealed:
        async with connection.transaction():
            state = await hold(connection)
            if state.elsewhere and not everything:
                raise ServerChanged(f"{state.system_identifier_here}, timeline {state.timeline_here}")
            return await _seal(connection, state, everything=everything, trusting=trusting, most=most)

    if not everything and not resumed:
        try:
            return await committed(database, partial(work, trusting=True))
        except UniqueViolation as known:
            if known.diag.constraint_name != HAS_LEAF:
                raise
    return await committed(database, work)


def sweep_is_due(state: State, *, every: timedelta) -> bool:
    """Return whether a sweep is under way, or the last one ended longer ago than `every`."""
    if state.snapshot is None or state.elsewhere:
        return False
    return state.swept_to is not None or state.swept_at is None or datetime.now(UTC) - state.swept_at >= every


async def sweep(database: Database, *, every: timedelta, most: int = SWEPT) -> int:
    """Look at the next `most` entries for any that were missed, if that is due; return how many were.

    There should never be any: sweep by sweep this holds the difference of snapshots against the whole ledger.
    """

    async def work(connection: LedgerConnection) -> int:
        async with connection.transaction():
            state = await hold(connection)
            if not sweep_is_due(state, every=every):
                return 0
            cursor = await connection.execute(
                statement("eventstore", "missed"),
                {"snapshot": state.snapshot, "after": state.swept_to or UUID(int=0), "most": most},
            )
            ((missed, swept_to),) = await cursor.fetchall()
            await change(
                connection,
                state,
                swept_to=swept_to,
                swept_at=datetime.now(UTC) if swept_to is None else state.swept_at,
                snapshot=None if missed else state.snapshot,
            )
            return int(missed)

    missed = await committed(database, work)
    if missed:
        log.error("entry.missed", entries=missed)  # without its snapshot the sealer looks at everything
    return missed


async def _seal(
    connection: LedgerConnection, state: State, *, everything: bool, trusting: bool, most: int
) -> Sealed:
    every = everything or state.xmax is None
    looked_at = {"since": FIRST, "below": _LAST, "open": []} if every else state.unseen | {"below": None}
    cursor = connection.cursor(binary=True)
    await cursor.execute(
        statement("eventstore", "seal"),
        looked_at | {"trusting": trusting, "size": state.size, "most": most},
    )
    ((snapshot, sealed, oldest, hashes),) = await cursor.fetchall()
    more = sealed == most
    size = state.size + sealed
    if sealed == 0 and state.snapshot is not None and not everything:
        return Sealed(0, size, more=False)  # the old snapshot serves as well: an idle ledger writes nothing
    await tiles.keep_full(connection, state.size, hashes)
    await change(
        connection,
        state,
        size=size,
        # With entries left, the old snapshot stands: they are found again, and those with a leaf are not.
        snapshot=(None if everything else state.snapshot) if more else snapshot,
        incarnation=state.incarnation or new_incarnation(),
    )
    if oldest is not None and datetime.now(UTC) - oldest > LATE:
        log.warning("entry.sealed_late", oldest=oldest.isoformat(), entries=sealed)
    return Sealed(sealed, size, more)
