"""Clients with keys and registrations of their own."""

import psycopg

from eventstore.caller import Scope
from eventstore.database import Database
from ledger.api_keys import create_key, revoke_key


async def issued(
    url: str, name: str, *scopes: Scope, client: str | None = None, revoked: bool = False
) -> str:
    """Return a key that was issued to a client, and revoked at once if told so."""
    async with Database(url, connections=2) as database:
        made = await create_key(database, name, scopes, client)
        if revoked:
            await revoke_key(database, made.key_id)
    return made.key.get_secret_value()


async def revoke(url: str, key: str) -> None:
    """Revoke a key."""
    async with Database(url, connections=2) as database:
        await revoke_key(database, key)


def register(url: str, client_id: str, *references: str, batch: str = "batch") -> None:
    """Register messages for a client; who they are for does not matter here."""
    with psycopg.connect(url) as connection:
        connection.cursor().executemany(
            "INSERT INTO registrations (entry_id, client_id, batch_reference, message_reference,"
            " routing_plan_id, recipient_key_id, recipient_token, salt)"
            " VALUES (gen_random_uuid(), %s, %s, %s, 'plan', 'key', sha256('token'), %s)",
            [(client_id, batch, reference, bytes(16)) for reference in references],
        )
