"""A ledger to work on: one that every test of a module shares and leaves clean, and one of a test's own."""

from collections.abc import Iterator

import psycopg
import pytest

from tests.support.appending import STORY, append, connected
from tests.support.database import cloned
from tests.support.rebuilds import Steps


@pytest.fixture
def owner(database_url: str) -> Iterator[psycopg.Connection]:
    """A connection as the owner of an empty ledger."""
    with connected(database_url) as opened:
        yield opened


@pytest.fixture(scope="module")
def shared_url(postgres: str) -> Iterator[str]:
    """The URL of a ledger that was told the story; each test leaves its read model clean."""
    with cloned(postgres) as url:
        with connected(url) as connection:
            for one in STORY:
                append(connection, one)
        yield url


@pytest.fixture
def shared(shared_url: str) -> Iterator[psycopg.Connection]:
    """A connection as the owner of the shared ledger."""
    with connected(shared_url) as opened:
        yield opened


@pytest.fixture
def service(shared_url: str) -> Iterator[psycopg.Connection]:
    """A connection to the shared ledger, as the service has one."""
    with connected(shared_url) as opened:
        opened.execute("SET ROLE ledger_service")
        yield opened


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:
    """What lets things happen between the steps of a rebuild."""
    return Steps(monkeypatch)
