"""What the sealer knows from one time to the next, and the lock under which it may change.

One sealer works at a time in a database: a lock that ends with the transaction, so that no lost connection
keeps it. Should one be paused for so long that its transaction is ended, the version tells it that another
has worked meanwhile, and the unique keys of leaves and checkpoints refuse what it still believes to be
next.
"""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from psycopg.rows import args_row

from eventstore.database import LedgerConnection
from eventstore.errors import LedgerError
from eventstore.statements import statement

FIRST = "0"
"""Below every transaction id."""

SEAL_LOCK = 0x57A7_1ED8

_PATIENCE = "60s"
"""How long another sealer is waited for, and how long a paused one may hold the lock."""

_HOLD = """
    SELECT pg_advisory_xact_lock(%(lock)s)
    FROM (
        SELECT
            set_config('lock_timeout', %(patience)s, true),
            set_config('idle_in_transaction_session_timeout', %(patience)s, true),
            set_config('jit', 'off', true) -- to compile a seal takes longer than to run it
        OFFSET 0 -- first
    ) AS bounds
"""


class OvertakenSealer(LedgerError):
    """Another sealer has worked meanwhile."""


class State(NamedTuple):
    """The row of `sealer`; fields stand in the order of the columns of `sql/sealer_state.sql`."""

    version: int
    size: int
    """How many entries have their index."""
    signed_size: int
    published_size: int
    incarnation: str | None
    """None before the first seal."""
    snapshot: str | None
    """Whatever it saw is sealed; None where nothing is known."""
    xmax: str | None
    """The first transaction id that the snapshot did not see."""
    open: list[str] | None
    """The transactions that were open then."""
    swept_at: datetime | None
    """When the last sweep ended that looked at every entry."""
    swept_to: UUID | None
    """How far the sweep under way has come; None where none is."""
    system_identifier: int | None
    timeline: str | None
    system_identifier_here: int
    timeline_here: str

    @property
    def unseen(self) -> dict[str, object]:
        """Which transactions the snapshot did not see: from `since` on, and those `open` then.

        They are parameters wherever entries are looked for by them. Of a subquery's result PostgreSQL
        believes that a third of all entries match, and reads them all.
        """
        return {"since": FIRST if self.xmax is None else self.xmax, "open": self.open or []}

    @property
    def elsewhere(self) -> bool:
        """Whether the last seal was on another server, or on another line of the database's history."""
        last = (self.system_identifier, self.timeline)
        return self.incarnation is not None and last != (self.system_identifier_here, self.timeline_here)


async def read_state(connection: LedgerConnection) -> State:
    """Return what the sealer knows."""
    async with connection.cursor(row_factory=args_row(State)) as cursor:
        await cursor.execute(statement("eventstore", "sealer_state"))
        state = await cursor.fetchone()
    if state is None:
        raise AssertionError("the migration makes the row, and nobody may delete it")
    return state


async def hold(connection: LedgerConnection) -> State:
    """Wait until no other sealer works, exclude others until the transaction ends, and return the state."""
    await connection.execute(_HOLD, {"lock": SEAL_LOCK, "patience": _PATIENCE})
    return await read_state(connection)


async def change(connection: LedgerConnection, state: State, **changes: Any) -> None:
    """Change what the sealer knows from `state`, now on this server; raises `OvertakenSealer`."""
    here = {"system_identifier": state.system_identifier_here, "timeline": state.timeline_here}
    values = state._asdict() | here | changes
    cursor = await connection.execute(statement("eventstore", "sealer_change"), values)
    if cursor.rowcount != 1:
        raise OvertakenSealer
