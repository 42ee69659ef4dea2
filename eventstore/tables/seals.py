"""The sealed ledger: its order, its Merkle tree and the checkpoints over it."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from eventstore.tables.columns import Key, Moment, Snapshot, metadata

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
