"""Opens the database for a command, after the checks that a start of the service makes too."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from eventstore.database import Database
from ledger.database_url import database_url
from ledger.migration import head
from ledger.preflight import ensure_fit
from ledger.settings import DatabaseSettings


@asynccontextmanager
async def opened_database(settings: DatabaseSettings | None = None) -> AsyncIterator[Database]:
    """Lend the settings' database, each connection under the service's role.

    Raises `UnfitDatabase` or `DatabaseUnavailable`.
    """
    with database_url(settings or DatabaseSettings.load()) as url:
        fitness = await ensure_fit(url, head=head(), deployed=False, allow_unsafe=True)
        async with Database(url, role=fitness.role, connections=2) as database:
            yield database


@asynccontextmanager
async def opened_as_owner(settings: DatabaseSettings | None = None) -> AsyncIterator[Database]:
    """Lend the settings' database under the identity that owns the schema: `MIGRATION_DATABASE_URL`.

    Raises `UnfitDatabase` or `DatabaseUnavailable`.
    """
    with database_url(settings or DatabaseSettings.load(), migrating=True) as url:
        await ensure_fit(url, head=head(), deployed=False, allow_unsafe=True)
        async with Database(url, connections=2) as database:
            yield database
