"""Tells how the ledger is: what it holds, when it last grew and was sealed, and what waits in quarantine."""

from datetime import datetime
from typing import NamedTuple

from psycopg.rows import args_row

from eventstore.database import Database
from eventstore.statements import statement

LONGEST = "10s"
"""How long the database may count before it is stopped."""


class Condition(NamedTuple):
    """How the ledger is; fields stand in the order of the columns of `sql/condition.sql`."""

    entries: int
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
    def unsealed(self) -> int:
        """Entries that wait for their index."""
        return max(self.entries - self.sealed, 0)


async def condition(database: Database) -> Condition:
    """Return how the ledger is."""
    async with (
        database.snapshot() as connection,
        connection.cursor(row_factory=args_row(Condition)) as cursor,
    ):
        await cursor.execute(f"SET LOCAL statement_timeout = '{LONGEST}'")
        await cursor.execute(statement("query", "condition"))
        found = await cursor.fetchone()
    if found is None:
        raise AssertionError("migrations make these rows, and nobody may delete them")
    return found
