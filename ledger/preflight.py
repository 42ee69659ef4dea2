"""What must be true of a database before the service takes a callback, checked at each start."""

from datetime import UTC, datetime
from typing import NamedTuple

import psycopg
from psycopg import AsyncConnection, errors, sql

from eventstore.database import CONNECT_TIMEOUT, DatabaseUnavailable, Url, url_now
from eventstore.errors import LedgerError
from eventstore.recipients import RecipientKeys
from eventstore.statements import statement
from eventstore.tables import APPEND_ONLY, ERASABLE

SERVICE_ROLE = "ledger_service"

OPERATOR_ROLE = "ledger_operator"
"""Of commands that settle what was refused: what the service itself may not do."""

AUDITOR_ROLE = "ledger_auditor"

ERASER_ROLE = "ledger_eraser"
"""Of the one command that erases: it may run one function, and nothing else."""

OLDEST_POSTGRES = 14

CLOCKS_AGREE = 60.0
"""Seconds that the clocks of service and database may differ before an operator is told."""


class UnfitDatabase(LedgerError):
    """The database is not fit for the ledger."""


class Fitness(NamedTuple):
    """What the checks found."""

    role: str | None
    """The role to work as; None where the login may not have it."""
    faults: list[str]
    """Why the service must not start."""
    doubts: list[str]
    """What an operator should know, though it starts."""


_DURABLE = {
    "fsync": ("on",),
    "full_page_writes": ("on",),
    "synchronous_commit": ("on", "local", "remote_write", "remote_apply"),
    "data_sync_retry": ("off",),
}
"""Settings without which an acknowledged callback may be lost, with the values that are safe."""

_GUARDS = (
    *(("append_only", table.name) for table in APPEND_ONLY),
    *(("erased_only", table.name) for table in ERASABLE),
    ("erasures_by_the_eraser", "entries"),
    ("unlisted_first", "registrations"),
)
"""Triggers without which the ledger, or what clients find of it, could be wrong, and nobody would know."""


async def inspect(  # noqa: PLR0913 - all by name
    url: Url,
    *,
    head: str,
    deployed: bool,
    allow_unsafe: bool,
    wanted: str = SERVICE_ROLE,
    recipients: RecipientKeys | None = None,
    serves: bool = False,
) -> Fitness:
    """Check the database at `url`, whose schema should be at revision `head`, for work as the role `wanted`.

    A service that `serves` may find a newer schema: a deployment migrates before the old version has gone,
    and what died of it meanwhile must come back. `recipients` must hold every key that registrations use;
    None leaves that unchecked. Raises `DatabaseUnavailable` where the database cannot be reached.
    """
    try:
        connection = await AsyncConnection.connect(
            await url_now(url), autocommit=True, client_encoding="utf8", connect_timeout=CONNECT_TIMEOUT
        )
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(str(error)) from error
    async with connection:
        faults = await _server(connection)
        durability = await _durability(connection)
        doubts = [*(durability if allow_unsafe else []), *await _clock(connection)]
        faults += [] if allow_unsafe else durability
        role = await _role(connection, wanted)
        if role is not None:  # whose grants the login need not inherit
            await connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
        schema, newer = await _schema(connection, head, wanted)
        if schema and not (serves and newer):
            return Fitness(None, [*faults, *schema], doubts)
        doubts += schema
        faults += await _guards(connection)
        if recipients is not None:
            faults += await _recipient_keys(connection, recipients)
        if deployed:
            faults += await _privileges(connection)
        if role is None:
            doubts += [f"the login may not act as {wanted}: it works under its own grants"]
        return Fitness(role, faults, doubts)


async def ensure_fit(  # noqa: PLR0913 - all by name
    url: Url,
    *,
    head: str,
    deployed: bool,
    allow_unsafe: bool,
    wanted: str = SERVICE_ROLE,
    recipients: RecipientKeys | None = None,
    serves: bool = False,
) -> Fitness:
    """Do as `inspect`, and raise `UnfitDatabase` naming every fault where there is one."""
    fitness = await inspect(
        url,
        head=head,
        deployed=deployed,
        allow_unsafe=allow_unsafe,
        wanted=wanted,
        recipients=recipients,
        serves=serves,
    )
    if fitness.faults:
        raise UnfitDatabase("; ".join(fitness.faults))
    return fitness


