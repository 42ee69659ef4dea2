"""Fixtures that every test may ask for: a PostgreSQL server, a database of its own, the application."""

import gc
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from asgi_lifespan import LifespanManager
from hypothesis import settings

from ledger.app import StatusLedger, create_app
from ledger.embedded import EmbeddedPostgres
from ledger.settings import Settings
from tests.support.database import binaries, cloned, make_template
from tests.support.service import ENVIRONMENT

for name in ("COLUMNS", "LINES"):  # xdist sets them, and rich keeps what it finds when a console is made
    os.environ.pop(name, None)
import ledger.commands.terminal  # noqa: E402, F401

settings.register_profile("default", deadline=None)
settings.register_profile("full", deadline=None, max_examples=300)
settings.load_profile("default")

MEMORY = Path("/dev/shm")  # noqa: S108 - what lies there is this session's alone, and goes with it
ROOM = 4 * 1024**3
"""Bytes that must be free in memory: for a gigabyte of WAL a server, and what several servers hold."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--postgres", default="18", help="the major version of PostgreSQL to test on")


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()  # thousands of tests and what they import stay: no collection need look at them again


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a running server, as its superuser."""
    major = request.config.getoption("--postgres")
    try:
        found = binaries(major)
    except FileNotFoundError as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))
    with in_memory() as memory:
        server = EmbeddedPostgres(memory or tmp_path_factory.mktemp("postgres"), found)
        try:
            url = server.acquire()
            make_template(url)
            yield url
        finally:
            server.remove()


@contextmanager
def in_memory() -> Iterator[Path | None]:
    """Lend a folder in memory, where a test's database is made five times as fast; None without the room."""
    if not MEMORY.is_dir() or shutil.disk_usage(MEMORY).free < ROOM:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="status-ledger-", dir=MEMORY) as folder:
        Path(folder).chmod(0o711)  # for root's server runs as another user
        data = Path(folder) / "data"
        data.mkdir()
        yield data


@pytest.fixture
def database_url(postgres: str) -> Iterator[str]:
    """The URL of a migrated database that is this test's alone, as its owner."""
    with cloned(postgres) as url:
        yield url


@pytest.fixture
def service_settings(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    """The settings of a service on this test's database."""
    monkeypatch.chdir(tmp_path)  # no .env of the developer's
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("ANCHORS", f"{tmp_path}-anchors")  # not among what a test writes
    monkeypatch.setenv("SEAL_EVERY", "0")  # a test says when
    return Settings.load()


@pytest.fixture
async def app(service_settings: Settings) -> AsyncIterator[StatusLedger]:
    """The application, open, on this test's database."""
    application = create_app(service_settings)
    async with LifespanManager(application, startup_timeout=30, shutdown_timeout=30):
        yield application


@pytest.fixture
async def client(app: StatusLedger) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application, in process."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://ledger.test") as session:
        yield session
