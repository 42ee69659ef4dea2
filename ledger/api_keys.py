"""Issues, lists and revokes API keys: the operator's side, which works as the owner of the schema."""

import secrets
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import NamedTuple

from psycopg import errors
from psycopg.rows import args_row
from pydantic import SecretStr

from eventstore.caller import Scope
from eventstore.database import Database, LedgerConnection
from eventstore.errors import LedgerError
from eventstore.statements import statement
from ledger.key_format import (
    KEY_ID_BYTES,
    SALT_BYTES,
    SECRET_BYTES,
    compose,
    key_id_of,
    salted_hash,
    well_formed,
)
from ledger.runtime import AUDITOR, CLIENT, SUPPLIER


class ClientTaken(LedgerError):
    """A key cannot be made for this client."""


class NameTaken(LedgerError):
    """Another key has this name, or had it before it was revoked."""


class KeyUnknown(LedgerError):
    """No key has this id."""


class NotTheOwner(LedgerError):
    """Only the owner of the schema may issue, list and revoke keys: set MIGRATION_DATABASE_URL."""


class NewKey(NamedTuple):
    """A key at the one moment when it can be shown."""

    key_id: str
    key: SecretStr
    client_id: str


class KeyShown(NamedTuple):
    """What may be told of an issued key at any time."""

    key_id: str
    name: str
    client_id: str
    scopes: list[str]
    created_at: datetime
    created_by: str
    revoked_at: datetime | None
    revoked_by: str | None


@asynccontextmanager
async def _as_owner(database: Database) -> AsyncIterator[LedgerConnection]:
    try:
        async with database.connection() as connection:
            yield connection
    except errors.InsufficientPrivilege as refused:
        raise NotTheOwner from refused


async def create_key(
    database: Database, name: str, scopes: Iterable[Scope], client_id: str | None = None
) -> NewKey:
    """Issue a key, and return it: only its hash is kept.

    Without `client_id` it is the first key of a client of its name: a client that has one already must be
    meant, or the key would show its messages to another. Raises `NameMalformed`, `NameTaken`, `ClientTaken`
    or `NotTheOwner`.
    """
    name, client = well_formed(name), well_formed(client_id or name)
    if client in (AUDITOR, SUPPLIER):
        raise ClientTaken(f"{client!r} is a name of the service's own")
    if client_id is None and client == CLIENT:
        raise ClientTaken(f"{client!r} is the client of CLIENT_API_KEY; --client {client} means it")
    key_id, key = compose(secrets.token_bytes(KEY_ID_BYTES), secrets.token_bytes(SECRET_BYTES))
    salt = secrets.token_bytes(SALT_BYTES)
    row = {
        "key_id": key_id,
        "name": name,
        "client_id": client,
        "client_is_meant": client_id is not None,
        "scopes": sorted({scope.value for scope in scopes}),
        "salt": salt,
        "hash": salted_hash(salt, key.encode()),
    }
    async with _as_owner(database) as connection:
        try:
            cursor = await connection.execute(statement("ledger", "create_key"), row)
        except errors.UniqueViolation:
            raise NameTaken(repr(name)) from None  # whose details would show the row
    if cursor.rowcount == 0:
        raise ClientTaken(f"{client!r} is a client already; --client {client} means it")
    return NewKey(key_id, SecretStr(key), client)


async def all_keys(database: Database) -> list[KeyShown]:
    """Return every key that was ever issued, oldest first; raises `NotTheOwner`."""
    async with _as_owner(database) as connection, connection.cursor(row_factory=args_row(KeyShown)) as cursor:
        await cursor.execute(statement("ledger", "all_keys"))
        return await cursor.fetchall()


async def revoke_key(database: Database, key: str) -> KeyShown:
    """Revoke the key of an id, or a key itself; return it as it was before.

    One that was revoked earlier stays as it was. Raises `KeyUnknown` or `NotTheOwner`.
    """
    given = key.encode("ascii", "replace")
    key_id = key_id_of(given) or given.decode()
    async with _as_owner(database) as connection, connection.cursor(row_factory=args_row(KeyShown)) as cursor:
        await cursor.execute(statement("ledger", "revoke_key"), {"key_id": key_id})
        row = await cursor.fetchone()
    if row is None:
        raise KeyUnknown  # and no word of what was given, which may be a key
    return row
