"""A database as those have it who work on the event store, and what seals its log."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from eventstore.checkpoints import Seals
from eventstore.database import Database
from eventstore.sealing import Sealing
from ledger.preflight import SERVICE_ROLE
from tests.support.sealing import Clock, seals_in


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


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "anchors"


@pytest.fixture
def seals(folder: Path, clock: Clock) -> Seals:
    return seals_in(folder, clock)


@pytest.fixture
def sealing(database: Database, seals: Seals) -> Sealing:
    return Sealing(database, seals)
