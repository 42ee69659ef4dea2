"""The door to PostgreSQL: what is raised within it is what the caller gets."""

import asyncio

import pytest

from eventstore.database import Database


async def test_a_snapshot_whose_connection_is_lost_lets_a_cancellation_through(database_url: str) -> None:
    """As where a statement fails while a cancelled task's request to stop it is under way."""
    lent = asyncio.Event()

    async def look() -> None:
        async with database.snapshot() as connection:
            lent.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                connection.pgconn.finish()
                raise

    async with Database(database_url, connections=1) as database:
        looking = asyncio.create_task(look())
        await lent.wait()
        looking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await looking
