"""Brings a database's schema to the newest revision, and tells which that is."""

from functools import cache
from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import NullPool, create_engine
from sqlalchemy.exc import DBAPIError

from eventstore.database import DatabaseUnavailable
from eventstore.errors import LedgerError

_HERE = Path(__file__).parent


class MigrationFailed(LedgerError):
    """The database cannot be migrated."""


def _config() -> Config:
    """Return Alembic's configuration, whether the package is installed or run from its repository."""
    installed = _HERE / "migrations"
    config = Config()
    config.set_main_option(
        "script_location",
        str(installed if installed.is_dir() else _HERE.parent / "migrations").replace("%", "%%"),
    )
    config.set_main_option("path_separator", "os")
    return config


@cache
def head() -> str:
    """Return the newest revision."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    if revision is None:
        raise AssertionError("there are no migrations")
    return revision


def migrate(url: str, revision: str = "head") -> list[str]:
    """Upgrade the database at `url` (libpq) to `revision`; return the warnings that the server gave.

    Raises `DatabaseUnavailable`, or `MigrationFailed` where the revision is unknown or the server refuses
    a step (a lock that it cannot have, a right that is missing).
    """
    warnings: list[str] = []

    def connect() -> psycopg.Connection:
        try:
            connection = psycopg.connect(url)
        except psycopg.OperationalError as error:
            raise DatabaseUnavailable(str(error)) from error
        connection.add_notice_handler(
            lambda notice: (
                warnings.append(notice.message_primary or "")
                if notice.severity_nonlocalized == "WARNING"
                else None
            )
        )
        return connection

    engine = create_engine("postgresql+psycopg://", creator=connect, poolclass=NullPool)
    try:
        with engine.connect() as connection:
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
            if revision == "head":  # roles may have come since the last time
                connection.exec_driver_sql("SELECT grant_ledger_roles()")
            connection.commit()
    except CommandError as error:
        raise MigrationFailed(str(error)) from error
    except DBAPIError as error:
        raise MigrationFailed(str(error.orig)) from error
    return warnings
