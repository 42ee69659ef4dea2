"""The ledger's tables, as SQLAlchemy Core sees them; the migrations are what makes them."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.types import UserDefinedType

metadata = MetaData()

Key = Text(collation="C")
"""An id, key or status: compared byte by byte."""

Moment = DateTime(timezone=True)


class TransactionId(UserDefinedType[int]):
    """PostgreSQL's 64-bit transaction id."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        """Return the type's name in SQL."""
        return "xid8"


class Snapshot(UserDefinedType[str]):
    """PostgreSQL's word for which transactions are visible."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        """Return the type's name in SQL."""
        return "pg_snapshot"


ischema_names["xid8"] = TransactionId
ischema_names["pg_snapshot"] = Snapshot


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
    PrimaryKeyConstraint("key_hash", "digest", name="events_pkey"),
    CheckConstraint("octet_length(digest) = 32", name="events_digest_is_sha256"),
    Index("events_message_id_idx", "message_id"),
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

quarantine = Table(
    "quarantine",
    metadata,
    Column("recorded_at", Moment, nullable=False, server_default=func.now()),
    Column("received_at", Moment, nullable=False),
    Column("quarantine_id", Uuid, nullable=False),
    Column("answer", Integer, nullable=False),
    Column("secret_id", Key, comment="which secret verified the signature of a 401; null for a 403"),
    Column("signature", LargeBinary, comment="the signature header's bytes as received; null when settled"),
    Column(
        "body",
        LargeBinary,
        nullable=False,
        comment="verbatim; empty when settled: a replayed one is in the entry that replays it",
    ),
    Column("settled_at", Moment),
    Column("freed_bytes", Integer, comment="how long the body was: the room that settling freed"),
    Column("settlement", Key, comment="what became of it; who did it, and why, is in acts"),
    PrimaryKeyConstraint("quarantine_id", name="quarantine_pkey"),
    CheckConstraint("answer IN (401, 403)", name="quarantine_answer_known"),
    CheckConstraint("settlement IN ('replayed', 'discarded', 'erased')", name="quarantine_settlement_known"),
    CheckConstraint(
        "num_nonnulls(settled_at, freed_bytes, settlement) IN (0, 3)"
        " AND (settled_at IS NULL OR (signature IS NULL AND body = ''))",
        name="quarantine_settled_whole",
    ),
    Index("quarantine_received_at_idx", "received_at", "quarantine_id"),
    comment="Callbacks answered 401 with a right signature, or 403 with a right API key, verbatim.",
)

quarantine_usage = Table(
    "quarantine_usage",
    metadata,
    Column("one_row", Boolean, nullable=False, server_default=text("true")),
    Column("requests", BigInteger, nullable=False, server_default=text("0")),
    Column("bytes", BigInteger, nullable=False, server_default=text("0")),
    PrimaryKeyConstraint("one_row", name="quarantine_usage_pkey"),
    CheckConstraint("one_row", name="quarantine_usage_one_row"),
    CheckConstraint("requests >= 0 AND bytes >= 0", name="quarantine_usage_not_negative"),
    comment="How full the quarantine is; every insert into it counts here in the same statement.",
)

acts = Table(
    "acts",
    metadata,
    Column("acted_at", Moment, nullable=False, server_default=func.now()),
    Column("act_id", Uuid, nullable=False),
    Column("actor", Key, nullable=False, comment="who, as the command or the client was told"),
    Column(
        "database_login",
        Key,
        nullable=False,
        server_default=func.session_user(),
        comment="who, as the database knows it",
    ),
    Column("act", Key, nullable=False, comment="what: a thing and a verb, such as quarantine.replay"),
    Column("subject", Key, nullable=False, comment="the id of what it was done to"),
    Column("outcome", Key, nullable=False),
    Column("reason", Text),
    Column(
        "detail",
        JSONB,
        nullable=False,
        comment="what else is worth knowing: ids, counts and hashes, never contents",
    ),
    PrimaryKeyConstraint("act_id", name="acts_pkey"),
    CheckConstraint("act ~ '^[a-z]+\\.[a-z]+$'", name="acts_act_is_thing_and_verb"),
    Index("acts_subject_idx", "subject", "acted_at"),
    Index("acts_acted_at_idx", "acted_at", "act_id"),
    comment="What people did to the ledger and beside it: one line an act, written with what was done."
    " Append-only.",
)

access_log = Table(
    "access_log",
    metadata,
    Column("accessed_at", Moment, nullable=False, server_default=func.now()),
    Column("access_id", Uuid, nullable=False),
    Column("actor", Key, nullable=False, comment="who: the client of the API key, or the operator"),
    Column("key_id", Key, comment="names an issued key; null for one of the environment, and for a command"),
    Column(
        "peer",
        Key,
        comment="from where: the address of the connection, or the one that a trusted proxy tells",
    ),
    Column(
        "database_login",
        Key,
        nullable=False,
        server_default=func.session_user(),
        comment="under which login, as the database knows it",
    ),
    Column(
        "access",
        Key,
        nullable=False,
        comment="what: a route, such as GET /api/entries/{entry_id}, or a command",
    ),
    Column("subject", Key, comment="the id of what was looked at; null where it is not one thing"),
    Column("detail", JSONB, nullable=False, comment="what else was asked, such as known_at"),
    PrimaryKeyConstraint("access_id", name="access_log_pkey"),
    Index("access_log_accessed_at_idx", "accessed_at", "access_id"),
    Index("access_log_subject_idx", "subject", "accessed_at"),
    comment="Who looked at what: one line before each look. Identifiers, never contents. Append-only.",
)

tombstone_salt = Table(
    "tombstone_salt",
    metadata,
    Column("one_row", Boolean, nullable=False, server_default=text("true")),
    Column("salt", LargeBinary, nullable=False),
    PrimaryKeyConstraint("one_row", name="tombstone_salt_pkey"),
    CheckConstraint("one_row", name="tombstone_salt_one_row"),
    CheckConstraint("octet_length(salt) = 32", name="tombstone_salt_is_256_bits"),
    comment="The salt of this ledger's tombstones, made once. Append-only.",
)

erased_messages = Table(
    "erased_messages",
    metadata,
    Column("erased_at", Moment, nullable=False, server_default=func.now()),
    Column("erasure_id", Uuid, nullable=False, comment="the erasure entry that says who erased it, and why"),
    Column(
        "tombstone", LargeBinary, nullable=False, comment="SHA-256 of the ledger's salt and the message id"
    ),
    PrimaryKeyConstraint("tombstone", name="erased_messages_pkey"),
    CheckConstraint("octet_length(tombstone) = 32", name="erased_messages_tombstone_is_sha256"),
    comment="Tombstones of erased messages: an append keeps no content of them. Append-only.",
)

leaves = Table(
    "leaves",
    metadata,
    Column("index", BigInteger, nullable=False, autoincrement=False),
    Column("entry_id", Uuid, nullable=False),
    Column(
        "commitment",
        LargeBinary,
        nullable=False,
        comment="entry_commitment(…): stands for what an erasure blanks",
    ),
    Column("hash", LargeBinary, nullable=False, comment="SHA-256 of 0x00 and leaf_content(…)"),
    PrimaryKeyConstraint("index", name="leaves_pkey"),
    UniqueConstraint("entry_id", name="leaves_entry_id_key"),
    CheckConstraint("index >= 0", name="leaves_index_not_negative"),
    CheckConstraint(
        "octet_length(commitment) = 32 AND octet_length(hash) = 32", name="leaves_hashes_are_sha256"
    ),
    comment="The ledger's one public order: the index of each sealed entry, counted from 0 without gaps."
    " Append-only.",
)

tiles = Table(
    "tiles",
    metadata,
    Column("index", BigInteger, nullable=False),
    Column("level", Integer, nullable=False),
    Column(
        "root", LargeBinary, nullable=False, comment="the hash over all of them: one hash of the tile above"
    ),
    Column(
        "hashes",
        LargeBinary,
        nullable=False,
        comment="256 hashes of one height, 8 x level; of leaves at level 0, of the roots of the tiles below"
        " elsewhere",
    ),
    PrimaryKeyConstraint("level", "index", name="tiles_pkey"),
    CheckConstraint("level >= 0 AND index >= 0", name="tiles_place_possible"),
    CheckConstraint("octet_length(root) = 32", name="tiles_root_is_sha256"),
    CheckConstraint("octet_length(hashes) = 256 * 32", name="tiles_full"),
    comment="Full tiles of the Merkle tree, as C2SP's tlog-tiles numbers them. Append-only.",
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("signed_at", Moment, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("incarnation", Key, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column(
        "note", Text, nullable=False, comment="what was signed, with the signature: C2SP's tlog-checkpoint"
    ),
    PrimaryKeyConstraint("incarnation", "size", name="checkpoints_pkey"),
    CheckConstraint("size > 0", name="checkpoints_size_positive"),
    CheckConstraint("octet_length(root) = 32", name="checkpoints_root_is_sha256"),
    comment="Signed heads of the Merkle tree. Append-only; published ones are kept outside the database too.",
)

sealer = Table(
    "sealer",
    metadata,
    Column("sealed_at", Moment),
    Column("swept_at", Moment),
    Column("one_row", Boolean, nullable=False, server_default=text("true")),
    Column(
        "version",
        BigInteger,
        nullable=False,
        server_default=text("0"),
        comment="counts the changes: who would write over another's is refused",
    ),
    Column("size", BigInteger, nullable=False, server_default=text("0")),
    Column("signed_size", BigInteger, nullable=False, server_default=text("0")),
    Column(
        "published_size",
        BigInteger,
        nullable=False,
        server_default=text("0"),
        comment="the public ledger: as far as the last checkpoint that lies outside the database",
    ),
    Column("system_identifier", BigInteger, comment="with the timeline: the server on which it worked last"),
    Column("timeline", Key),
    Column(
        "incarnation", Key, comment="names this log among those that a restore may have made of the ledger"
    ),
    Column("snapshot", Snapshot, comment="whatever it saw is sealed"),
    Column("swept_to", Uuid, comment="how far the sweep under way has come; null where none is"),
    PrimaryKeyConstraint("one_row", name="sealer_pkey"),
    CheckConstraint("one_row", name="sealer_one_row"),
    CheckConstraint(
        "0 <= published_size AND published_size <= signed_size AND signed_size <= size",
        name="sealer_sizes_in_order",
    ),
    comment="What the sealer knows from one time to the next. It is no evidence: checkpoints are.",
)

ledger_grants = Table(
    "ledger_grants",
    metadata,
    Column("role", Key, nullable=False),
    Column("privilege", Key, nullable=False),
    PrimaryKeyConstraint("role", "privilege", name="ledger_grants_pkey"),
    comment="What each role of the ledger may do, as GRANT has it: applied by grant_ledger_roles().",
)

ERASABLE = (entries, events, repeats, registrations)
"""Of the append-only tables those that an erasure may touch, each as far as the erasure's entry names it."""

APPEND_ONLY = (*ERASABLE, acts, leaves, tiles, checkpoints, access_log, tombstone_salt, erased_messages)
"""Tables that refuse DELETE, TRUNCATE and UPDATE; their guards must be enabled ALWAYS."""
