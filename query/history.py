"""Reads what the ledger holds of one message."""

from psycopg.rows import args_row

from eventstore.database import Database
from eventstore.statements import statement
from query.timeline import Step, Told, timeline


async def message_timeline(database: Database, message_id: str) -> list[Step]:
    """Return the timeline of a message; empty where the ledger holds nothing of it."""
    if "\0" in message_id:
        return []
    async with database.connection() as connection, connection.cursor(row_factory=args_row(Told)) as cursor:
        await cursor.execute(statement("query", "timeline"), {"message_id": message_id})
        return timeline(await cursor.fetchall())
