"""Composes the reads of current statuses: one record a message, or one a message on a channel."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    Subquery,
    Table,
    and_,
    exists,
    false,
    literal,
    literal_column,
    or_,
    select,
    true,
)
from sqlalchemy.sql.base import ColumnCollection

from eventstore.tables import registrations
from projections.tables import channel_status, in_utc, message_status
from query.filters import Query


def statuses(query: Query) -> Select[Any]:
    """Return the select of one page and one record more, which tells whether another page follows.

    A record of a message is its latest status; with a channel, its latest on that channel. Newest first,
    ties by message id.
    """
    return statuses_of(query, registered(query))


def statuses_of(query: Query, references: Select[Any] | None) -> Select[Any]:
    """Return what `statuses` does, of the messages with these references alone."""
    if query.unmatchable:
        return all_records(None).where(false())
    records = all_records(query.filters.channel)
    if query.client is not None:
        records = records.where(*seen_by(query.client))
    if references is not None:
        records = _of(references.subquery("registered"), records)
    record = records.selected_columns
    created, at = _created(query, record)
    return (
        records.where(*conditions(query, record, created, at))
        .order_by(created.desc(), record.message_id)
        .limit(query.filters.limit + 1)
    )


def all_records(channel: str | None) -> Select[Any]:
    """Return every message's record or, where a channel is asked for, every message's on that channel."""
    facts: Table = message_status
    source: FromClause = message_status
    if channel is not None:
        asked = and_(
            channel_status.c.message_id == message_status.c.message_id, channel_status.c.channel == channel
        )
        facts, source = channel_status, channel_status.join(message_status, asked)
    return select(
        facts.c.recorded_at.label("created_at"),
        facts.c.message_id,
        message_status.c.message_reference,
        facts.c.channel,
        facts.c.channel_status,
        facts.c.supplier_status,
        message_status.c.message_status,
        facts.c.occurred_at,
        facts.c.delivered_at,
        facts.c.read_at,
        facts.c.failed_at,
    ).select_from(source)


Written = Callable[[datetime], ColumnElement[Any]]
"""Writes a moment as the time is written that it is compared with."""


def _created(
    query: Query, record: ColumnCollection[str, ColumnElement[Any]]
) -> tuple[ColumnElement[Any], Written]:
    """Return the time that records are sorted and narrowed by, as the index has it that should be used.

    The indexes of the newest have it in UTC. Where a filter has an index of its own they must not be walked
    instead, and are not, because they do not have the time as it is written then. PostgreSQL would choose
    them for a status that it takes to be common, and where it plans for any status it takes each to be.
    """
    filters = query.filters
    own_index = [filters.message_id, filters.message_reference, filters.batch_reference, filters.nhs_number]
    own_index += [filters.channel_status, filters.supplier_status]
    if filters.channel is None:
        own_index.append(filters.message_status)
    if any(value is not None for value in own_index):
        return record.created_at, literal
    return in_utc(record.created_at), lambda moment: in_utc(literal(moment))


def conditions(
    query: Query,
    record: ColumnCollection[str, ColumnElement[Any]],
    created: ColumnElement[Any],
    at: Written = literal,
) -> list[ColumnElement[bool]]:
    """Return what the filters ask of a record, and where the page begins.

    The keyset condition is written so that the index on the sort key is entered at its first part.
    """
    filters, after = query.filters, query.after
    asked: list[ColumnElement[bool]] = [
        column == value
        for column, value in (
            (record.supplier_status, filters.supplier_status),
            (record.channel_status, filters.channel_status),
            (record.message_status, filters.message_status),
            (record.message_id, filters.message_id),
            (record.message_reference, filters.message_reference),
        )
        if value is not None
    ]
    if filters.created_at is not None:
        asked.append(created >= at(filters.created_at.start))
        asked.append(created < at(filters.created_at.end))
    if filters.created_after is not None:
        asked.append(created > at(filters.created_after.start))
    if filters.created_before is not None:
        asked.append(created < at(filters.created_before.start))
    if after is not None:
        asked.append(created <= at(after.created_at))
        asked.append(or_(created < at(after.created_at), record.message_id > after.message_id))
    return asked


def registered(query: Query) -> Select[Any] | None:
    """Return the references, each once, that are registered as the filters ask; None where they do not.

    All that is asked must be true of one registration.
    """
    asked = []
    if query.filters.batch_reference is not None:
        asked.append(registrations.c.batch_reference == query.filters.batch_reference)
    if query.filters.nhs_number is not None:
        asked.append(registrations.c.recipient_key_id.in_(query.tokens))
        asked.append(registrations.c.recipient_token.in_(query.tokens.values()))
    if not asked:
        return None
    if query.client is not None:
        asked.append(registrations.c.client_id == query.client)
    return select(registrations.c.message_reference).where(*asked).distinct()


def _of(references: Subquery, records: Select[Any]) -> Select[Any]:
    """Return the records of these references, looked up one by one before anything else is asked of them.

    OFFSET 0 keeps PostgreSQL from any other way: it takes the messages of a batch to be spread evenly over
    time, and would look for the few of an old one among all that came since, newest first.
    """
    of_one = (
        records.where(message_status.c.message_reference == references.c.message_reference)
        .offset(literal_column("0"))
        .lateral("record")
    )
    return select(*of_one.c).select_from(references.join(of_one, true()))


def seen_by(client: str) -> list[ColumnElement[bool]]:
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
