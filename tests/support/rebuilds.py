"""What the tests of checks and rebuilds do: look for differences and remnants, and act between the steps."""

import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from projections import rebuild
from projections.projection import PROJECTIONS
from projections.verify import Difference, verify
from tests.support.appending import append, numbered

READ = 'SELECT * FROM message_status JOIN channel_status USING (message_id) ORDER BY message_id COLLATE "C"'
"""All that is in the tables that a rebuild replaces."""

PATIENCE = 60.0
"""Seconds in which what is waited for comes, or never."""


def found(connection: psycopg.Connection) -> list[Difference]:
    """Return all that a check finds."""
    return list(verify(connection, PROJECTIONS))


def left_behind(connection: psycopg.Connection) -> list[Any]:
    """Return what a check or rebuild that is over might have left."""
    return connection.execute(
        "SELECT 'lock', objid::text FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
        " UNION ALL SELECT 'schema', nspname FROM pg_namespace WHERE nspname ~ '^ledger_'"
        " UNION ALL SELECT 'table', relname FROM pg_class WHERE relpersistence = 't'"
        " UNION ALL SELECT 'search_path', current_setting('search_path')"
        " WHERE current_setting('search_path') ~ 'pg_temp|ledger_'"
        " UNION ALL SELECT 'transaction', now()::text WHERE now() <> statement_timestamp()"
    ).fetchall()


def numbers_of(connection: psycopg.Connection) -> list[Any]:
    """Return what tells the tables from others of the same name, and their indexes."""
    return connection.execute(
        "SELECT oid, relname FROM pg_class WHERE relname ~ '^(message|channel)_status' ORDER BY 1"
    ).fetchall()


class Steps:
    """Lets things happen before and after the steps of a rebuild; each is told which time it is."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def before(self, step: str, act: Callable[[int], object]) -> None:
        """Act each time before a function of the module runs."""
        self._around(step, before=act)

    def after(self, step: str, act: Callable[[int], object]) -> None:
        """Act each time after a function of the module has run."""
        self._around(step, after=act)

    def undo(self) -> None:
        """Let nothing more happen."""
        self._monkeypatch.undo()

    def _around(
        self,
        step: str,
        *,
        before: Callable[[int], object] = lambda _: None,
        after: Callable[[int], object] = lambda _: None,
    ) -> None:
        original = getattr(rebuild, step)
        numbers = itertools.count(1)

        def run(*arguments: Any) -> Any:
            number = next(numbers)
            before(number)
            returned = original(*arguments)
            after(number)
            return returned

        self._monkeypatch.setattr(rebuild, step, run)


def wait_for_waiting(connection: psycopg.Connection, how_many: int) -> None:
    """Wait until so many wait for a lock on a table of this database."""
    query = (
        "SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted AND locktype = 'relation'"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    deadline = time.monotonic() + PATIENCE
    while connection.execute(query).fetchone() != (how_many,):
        assert time.monotonic() < deadline, f"not {how_many} wait"
        time.sleep(0.01)  # PostgreSQL tells nobody that somebody waits


class Writing:
    """Appends events one after the other, for as long as the block lasts."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self.appended = 0
        self._connection = connection
        self._progress = threading.Condition()
        self._stopping = threading.Event()
        self._pool = ThreadPoolExecutor(1)

    def go_on(self) -> None:
        """Return when two more were appended, the second of which began after this call."""
        enough = self.appended + 2
        deadline = time.monotonic() + PATIENCE
        with self._progress:
            while self.appended < enough:
                assert not self._run.done(), "an append failed"
                assert time.monotonic() < deadline, "an append waits"
                self._progress.wait(0.1)

    def __enter__(self) -> "Writing":
        self._run = self._pool.submit(self._write)
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._run.result(60)
        self._pool.shutdown()

    def _write(self) -> None:
        while not self._stopping.is_set():
            append(self._connection, numbered())
            with self._progress:
                self.appended += 1
                self._progress.notify_all()
