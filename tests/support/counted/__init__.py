"""A projection that counts: how many events there are of each type."""

from sqlalchemy import BigInteger, Column, MetaData, PrimaryKeyConstraint, Table

from eventstore.tables import Key
from projections.projection import Projection

MIGRATION = """
    CREATE TABLE counted (
        events     bigint NOT NULL,
        event_type text COLLATE "C" NOT NULL,
        CONSTRAINT counted_pkey PRIMARY KEY (event_type)
    )
"""

counted = Table(
    "counted",
    MetaData(),
    Column("events", BigInteger, nullable=False),
    Column("event_type", Key, nullable=False),
    PrimaryKeyConstraint("event_type", name="counted_pkey"),
)

COUNTED = Projection("counted", (counted,), package="tests.support.counted")
