"""The ledger's vocabulary as immutable values: entries, the events they state, and when those count.

Pure: no I/O, no clock. Fields stand in the order of the columns that they become.
"""

from datetime import datetime, timedelta
from typing import Literal, NamedTuple
from uuid import UUID

Kind = Literal["callback", "registration", "erasure"]

SALT_BYTES = 16

CLOCK_TOLERANCE = timedelta(minutes=5)
"""How far ahead of our own clock a supplier's may run before its claim stops counting."""


class Event(NamedTuple):
    """One fact about one message: what one item of a callback says, and nothing of how it came.

    (`idempotency_key`, `digest`) is its identity, and the digest covers the key. `content_hash` is
    the signed 64-bit head of the SHA-256 of the item without its timestamp: two events of one key
    that differ in it are a *conflict*. Everything optional is None where the supplier did not say it.
    """

    item: int
    """Position in the callback's `data`, from 0."""
    idempotency_key: str
    digest: bytes
    """SHA-256 of the item in canonical form (RFC 8785), `attributes.metadata` left out; 32 bytes."""
    content_hash: int
    event_type: str
    message_id: str
    message_reference: str
    channel: str | None
    message_status: str | None
    channel_status: str | None
    supplier_status: str | None
    message_failure_code: str | None
    channel_failure_code: str | None
    cascade_type: str | None
    cascade_order: int | None
    retry_count: int | None
    occurred_at: datetime | None
    """The supplier's claim, truncated to microseconds, UTC."""
    effective_at: datetime
    """When the fact counts from, UTC (see `effective_at`)."""


class Entry(NamedTuple):
    """One line of the ledger: a write request whose sender is proven, verbatim."""

    entry_id: UUID
    """Time-ordered (UUIDv7), made by the service; an append that is run again keeps it."""
    kind: Kind
    client_id: str
    received_at: datetime
    """The service's clock when the request arrived, UTC."""
    body: bytes
    signature: bytes | None
    """The 32 bytes of the supplier's signature."""
    secret_id: str | None
    """Names the secret that verified the signature."""
    rules: int
    """Version of the parser that read the body."""
    rejection: str | None = None
    """Why the request was refused with 422; None where it was accepted."""
    replays: UUID | None = None
    """The entry or quarantined request that this one replays."""
    salt: bytes | None = None
    """Random: so that nobody can guess what was erased and try the guess at its commitment."""


class Delivery(NamedTuple):
    """An entry together with the events that its body states, ready to be appended."""

    entry: Entry
    events: tuple[Event, ...]


def effective_at(occurred_at: datetime | None, received_at: datetime) -> datetime:
    """Return the time that decides order: the supplier's claim, unless it is missing or far ahead.

    A claim later than `CLOCK_TOLERANCE` after receipt is cut there, so that a clock far ahead does
    not pin a status for ever. Without a claim, the receipt itself counts.
    """
    if occurred_at is None:
        return received_at
    return min(occurred_at, received_at + CLOCK_TOLERANCE)
