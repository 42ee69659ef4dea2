"""The answers of the feed, as auditors receive them. Times are UTC, RFC 3339; bytes are Base64 or hex."""

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, Self
from uuid import UUID

from pydantic import Field

from query.models import Answer


class Stated(Answer):
    """What one item of a callback says."""

    kind: Literal["event", "repeat"] = Field(description="whether the ledger had it already")
    item: int = Field(description="position in the callback's `data`, from 0")
    idempotency_key: str
    digest: str = Field(description="SHA-256 of the item in canonical form, in hex")
    type: str
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
    occurred_at: datetime | None = Field(description="the supplier's claim")
    effective_at: datetime = Field(description="when it counts from")

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """Return a row of `sql/feed_events.sql` as it is shown."""
        told = dict(row)
        return cls(**told | {"type": told.pop("event_type"), "digest": told["digest"].hex()})


class FeedEntry(Answer):
    """An entry of the sealed ledger with what it states."""

    cursor: str = Field(description="`after` it comes the next")
    index: int = Field(description="its place in the sealed ledger, from 0")
    entry_id: UUID
    kind: Literal["callback", "registration", "erasure"]
    client_id: str
    received_at: datetime
    recorded_at: datetime
    secret_id: str | None = Field(description="names the secret that verified the signature")
    rules: int = Field(description="version of the parser that read the body")
    replays: UUID | None = Field(description="the entry or quarantined request that it replays")
    rejection: str | None = Field(description="why it was refused with 422")
    body: str | None = Field(description="the bytes as received, in Base64; null when erased")
    signature: str | None = Field(description="of the supplier, in hex")
    leaf_hash: str = Field(description="its leaf in the Merkle tree, in hex")
    events: list[Stated] = Field(description="what it states, in the order of its items")

    @classmethod
    def of(cls, row: Mapping[str, Any], cursor: str, events: list[Stated]) -> Self:
        """Return a row of `sql/feed.sql` as it is shown."""
        body, signature = row["body"], row["signature"]
        shown = {name: row[name] for name in cls.model_fields.keys() & row.keys() - {"body", "signature"}}
        return cls(
            **shown,
            cursor=cursor,
            body=None if body is None else base64.b64encode(body).decode(),
            signature=None if signature is None else signature.hex(),
            leaf_hash=row["hash"].hex(),
            events=events,
        )


class FeedAnswer(Answer):
    """Entries of the public ledger, in the order of their index."""

    status: Literal["success"] = "success"
    data: list[FeedEntry]
    cursor: str | None = Field(description="`after` for the next page, now or when more is public")
    public: int = Field(description="entries of the ledger that are public")
