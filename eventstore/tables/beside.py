"""What is kept beside the ledger: callbacks in quarantine, who did and looked at what, and who may."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from eventstore.tables.columns import Key, Moment, metadata

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

ledger_grants = Table(
    "ledger_grants",
    metadata,
    Column("role", Key, nullable=False),
    Column("privilege", Key, nullable=False),
    PrimaryKeyConstraint("role", "privilege", name="ledger_grants_pkey"),
    comment="What each role of the ledger may do, as GRANT has it: applied by grant_ledger_roles().",
)
