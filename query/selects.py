"""Composes the reads of current statuses: one record a message, or one a message on a channel."""

from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, false, or_, select
from sqlalchemy.ext.asyncio import AsyncEngine

from eventstore.tables import registrations
from projections.tables import channel_status, message_status
from query.filters import Query

_WHOLE_MESSAGE = message_status.outerjoin(
    channel_status,
    and_(
        channel_status.c.message_id == message_status.c.message_id,
        channel_status.c.channel == message_status.c.channel,
    ),
)
_ONE_CHANNEL = channel_status.join(message_status, message_status.c.message_id == channel_status.c.message_id)


def statuses(query: Query) -> Select[Any]:
    """Return the select of one page and one record more, which tells whether another page follows.

    A record of a message is its latest status; with a channel, its latest on that channel. Newest first,
    ties by message id. The keyset condition is written so that the index on the sort key is entered
    at its first part.

    What is asked of registrations must be true of one registration, and a message is a record once, however
    many it has: `IN` leaves it to PostgreSQL whether to start with the messages or with the registrations.
    """
    filters, after = query.filters, query.after
    facts, source = (
        (message_status, _WHOLE_MESSAGE) if filters.channel is None else (channel_status, _ONE_CHANNEL)
    )
    created_at, message_id = facts.c.recorded_at, facts.c.message_id
    conditions: list[ColumnElement[bool]] = [
        column == value
        for column, value in (
            (channel_status.c.channel, filters.channel),
            (channel_status.c.supplier_status, filters.supplier_status),
            (channel_status.c.channel_status, filters.channel_status),
            (message_status.c.message_status, filters.message_status),
            (message_id, filters.message_id),
            (message_status.c.message_reference, filters.message_reference),
        )
        if value is not None
    ]
    if filters.created_at is not None:
        conditions += [created_at >= filters.created_at.start, created_at < filters.created_at.end]
    if filters.created_after is not None:
        conditions.append(created_at > filters.created_after.start)
    if filters.created_before is not None:
        conditions.append(created_at < filters.created_before.start)
    if after is not None:
        conditions += [
            created_at <= after.created_at,
            or_(created_at < after.created_at, message_id > after.message_id),
        ]
    registered = [
        condition
        for asked, condition in (
            (filters.batch_reference, registrations.c.batch_reference == filters.batch_reference),
            (filters.nhs_number, _is_for(query.tokens)),
        )
        if asked is not None
    ]
    if registered:
        references = select(registrations.c.message_reference).where(*registered)
        conditions.append(message_status.c.message_reference.in_(references))
    if query.unmatchable:
        conditions = [false()]
    return (
        select(
            created_at.label("created_at"),
            message_id,
            message_status.c.message_reference,
            facts.c.channel,
            channel_status.c.channel_status,
            channel_status.c.supplier_status,
            message_status.c.message_status,
            facts.c.occurred_at,
            facts.c.delivered_at,
            facts.c.read_at,
            facts.c.failed_at,
        )
        .select_from(source)
        .where(*conditions)
        .order_by(created_at.desc(), message_id)
        .limit(filters.limit + 1)
    )


def _is_for(tokens: dict[str, bytes]) -> ColumnElement[bool]:
    """Return whether a registration is for the recipient whose tokens these are."""
    return and_(
        registrations.c.recipient_key_id.in_(tokens), registrations.c.recipient_token.in_(tokens.values())
    )


async def fetch(engine: AsyncEngine, query: Query) -> tuple[list[Row[Any]], bool]:
    """Return one page of records, and whether another follows."""
    async with engine.connect() as connection:
        rows = (await connection.execute(statuses(query))).all()
    return list(rows[: query.filters.limit]), len(rows) > query.filters.limit
