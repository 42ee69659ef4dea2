"""The ground that everything is measured on: one PostgreSQL on disk, its databases, and a service on one."""

import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from benchmarks.service import RECIPIENT_KEY, Service, family_seconds, running
from ledger.embedded import EmbeddedPostgres
from ledger.migration import migrate

SETTINGS = {
    "shared_buffers": "6GB",
    "max_wal_size": "16GB",
    "checkpoint_timeout": "15min",
}
"""What the server is told beyond PostgreSQL's defaults; commits are durable."""

SEALED, UNSEALED = "sealed", "unsealed"
"""Two databases of the same loads: the service of the second seals nothing."""

SEALING_KEY = "benchmark-sealing-key-of-32-characters"
TEMPORARY = Path("/var/tmp")  # noqa: S108 - a folder of our own in it; /tmp is in memory on some systems
IN_MEMORY = ("tmpfs", "ramfs")
PATIENCE = 60.0
"""Seconds for the sealer to come to the end of what was recorded."""


SMALL, LARGE = "small", "large"
"""The ledgers that begin empty, and full."""


class Scale(NamedTuple):
    """How much is stored for what needs a state of its own."""

    stored: int = 30_000
    """Callbacks of which the bytes on disk are told."""
    callbacks: int = 1_000_000
    """Callbacks after which the memory is told."""
    proven: int = 1_000_000
    """Sealed entries of which some are proven."""
    messages: int = 4_800_000
    """Of the large ledger, with 4.2 events each."""
    warm_up: float = 60.0
    """Seconds of load before the large ledger is measured."""


class Ground:
    """A server, a database for each purpose, one service at a time; `lent` makes and removes all of it."""

    def __init__(self, postgres: str, folder: Path, seconds: float, scale: Scale) -> None:
        """Take the server's URL, a folder for files, how long a measurement takes, and what is stored."""
        self.scale = scale
        self.folder = folder
        self.seconds = seconds
        self.peak: dict[int, float] = {}
        """Callbacks a second as they were measured last, by the number of workers."""
        self.just_started = False
        """Whether the service has answered nothing yet."""
        self.checkpointed = True
        """Whether nothing was measured since the last checkpoint that would tell of a ledger in use."""
        self._postgres = postgres
        self._databases: dict[str, str] = {}
        self._serving: tuple[tuple[str, int], Service, ExitStack] | None = None
        self._seeds = int(time.time()) % 1_000_000 * 1000

    @property
    def requests(self) -> Path:
        """The file for the next load."""
        return self.folder / "requests.txt"

    def seed(self) -> int:
        """Return a seed that no load of this ground had before."""
        self._seeds += 1
        return self._seeds

    def database(self, name: str, prepare: Callable[[str], object] = migrate) -> str:
        """Return the URL of a database, made and prepared where it is asked for first."""
        if name not in self._databases:
            url = make_conninfo(self._postgres, dbname=name)
            with psycopg.connect(self._postgres, autocommit=True) as connection:
                found = connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).rowcount
                if not found:
                    connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            prepare(url)
            self._databases[name] = url
        return self._databases[name]

    def forget(self) -> None:
        """Drop what an earlier run left in a folder that was kept, but the large ledger."""
        with psycopg.connect(self._postgres, autocommit=True) as connection:
            for (name,) in connection.execute(
                "SELECT datname FROM pg_database WHERE NOT datistemplate"
                " AND datname NOT IN ('postgres', current_database(), %s)",
                [LARGE],
            ).fetchall():
                connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))

    def connect(self, name: str = SMALL) -> psycopg.Connection:
        """Return a connection to a database, as its owner."""
        return psycopg.connect(self.database(name), autocommit=True)

    def configure(self, **settings: str | int) -> None:
        """Change settings of the running server."""
        with self.connect() as connection:
            for name, value in settings.items():
                told = sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), str(value))
                connection.execute(told)
            connection.execute("SELECT pg_reload_conf()")

    def service(self, workers: int, database: str = SMALL) -> Service:
        """Return a running service with so many workers on a database; any other one is stopped before."""
        asked = database, workers
        if self._serving is None or self._serving[0] != asked:
            url = self.database(database)
            self.settle()
            self.stop()
            parts = ExitStack()
            settings = {
                "SEALING_KEY": SEALING_KEY,
                "RECIPIENT_KEY": RECIPIENT_KEY,
                "ANCHORS": str(self.folder / f"anchors-{database}"),
            }
            if database == UNSEALED:
                settings["SEAL_EVERY"] = "0"
            self._serving = asked, parts.enter_context(running(url, workers, **settings)), parts
            self.just_started = True
        return self._serving[1]

    def stop(self) -> None:
        """Stop the service, if one runs."""
        if self._serving is not None:
            _, _, parts = self._serving
            self._serving = None
            parts.close()

    def cpu_seconds(self) -> float:
        """Return the processor time so far of the service and of PostgreSQL, all their processes together."""
        with psycopg.connect(self._postgres) as connection:
            ((data,),) = connection.execute("SHOW data_directory").fetchall()
        server = family_seconds(int((Path(data) / "postmaster.pid").read_text().split()[0]))
        return server + (self._serving[1].cpu_seconds() if self._serving is not None else 0.0)

    def await_sealed(self) -> None:
        """Return once the service that runs, if it seals, has sealed all that is recorded."""
        if self._serving is None or self._serving[0][0] == UNSEALED:
            return
        deadline = time.monotonic() + PATIENCE
        with self.connect(self._serving[0][0]) as connection:
            while _waiting(connection):
                if time.monotonic() > deadline:
                    raise RuntimeError("the sealer does not come to an end")
                time.sleep(0.1)

    def settle(self) -> None:
        """Let what was measured last have no effect on what is measured next.

        There is no checkpoint between two measurements of the large ledger: see `large.in_use`.
        """
        self.await_sealed()
        if self._serving is not None and self._serving[0][0] == LARGE:
            return
        self.checkpointed = True
        with psycopg.connect(self._postgres, autocommit=True) as connection:
            connection.execute("CHECKPOINT")


