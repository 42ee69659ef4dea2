"""Finds the database that the settings mean: the one that they name, or the service's own."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from ledger.embedded import EmbeddedPostgres
from ledger.settings import DatabaseSettings

_SCHEME = re.compile(r"^(postgres|postgresql)(\+psycopg2?|\+asyncpg)?://")


def libpq_url(url: str) -> str:
    """Return any usual form of a PostgreSQL URL (`postgres://`, `postgresql+psycopg://`, …) as libpq's."""
    return _SCHEME.sub("postgresql://", url.strip())


@contextmanager
def database_url(settings: DatabaseSettings, *, migrating: bool = False) -> Iterator[str]:
    """Lend the libpq URL of the database; the service's own PostgreSQL runs as long as someone holds one."""
    named = settings.database_url
    if migrating and settings.migration_database_url is not None:
        named = settings.migration_database_url
    if named is not None:
        yield libpq_url(named.get_secret_value())
        return
    with EmbeddedPostgres(settings.data_directory / "postgres") as url:
        yield url
