"""Each fault: a database and a service of its own, a load, the verdict, a line of the table."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.embedded import EmbeddedPostgres
from tests.end_to_end.chaos.scene import Scene
from tests.end_to_end.chaos.server import Server
from tests.support.database import at, binaries, execute, make_template

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of the module's own, on a disk."""
    found = binaries(request.config.getoption("--postgres"))
    started = Server(EmbeddedPostgres(tmp_path_factory.mktemp("postgres"), found))
    try:
        make_template(started.url)
        yield started
    finally:
        started.remove()


@pytest.fixture
def scene(server: Server, tmp_path: Path) -> Iterator[Scene]:
    """A migrated database, and all that a fault needs."""
    name = f"chaos_{next(_numbers)}"
    execute(server.url, f"CREATE DATABASE {name} TEMPLATE migrated")
    try:
        yield Scene(at(server.url, name), tmp_path)
    finally:
        server.start()  # whatever was done to it
        execute(server.url, f"DROP DATABASE {name} WITH (FORCE)")
