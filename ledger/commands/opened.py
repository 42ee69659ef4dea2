"""Opens the database for a command, after the checks that a start of the service makes too."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from eventstore.database import Database
from eventstore.errors import LedgerError
from ledger.database_url import database_url
from ledger.migration import head
from ledger.preflight import SERVICE_ROLE, ensure_fit
from ledger.settings import DatabaseSettings


class RoleMissing(LedgerError):
    """The database's login may not do what this command does."""


@asynccontextmanager
async def opened_database(
    settings: DatabaseSettings | None = None, *, role: str = SERVICE_ROLE, writes: bool = False
) -> AsyncIterator[Database]:
    """Lend the settings' database, each connection under a role: the service's to read, another to write.

    Raises `UnfitDatabase` or `DatabaseUnavailable`; for another role, or one that `writes`, also
    `RoleMissing` where the login may not have it, and `UnfitDatabase` where a commit could be lost.
    """
    settings = settings or DatabaseSettings.load()
    writes = writes or role != SERVICE_ROLE
    with database_url(settings) as url:
        fitness = await ensure_fit(
            url,
            head=head(),
            deployed=False,
            allow_unsafe=settings.allow_unsafe_database or not writes,
            wanted=role,
        )
        if writes and fitness.role is None:
            raise RoleMissing(f"grant it {role}")
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
