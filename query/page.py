"""Reads one page of current statuses: of a batch or a recipient from the listing, whatever their size.

The listing (`projections/listing.py`) has registered messages in the order of a page. What it may not have
yet, the messages of registrations that are noted as unlisted, is looked up one by one: mostly there is none,
and nothing is looked up. Both are read at one moment, so no message is missed or shown twice.
"""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Row,
    Select,
    exists,
    literal_column,
    select,
    true,
    tuple_,
    union,
)
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from eventstore.tables import registrations
from projections.tables import listed_messages, message_status, unlisted_registrations
from query.filters import Query
from query.selects import all_records, conditions, registered, seen_by, statuses, statuses_of

_REGISTRATION = ("client_id", "batch_reference", "message_reference")
"""What tells the rows of one message in the listing apart."""


async def fetch(engine: AsyncEngine, query: Query) -> tuple[list[Row[Any]], bool]:
    """Return one page of records, and whether another follows."""
    async with engine.connect() as connection:
        rows = (await connection.execute(page_of(query))).all()
    return list(rows[: query.filters.limit]), len(rows) > query.filters.limit


def page_of(query: Query) -> Select[Any]:
    """Return the select of one page and one record more, which tells whether another page follows.

    It gives what `statuses` does. On a channel there is no listing.
    """
    references = registered(query)
    if references is None or query.unmatchable or query.filters.channel is not None:
        return statuses(query)
    parts = [_listed(query, token) for token in query.tokens.values() or (None,)]
    parts.append(_unlisted(query, references))
    merged: CompoundSelect[Any] = union(*(select(part.subquery()) for part in parts))
    records = merged.subquery("records")
    return (
        select(records)
        .order_by(records.c.created_at.desc(), records.c.message_id)
        .limit(query.filters.limit + 1)
    )


def _listed(query: Query, token: bytes | None) -> Select[Any]:
    """Return the page as far as it is listed, of the recipient with one token where one is asked for.

    A row whose message has another time by now is none: the message bears another reference since, or an
    append moved it that did not see the registration, which is unlisted then. A message that was registered
    more than once is there as often, and its first row counts: for DISTINCT PostgreSQL 15 would sort all.
    OFFSET 0 has each message looked up when its row comes, newest first.
    """
    listed = listed_messages.c
    message = all_records(None).where(
        message_status.c.message_id == listed.message_id,
        message_status.c.recorded_at == listed.recorded_at,
    )
    if query.client is not None:
        message = message.where(*seen_by(query.client))
    one = message.offset(literal_column("0")).lateral("record")
    records = select(*one.c).select_from(listed_messages.join(one, true()))
    earlier = listed_messages.alias("earlier")
    same = select(earlier.c.message_id).where(
        earlier.c.message_id == listed.message_id,
        earlier.c.recorded_at == listed.recorded_at,
        tuple_(*(earlier.c[name] for name in _REGISTRATION))
        < tuple_(*(listed[name] for name in _REGISTRATION)),
        *_asked_of(query, token, earlier.c),
    )
    return (
        records.where(
            *_asked_of(query, token, listed),
            *conditions(query, records.selected_columns, listed.recorded_at),
            ~exists(same.offset(literal_column("0"))),
        )
        .order_by(listed.recorded_at.desc(), listed.message_id)
        .limit(query.filters.limit + 1)
    )


def _asked_of(
    query: Query, token: bytes | None, listed: ReadOnlyColumnCollection[str, Any]
) -> Iterator[ColumnElement[bool]]:
    """Yield what is asked of a row of the listing."""
    if query.filters.batch_reference is not None:
        yield listed.batch_reference == query.filters.batch_reference
    if token is not None:
        yield listed.recipient_token == token
    if query.client is not None:
        yield listed.client_id == query.client


def _unlisted(query: Query, references: Select[Any]) -> Select[Any]:
    """Return the page of what may not be listed yet; whether there is anything is asked once, first."""
    noted = select(unlisted_registrations.c.entry_id)
    if query.filters.batch_reference is not None:
        noted = noted.where(unlisted_registrations.c.batch_reference == query.filters.batch_reference)
    return statuses_of(query, references.where(registrations.c.entry_id.in_(noted))).where(exists(noted))
