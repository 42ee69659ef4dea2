"""Tells how the ledger is: what it holds, when it last grew and was sealed, and what waits in quarantine."""

from datetime import datetime, timedelta
from typing import NamedTuple

from psycopg.rows import args_row

from eventstore.database import Database
from eventstore.sealer_state import read_state
from eventstore.statements import statement

LONGEST = "10s"
"""How long the database may count before it is stopped."""

MOST = 100_000
"""Entries without an index that are counted."""


class Condition(NamedTuple):
    """How the ledger is; fields stand in the order of the columns of `sql/condition.sql`."""

    unsealed: int
    """Entries that wait for their index, counted up to `MOST`."""
    unsealed_since: datetime | None
    """When the first of them was recorded."""
    grew_at: datetime | None
    bytes: int
    quarantined: int
    quarantined_bytes: int
    sealed: int
    """Entries that have their index."""
    sealed_at: datetime | None
    published: int
    """Entries in the newest checkpoint that lies outside the database."""
    published_at: datetime | None
    """When that was signed."""
    told_at: datetime

    @property
    def entries(self) -> int:
        """All entries."""
        return self.sealed + self.unsealed

    @property
    def at_least(self) -> bool:
        """Whether more entries than were counted wait for their index."""
        return self.unsealed == MOST

    @property
    def lag(self) -> timedelta | None:
        """How long the first of those that wait has waited."""
        return None if self.unsealed_since is None else self.told_at - self.unsealed_since


async def condition(database: Database) -> Condition:
    """Return how the ledger is."""
    async with (
        database.snapshot() as connection,
        connection.cursor(row_factory=args_row(Condition)) as cursor,
    ):
        await cursor.execute(f"SET LOCAL statement_timeout = '{LONGEST}'")
        unseen = (await read_state(connection)).unseen
        await cursor.execute(statement("query", "condition"), {"most": MOST} | unseen)
        found = await cursor.fetchone()
    if found is None:
        raise AssertionError("migrations make these rows, and nobody may delete them")
    return found
