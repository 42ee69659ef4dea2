"""The read model's tables, as SQLAlchemy Core sees them; derived from events, rebuildable at any time."""

from typing import Any

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    Index,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Uuid,
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

listed_messages = Table(
    "listed_messages",
    metadata,
    Column("recorded_at", Moment, nullable=False, comment="as message_status has it"),
    Column("message_id", Key, nullable=False),
    Column("client_id", Key, nullable=False),
    Column("batch_reference", Key, nullable=False),
    Column(
        "message_reference",
        Key,
        nullable=False,
        comment="under which the message was listed; message_status may have another since",
    ),
    Column("recipient_token", LargeBinary, nullable=False),
    PrimaryKeyConstraint(
        "message_id", "client_id", "batch_reference", "message_reference", name="listed_messages_pkey"
    ),
    comment="Derived: one row a message and registration of its reference,"
    " from message_status and registrations.",
)
Index("listed_messages_batch_idx", listed_messages.c.batch_reference, listed_messages.c.recorded_at)
Index("listed_messages_recipient_idx", listed_messages.c.recipient_token, listed_messages.c.recorded_at)

unlisted_registrations = Table(
    "unlisted_registrations",
    metadata,
    Column("entry_id", Uuid, nullable=False),
    Column("client_id", Key, nullable=False),
    Column("batch_reference", Key, nullable=False),
    PrimaryKeyConstraint("client_id", "batch_reference", "entry_id", name="unlisted_registrations_pkey"),
    comment="Registrations of which not all messages may be in listed_messages yet.",
)
Index("unlisted_registrations_batch_idx", unlisted_registrations.c.batch_reference)

listing = Table(
    "listing",
    metadata,
    Column("one_row", Boolean, nullable=False, server_default=text("true")),
    Column(
        "begun_at",
        Moment,
        comment="null: not yet, for a service of an older version may append, which keeps nothing listed;"
        " a rebuild begins it",
    ),
    PrimaryKeyConstraint("one_row", name="listing_pkey"),
    CheckConstraint("one_row", name="listing_one_row"),
    comment="Whether registrations are listed.",
)
