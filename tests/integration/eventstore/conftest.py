"""A database as those have it who work on the event store."""

from collections.abc import AsyncIterator

import pytest

from eventstore.database import Database
from ledger.preflight import SERVICE_ROLE


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """The database under the role of the service, with connections for several at once."""
    async with Database(database_url, role=SERVICE_ROLE, connections=3) as opened:
        yield opened


@pytest.fixture
async def eraser(database_url: str) -> AsyncIterator[Database]:
    """The database under the role that may erase."""
    async with Database(database_url, role="ledger_eraser", connections=2) as opened:
        yield opened
