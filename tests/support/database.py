"""PostgreSQL for the tests: one server a session, one database a test, cloned from a migrated template."""

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from ledger.embedded import packaged_binaries
from ledger.migration import migrate

DEBIAN = Path("/usr/lib/postgresql")
_numbers = itertools.count(1)


def binaries(major: str) -> Path:
    """Return the folder of a PostgreSQL's `bin`, or raise `FileNotFoundError`."""
    if major == "18":
        return packaged_binaries()
    folder = DEBIAN / major
    if not (folder / "bin" / "postgres").exists():
        raise FileNotFoundError(f"PostgreSQL {major} is not installed (Debian's package postgresql-{major})")
    return folder


def at(url: str, database: str) -> str:
    """Return the URL of another database of the same server."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


def execute(url: str, *statements: str) -> list[tuple[object, ...]]:
    """Run statements, each a transaction of its own; return the rows of the last."""
    rows: list[tuple[object, ...]] = []
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            cursor = connection.execute(statement)
            rows = cursor.fetchall() if cursor.description else []
    return rows


def count(connection: psycopg.Connection, what: str) -> int:
    """Return how many rows there are of a table, or of a table `WHERE` something holds."""
    ((rows,),) = connection.execute(f"SELECT count(*) FROM {what}").fetchall()  # noqa: S608 - the test's own words
    number: int = rows
    return number


def make_template(url: str) -> None:
    """Make the migrated database that tests clone."""
    execute(url, "CREATE DATABASE migrated")
    migrate(at(url, "migrated"))


@contextmanager
def cloned(url: str, template: str = "migrated") -> Iterator[str]:
    """Lend the URL of a fresh database."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    create = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
    drop = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(create)
        try:
            yield at(url, name)
        finally:
            connection.execute(drop)
