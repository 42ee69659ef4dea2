"""A listening server, and what makes it wait, or lose its patience."""

from collections.abc import AsyncIterator

import psycopg
import pytest
import uvicorn

from ledger import bounds
from ledger.app import StatusLedger
from tests.support.wire import listening


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}  # as `status-ledger serve` does


@pytest.fixture
async def server(app: StatusLedger) -> AsyncIterator[uvicorn.Server]:
    """A listening server of the open application."""
    async with listening(app) as server:
        yield server


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that soon loses its patience."""
    monkeypatch.setattr(bounds, "PATIENCE", 0.2)


@pytest.fixture
async def held_up(database_url: str) -> AsyncIterator[psycopg.AsyncConnection]:
    """What keeps callbacks waiting for their commit until it is rolled back."""
    async with await psycopg.AsyncConnection.connect(database_url) as other:
        await other.execute("LOCK TABLE entries IN ACCESS EXCLUSIVE MODE")
        yield other
