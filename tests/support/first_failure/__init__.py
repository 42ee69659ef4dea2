"""The projection that docs/projections.md adds: the first failure of each message, with channel and code."""

from pathlib import Path

from sqlalchemy import Column, Index, MetaData, PrimaryKeyConstraint, Table

from eventstore.tables import Key, Moment
from projections.projection import Projection

HERE = Path(__file__).parent

MIGRATION = HERE / "first_failure.up.sql"

DOWN = HERE / "first_failure.down.sql"

FOLD = HERE / "sql" / "first_failure.sql"

metadata = MetaData()

first_failure = Table(
    "first_failure",
    metadata,
    Column("failed_at", Moment, nullable=False),
    Column("message_id", Key, nullable=False),
    Column("channel", Key, comment="null where the message failed as a whole"),
    Column("code", Key),
    Column("version", Key, nullable=False),
    PrimaryKeyConstraint("message_id", name="first_failure_pkey"),
    Index("first_failure_code_idx", "code", "failed_at"),
    comment="Derived: one row a message that failed, folded from events; see projections/sql.",
)

FIRST_FAILURE = Projection("first_failure", (first_failure,), package="tests.support.first_failure")
