"""A database as those have it who work on the event store."""

from collections.abc import AsyncIterator

import pytest

from eventstore.database import Database


@pytest.fixture
async def eraser(database_url: str) -> AsyncIterator[Database]:
    """The database under the role that may erase."""
    async with Database(database_url, role="ledger_eraser", connections=2) as opened:
        yield opened
