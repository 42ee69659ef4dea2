"""Opens the database for a command, after the checks that a start of the service makes too."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from eventstore.accesses import Access, append_access
from eventstore.database import Database
from eventstore.errors import LedgerError
from ledger.database_url import database_url
from ledger.migration import head
from ledger.preflight import AUDITOR_ROLE, SERVICE_ROLE, ensure_fit
from ledger.settings import DatabaseSettings


class RoleMissing(LedgerError):
    """The database's login may not do what this command does."""


@asynccontextmanager
async def opened_database(
    settings: DatabaseSettings | None = None,
    *,
    role: str = SERVICE_ROLE,
    writes: bool = False,
    access: Access | None = None,
) -> AsyncIterator[Database]:
    """Lend the settings' database, each connection under a role: the service's to read, another to write.

    A command that shows what the ledger holds of a message says so by `access`, which is in the log of who
    looked before anything is lent. Raises `UnfitDatabase` or `DatabaseUnavailable`; for a role that writes,
    or where the command says that it `writes`, also `RoleMissing` where the login may not have it, and
    `UnfitDatabase` where a commit could be lost.
    """
    settings = settings or DatabaseSettings.load()
    writes = writes or role not in (SERVICE_ROLE, AUDITOR_ROLE)
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
            if access is not None:
                await append_access(database, access)
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
