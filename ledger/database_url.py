"""Finds the database that the settings mean: the one that they name, or the service's own."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from eventstore.database import Url
from ledger.embedded import EmbeddedPostgres
from ledger.entra import wants_token, with_tokens
from ledger.settings import DatabaseSettings, SettingsInvalid

_SCHEME = re.compile(r"^(postgres|postgresql)(\+psycopg2?|\+asyncpg)?://")


def libpq_url(url: str) -> str:
    """Return any usual form of a PostgreSQL URL (`postgres://`, `postgresql+psycopg://`, …) as libpq's."""
    return _SCHEME.sub("postgresql://", url.strip())


@contextmanager
def database_url(settings: DatabaseSettings, *, migrating: bool = False) -> Iterator[Url]:
    """Lend the URL of the database; the service's own PostgreSQL runs as long as someone holds one.

    On a server of Azure's, without a password, it brings a token for each new connection (`ledger/entra.py`).

    Raises `SettingsInvalid` where the setting is no URL, `AzureMissing`.
    """
    setting, named = "DATABASE_URL", settings.database_url
    if migrating and settings.migration_database_url is not None:
        setting, named = "MIGRATION_DATABASE_URL", settings.migration_database_url
    if named is not None:
        url = libpq_url(named.get_secret_value())
        try:
            conninfo_to_dict(url)
        except ProgrammingError:
            raise SettingsInvalid(f"{setting} is not a PostgreSQL URL") from None  # which may hold a password
        yield with_tokens(url) if wants_token(url) else url
        return
    with EmbeddedPostgres(settings.data_directory / "postgres") as url:
        yield url
