"""Reads one entry as evidence: the request as received, its signature verified anew, what came of it."""

from collections.abc import Callable
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

from psycopg.rows import args_row

from eventstore.database import Database
from eventstore.statements import statement

Verifies = Callable[[str, bytes, bytes], bool | None]
"""Tells whether the secret of an id made the signature of a body; None where that secret is not at hand."""

Verification = Literal["verified", "wrong", "secret unknown", "unsigned", "erased"]
"""What the signature of an entry comes to today.

`verified`: the secret that verified it then verifies it now; `wrong`: it does not, so the bytes, the
signature or the secret's id are not what was recorded; `secret unknown`: that secret is not at hand;
`unsigned`: a registration or an erasure, which nobody signs; `erased`: the bytes are gone.
"""


class KeptEntry(NamedTuple):
    """One line of the ledger, in the order of the columns of `sql/entry.sql`."""

    entry_id: UUID
    ledger_index: int | None
    kind: str
    client_id: str
    received_at: datetime
    recorded_at: datetime
    rules: int
    body: bytes | None
    signature: bytes | None
    secret_id: str | None
    rejection: str | None
    replays: UUID | None
    replays_kind: str | None
    """`entry` or `quarantined`; None where it replays nothing."""
    replayed_by: UUID | None


class Stated(NamedTuple):
    """What an item of an entry came to, in the order of the columns of `sql/stated.sql`."""

    kind: str
    """`event` or `repeat`."""
    item: int
    message_id: str
    idempotency_key: str
    digest: bytes
    type: str
    channel: str | None
    message_status: str | None
    channel_status: str | None
    supplier_status: str | None
    effective_at: datetime
    first_entry_id: UUID


class Evidence(NamedTuple):
    """An entry with what it proves."""

    entry: KeptEntry
    verification: Verification
    stated: list[Stated]


async def evidence(database: Database, entry_id: str, verifies: Verifies) -> Evidence | None:
    """Return an entry as evidence; None where the ledger has none of this id."""
    try:
        asked = {"entry_id": UUID(entry_id)}
    except ValueError:
        return None
    async with database.snapshot() as connection:
        async with connection.cursor(row_factory=args_row(KeptEntry)) as cursor:
            await cursor.execute(statement("query", "entry"), asked)
            entry = await cursor.fetchone()
        if entry is None:
            return None
        async with connection.cursor(row_factory=args_row(Stated)) as cursor:
            await cursor.execute(statement("query", "stated"), asked)
            stated = await cursor.fetchall()
    return Evidence(entry, verification(entry, verifies), stated)


def verification(entry: KeptEntry, verifies: Verifies) -> Verification:
    """Return what an entry's signature comes to today."""
    if entry.kind != "callback":
        return "unsigned"
    if entry.body is None or entry.signature is None or entry.secret_id is None:
        return "erased"
    match verifies(entry.secret_id, entry.body, entry.signature):
        case None:
            return "secret unknown"
        case genuine:
            return "verified" if genuine else "wrong"
