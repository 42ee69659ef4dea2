"""Composes the reads of current statuses: one record a message, or one a message on a channel."""

from typing import Any

from sqlalchemy import ColumnElement, Row, Select, exists, false, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncEngine

from eventstore.tables import registrations
from projections.tables import channel_status, message_status
from query.filters import Query

_ONE_CHANNEL = channel_status.join(message_status, message_status.c.message_id == channel_status.c.message_id)


def statuses(query: Query) -> Select[Any]:
    """Return the select of one page and one record more, which tells whether another page follows.

    A record of a message is its latest status; with a channel, its latest on that channel. Newest first,
    ties by message id. The keyset condition is written so that the index on the sort key is entered
    at its first part.
    """
    filters, after = query.filters, query.after
    facts, source = (
        (message_status, message_status) if filters.channel is None else (channel_status, _ONE_CHANNEL)
    )
    created_at, message_id = facts.c.recorded_at, facts.c.message_id
    conditions: list[ColumnElement[bool]] = [
        column == value
        for column, value in (
            (facts.c.channel, filters.channel),
            (facts.c.supplier_status, filters.supplier_status),
            (facts.c.channel_status, filters.channel_status),
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
    if query.client is not None:
        conditions += _seen_by(query.client)
    if query.unmatchable:
        conditions = [false()]
    return (
        select(
            created_at.label("created_at"),
            message_id,
            message_status.c.message_reference,
            facts.c.channel,
            facts.c.channel_status,
            facts.c.supplier_status,
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


def _seen_by(client: str) -> list[ColumnElement[bool]]:
    """Return the conditions of what a client sees: the messages that it registered and nobody else did.

    What two clients claim, neither sees: to register another's reference reveals nothing. The client stands
    in the statement's text, so that each has a plan of its own: PostgreSQL starts from the registrations of
    one that has few, and from the newest messages for one that has most.
    """
    asking = literal(client, literal_execute=True)
    registered = exists().where(registrations.c.message_reference == message_status.c.message_reference)
    registered = registered.correlate(message_status)
    return [
        registered.where(registrations.c.client_id == asking),
        ~registered.where(registrations.c.client_id != asking),
    ]


async def fetch(engine: AsyncEngine, query: Query) -> tuple[list[Row[Any]], bool]:
    """Return one page of records, and whether another follows."""
    async with engine.connect() as connection:
        rows = (await connection.execute(statuses(query))).all()
    return list(rows[: query.filters.limit]), len(rows) > query.filters.limit