def unseen(connection: psycopg.Connection) -> tuple[str, list[str]]:
    """Return which transactions the sealer has not seen: from one on, and those that were open then.

    As values for the next question: of a subquery's result PostgreSQL believes that a third of all entries
    match, and reads them all.
    """
    ((since, still_open),) = connection.execute(
        "SELECT coalesce(pg_snapshot_xmax(snapshot), '0')::text,"
        " ARRAY(SELECT pg_snapshot_xip(snapshot)::text) FROM sealer"
    ).fetchall()
    return since, still_open


def _waiting(connection: psycopg.Connection) -> bool:
    """Return whether an entry waits for its seal."""
    since, _ = unseen(connection)
    found = connection.execute(  # in the order of an index: else a generic plan reads from the first on
        "SELECT FROM entries WHERE transaction_id >= %s::xid8 ORDER BY transaction_id LIMIT 1", [since]
    )
    return found.rowcount == 1


@contextmanager
def lent(seconds: float, scale: Scale, folder: Path | None = None) -> Iterator[Ground]:
    """Lend a ground; without a folder all is removed at the end, in one the databases stay."""
    with ExitStack() as parts:
        place = folder or Path(parts.enter_context(tempfile.TemporaryDirectory(dir=TEMPORARY)))
        place.mkdir(parents=True, exist_ok=True)
        kind = filesystem(place)
        if kind in IN_MEMORY:
            raise RuntimeError(f"{place} is in memory ({kind}): a commit there is not durable")
        postgres = EmbeddedPostgres(place / "postgres")
        parts.callback(postgres.release if folder else postgres.remove)
        url = postgres.acquire()
        with psycopg.connect(url, autocommit=True) as connection:
            for name, value in SETTINGS.items():
                told = sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), value)
                connection.execute(told)
        postgres.release()  # for the settings that need a start
        ground = Ground(postgres.acquire(), place, seconds, scale)
        ground.forget()
        try:
            yield ground
        finally:
            ground.stop()


def filesystem(place: Path) -> str:
    """Return the kind of file system that a folder is on."""
    told = subprocess.run(
        ["stat", "--file-system", "--format=%T", place], check=True, capture_output=True, text=True
    )
    return told.stdout.strip()
