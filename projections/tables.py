"""The read model's tables, as SQLAlchemy Core sees them; derived from events, rebuildable at any time."""

from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    ColumnElement,
    Index,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    func,
    text,
)

from eventstore.tables import Key, Moment

metadata = MetaData()


def in_utc(moment: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return a moment as it is written in UTC: what the indexes of the newest are of; see migration 0002."""
    return func.timezone(text("'UTC'"), moment)


message_status = Table(
    "message_status",
    metadata,
    Column("recorded_at", Moment, nullable=False, comment="recorded time of the latest event"),
    Column("occurred_at", Moment, nullable=False, comment="effective time of the latest event"),
    Column("delivered_at", Moment),
    Column("read_at", Moment),
    Column("failed_at", Moment),
    Column("message_id", Key, nullable=False),
    Column("message_reference", Key, nullable=False),
    Column("message_status", Key),
    Column("channel", Key, comment="the latest channel"),
    Column("channel_status", Key, comment="as channel_status has it for the latest channel"),
    Column("supplier_status", Key, comment="as channel_status has it for the latest channel"),
    Column("message_status_version", Key, nullable=False),
    Column("channel_version", Key, nullable=False),
    Column("latest_version", Key, nullable=False),
    PrimaryKeyConstraint("message_id", name="message_status_pkey"),
    CheckConstraint(
        "(message_status IS NULL) = (message_status_version = '')", name="message_status_register_whole"
    ),
    CheckConstraint("(channel IS NULL) = (channel_version = '')", name="message_status_channel_whole"),
    comment="Derived: one row a message, folded from events; see projections/sql.",
)
Index("message_status_newest_idx", in_utc(message_status.c.recorded_at))
Index("message_status_by_status_idx", message_status.c.message_status, message_status.c.recorded_at)
Index("message_status_by_channel_status_idx", message_status.c.channel_status, message_status.c.recorded_at)
Index("message_status_by_supplier_status_idx", message_status.c.supplier_status, message_status.c.recorded_at)
Index("message_status_reference_idx", message_status.c.message_reference)

channel_status = Table(
    "channel_status",
    metadata,
    Column("recorded_at", Moment, nullable=False, comment="recorded time of the latest event on the channel"),
    Column(
        "occurred_at", Moment, nullable=False, comment="effective time of the latest event on the channel"
    ),
    Column("delivered_at", Moment),
    Column("read_at", Moment),
    Column("failed_at", Moment),
    Column("message_id", Key, nullable=False),
    Column("channel", Key, nullable=False),
    Column("channel_status", Key),
    Column("supplier_status", Key),
    Column("channel_status_version", Key, nullable=False),
    Column("supplier_status_version", Key, nullable=False),
    Column("latest_version", Key, nullable=False),
    PrimaryKeyConstraint("message_id", "channel", name="channel_status_pkey"),
    CheckConstraint(
        "(channel_status IS NULL) = (channel_status_version = '')", name="channel_status_register_whole"
    ),
    CheckConstraint(
        "(supplier_status IS NULL) = (supplier_status_version = '')", name="channel_status_supplier_whole"
    ),
    comment="Derived: one row a message and channel, folded from events; see projections/sql.",
)
Index("channel_status_newest_idx", channel_status.c.channel, in_utc(channel_status.c.recorded_at))
Index(
    "channel_status_by_status_idx",
    channel_status.c.channel,
    channel_status.c.channel_status,
    channel_status.c.recorded_at,
)
Index(
    "channel_status_by_supplier_status_idx",
    channel_status.c.channel,
    channel_status.c.supplier_status,
    channel_status.c.recorded_at,
)
