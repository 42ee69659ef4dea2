"""The tables of the service itself, apart from the ledger, as SQLAlchemy Core sees them."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from eventstore.tables import Key, Moment

metadata = MetaData()

api_keys = Table(
    "api_keys",
    metadata,
    Column("created_at", Moment, nullable=False, server_default=func.now()),
    Column("revoked_at", Moment),
    Column("key_id", Key, nullable=False),
    Column("name", Key, nullable=False),
    Column("client_id", Key, nullable=False, comment="whose key it is; several keys may be one client's"),
    Column("scopes", ARRAY(Key), nullable=False),
    Column(
        "created_by",
        Key,
        nullable=False,
        server_default=text("SESSION_USER"),
        comment="the database login that issued it",
    ),
    Column("revoked_by", Key, comment="the database login that revoked it"),
    Column("salt", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False, comment="SHA-256 of the salt and the key"),
    PrimaryKeyConstraint("key_id", name="api_keys_pkey"),
    UniqueConstraint("name", name="api_keys_name_key"),
    CheckConstraint(
        "name ~ '^[a-z0-9][a-z0-9._-]{0,63}$' AND client_id ~ '^[a-z0-9][a-z0-9._-]{0,63}$'",
        name="api_keys_names_well_formed",
    ),
    CheckConstraint("client_id NOT IN ('auditor', 'notify')", name="api_keys_client_not_the_services"),
    CheckConstraint(
        "cardinality(scopes) > 0 AND scopes <@ ARRAY['statuses:read', 'batches:write', 'audit:read']",
        name="api_keys_scopes_known",
    ),
    CheckConstraint("(revoked_at IS NULL) = (revoked_by IS NULL)", name="api_keys_revocation_whole"),
    CheckConstraint("octet_length(salt) = 16", name="api_keys_salt_is_128_bits"),
    CheckConstraint("octet_length(hash) = 32", name="api_keys_hash_is_sha256"),
    comment="Keys that were issued to clients and auditors: what knows one again, never the key."
    " Rows are only ever revoked.",
)