async def _server(connection: AsyncConnection) -> list[str]:
    faults = []
    if connection.info.server_version < OLDEST_POSTGRES * 10_000:
        faults.append(f"PostgreSQL {OLDEST_POSTGRES} or later is needed")
    cursor = await connection.execute("SELECT current_setting('server_encoding')")
    ((encoding,),) = await cursor.fetchall()
    if encoding != "UTF8":
        faults.append(f"its encoding is {encoding}, not UTF8")
    return faults


async def _durability(connection: AsyncConnection) -> list[str]:
    cursor = await connection.execute(
        "SELECT name, setting FROM pg_settings WHERE name = ANY (%s)", [list(_DURABLE)]
    )
    return [
        f"{name} is {setting} (ALLOW_UNSAFE_DATABASE=true for experiments)"
        for name, setting in await cursor.fetchall()
        if setting not in _DURABLE[name]
    ]


def utc_now() -> datetime:
    """Return this machine's clock."""
    return datetime.now(UTC)


async def _clock(connection: AsyncConnection) -> list[str]:
    cursor = await connection.execute("SELECT clock_timestamp()")
    ((theirs,),) = await cursor.fetchall()
    off = (utc_now() - theirs).total_seconds()
    if abs(off) <= CLOCKS_AGREE:
        return []
    way = "ahead of" if off > 0 else "behind"
    return [f"this machine's clock is {abs(off):.0f} s {way} the database's: entries will say so for ever"]


async def _schema(connection: AsyncConnection, head: str, wanted: str) -> tuple[list[str], bool]:
    """Return what is wrong with the schema's revision, and whether it is that it is newer."""
    try:
        cursor = await connection.execute("SELECT version_num FROM alembic_version")
        revisions = [revision for (revision,) in await cursor.fetchall()]
    except errors.UndefinedTable:
        revisions = []
    except errors.InsufficientPrivilege:
        return [f"it may not be read: grant the login {wanted}, and run `status-ledger migrate`"], False
    if revisions == [head]:
        return [], False
    found = ", ".join(revisions) or "nothing"
    told = f"migrations are at {found}, not at {head}: run `status-ledger migrate`"
    return [told], reached(revisions, head)


def reached(revisions: list[str], head: str) -> bool:
    """Tell whether a schema at these revisions is at `head` or newer: revisions are numbers."""
    return len(revisions) == 1 and revisions[0] >= head


async def _guards(connection: AsyncConnection) -> list[str]:
    cursor = await connection.execute(
        "SELECT tgname, tgrelid::regclass::text FROM pg_trigger WHERE tgenabled = 'A' AND NOT tgisinternal"
    )
    there = set(await cursor.fetchall())
    return [
        f"the trigger {trigger} of {table} is missing or not ENABLE ALWAYS"
        for trigger, table in _GUARDS
        if (trigger, table) not in there
    ]


async def _recipient_keys(connection: AsyncConnection, recipients: RecipientKeys) -> list[str]:
    cursor = await connection.execute(statement("eventstore", "recipient_keys_in_use"))
    return [
        f"registrations use the recipient key {key_id}, which is neither RECIPIENT_KEY nor in"
        " RECIPIENT_KEY_PREVIOUS: nobody would find them by NHS number"
        for (key_id,) in await cursor.fetchall()
        if key_id not in recipients.ids
    ]


async def _role(connection: AsyncConnection, wanted: str) -> str | None:
    privilege = "SET" if connection.info.server_version >= 160_000 else "MEMBER"
    cursor = await connection.execute(
        "SELECT pg_has_role(session_user, rolname, %s) FROM pg_roles WHERE rolname = %s",
        [privilege, wanted],
    )
    row = await cursor.fetchone()
    return wanted if row is not None and row[0] else None


async def _privileges(connection: AsyncConnection) -> list[str]:
    cursor = await connection.execute(
        "SELECT rolsuper, EXISTS ("
        " SELECT FROM pg_tables WHERE schemaname = current_schema() AND tablename = ANY (%s)"
        " AND pg_has_role(session_user, tableowner, 'MEMBER')"
        ") FROM pg_roles WHERE rolname = session_user",
        [[table.name for table in APPEND_ONLY]],
    )
    ((superuser, owner),) = await cursor.fetchall()
    if superuser:
        return ["the service's login is a superuser"]
    return ["the service's login owns the ledger's tables, or may act as their owner"] if owner else []
