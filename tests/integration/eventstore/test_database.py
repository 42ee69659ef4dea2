"""The door to PostgreSQL: what is raised within it is what the caller gets."""

import asyncio

import pytest

from eventstore.database import Database
from tests.support.appending import appending, told
from tests.support.database import execute


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


async def test_a_large_body_is_compressed_by_lz4_where_the_server_has_it(
    database: Database, database_url: str
) -> None:
    ((known,),) = execute(
        database_url, "SELECT enumvals FROM pg_settings WHERE name = 'default_toast_compression'"
    )
    assert isinstance(known, list)
    async with appending(database) as appender:
        delivery = told()
        large = delivery.entry._replace(body=b"{" + b" " * 10_000 + b"}")
        await appender.append(delivery._replace(entry=large))
    expected = "lz4" if "lz4" in known else "pglz"
    assert execute(database_url, "SELECT pg_column_compression(body) FROM entries") == [(expected,)]
