"""The ledger itself: entries, and what they mean."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Computed,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Uuid,
    func,
    text,
)

from eventstore.tables.columns import Key, Moment, TransactionId, metadata


def _key_hash() -> Column[int]:
    return Column(
        "key_hash",
        BigInteger,
        Computed("hashtextextended(idempotency_key, 0)", persisted=True),
        nullable=False,
        comment="stands for the idempotency key in indexes, which are random and so should be small",
    )


entries = Table(
    "entries",
    metadata,
    Column("recorded_at", Moment, nullable=False, server_default=func.now(), comment="the database's clock"),
    Column("received_at", Moment, nullable=False, comment="the service's clock"),
    Column(
        "transaction_id",
        TransactionId,
        nullable=False,
        server_default=func.pg_current_xact_id(),
        comment="finds what is new since a snapshot; no order is promised",
    ),
    Column("entry_id", Uuid, nullable=False),
    Column("rules", Integer, nullable=False, comment="version of the parser that read the body"),
    Column("kind", Key, nullable=False),
    Column("client_id", Key, nullable=False),
    Column("secret_id", Key),
    Column("signature", LargeBinary),
    Column("salt", LargeBinary),
    Column("replays", Uuid, comment="the entry or quarantined request that this one replays"),
    Column("rejection", Key, comment="the reason of a 422; null where the request was accepted"),
    Column("body", LargeBinary),
    Column(
        "commitment",
        LargeBinary,
        comment="entry_commitment(…) as it was appended; null where the sealer is to make it",
    ),
    PrimaryKeyConstraint("entry_id", name="entries_pkey"),
    CheckConstraint("kind IN ('callback', 'registration', 'erasure')", name="entries_kind_known"),
    CheckConstraint("octet_length(signature) = 32", name="entries_signature_is_sha256"),
    CheckConstraint("octet_length(commitment) = 32", name="entries_commitment_is_sha256"),
    CheckConstraint("rejection IS NULL OR kind = 'callback'", name="entries_only_callbacks_are_rejected"),
    Index("entries_transaction_id_idx", "transaction_id"),
    Index("entries_replays_key", "replays", unique=True, postgresql_where=text("replays IS NOT NULL")),
    Index(
        "entries_refused_idx",
        "received_at",
        "entry_id",
        postgresql_where=text("rejection IS NOT NULL"),
    ),
    comment="The ledger's lines: one a write request whose sender is proven, verbatim. Append-only.",
)

events = Table(
    "events",
    metadata,
    Column("recorded_at", Moment, nullable=False, server_default=func.now()),
    Column(
        "effective_at",
        Moment,
        nullable=False,
        comment="when the fact counts from: the supplier's claim, at most 5 minutes after receipt; "
        "the receipt without one",
    ),
    Column("occurred_at", Moment, comment="the supplier's claim"),
    Column(
        "content_hash",
        BigInteger,
        nullable=False,
        comment="head of the SHA-256 without the timestamp: two of one key that differ are a conflict",
    ),
    Column("entry_id", Uuid, nullable=False),
    Column("item", Integer, nullable=False),
    Column("cascade_order", Integer),
    Column("retry_count", Integer),
    Column("event_type", Key, nullable=False),
    Column("message_id", Key, nullable=False),
    Column("message_reference", Key, nullable=False),
    Column("channel", Key),
    Column("message_status", Key),
    Column("channel_status", Key),
    Column("supplier_status", Key),
    Column("message_failure_code", Key),
    Column("channel_failure_code", Key),
    Column("cascade_type", Key),
    Column("idempotency_key", Key, nullable=False),
    Column(
        "digest",
        LargeBinary,
        nullable=False,
        comment="SHA-256 of the item in canonical form (RFC 8785), metadata left out",
    ),
    _key_hash(),
    PrimaryKeyConstraint("message_id", "digest", name="events_pkey"),
    CheckConstraint("octet_length(digest) = 32", name="events_digest_is_sha256"),
    Index("events_key_hash_idx", "key_hash"),
    Index("events_entry_id_idx", "entry_id"),
    comment="What entries mean: one immutable fact about one message. Append-only.",
)

repeats = Table(
    "repeats",
    metadata,
    Column("entry_id", Uuid, nullable=False),
    Column("item", Integer, nullable=False),
    Column("idempotency_key", Key, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    _key_hash(),
    PrimaryKeyConstraint("entry_id", "item", name="repeats_pkey"),
    Index("repeats_event_idx", "key_hash", "digest"),
    comment="Items that delivered an event again. Append-only.",
)

registrations = Table(
    "registrations",
    metadata,
    Column("recorded_at", Moment, nullable=False, server_default=func.now()),
    Column("entry_id", Uuid, nullable=False),
    Column("client_id", Key, nullable=False),
    Column("batch_reference", Key, nullable=False),
    Column("message_reference", Key, nullable=False),
    Column("routing_plan_id", Key, nullable=False),
    Column("recipient_key_id", Key, nullable=False, comment="names the recipient key without telling it"),
    Column(
        "recipient_token",
        LargeBinary,
        nullable=False,
        comment="HMAC-SHA256 of the NHS number under the recipient key",
    ),
    Column("salt", LargeBinary, nullable=False),
    PrimaryKeyConstraint("client_id", "batch_reference", "message_reference", name="registrations_pkey"),
    CheckConstraint("octet_length(recipient_token) = 32", name="registrations_token_is_sha256"),
    CheckConstraint("octet_length(salt) = 16", name="registrations_salt_is_128_bits"),
    Index("registrations_reference_idx", "message_reference", "client_id"),
    Index("registrations_batch_idx", "batch_reference", "message_reference"),
    Index("registrations_recipient_idx", "recipient_key_id", "recipient_token"),
    comment="What clients said that they send: one row a message of a batch."
    " Append-only, erasable row by row.",
)
