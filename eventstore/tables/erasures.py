"""What remains of messages that were erased."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Uuid,
    func,
    text,
)

from eventstore.tables.columns import Moment, metadata

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
