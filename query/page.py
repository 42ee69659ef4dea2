"""Reads one page of current statuses: of a batch or a recipient from the listing, whatever their size.

The listing (`projections/listing.py`) has registered messages in the order of a page. What it may not have
yet, the messages of registrations that are noted as unlisted, is looked up one by one: mostly there is none,
and nothing is looked up. Both are read at one moment, so no message is missed or shown twice.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, LiteralString, NamedTuple

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Select,
    bindparam,
    exists,
    literal_column,
    select,
    true,
    tuple_,
    union,
)
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from eventstore.database import Database
from eventstore.tables import registrations
from projections.tables import listed_messages, message_status, unlisted_registrations
from query import cursors
from query.composed import composed
from query.filters import Filters, Query
from query.formats import Row
from query.selects import all_records, conditions, registered, seen_by, statuses, statuses_of

_REGISTRATION = ("client_id", "batch_reference", "message_reference")
"""What tells the rows of one message in the listing apart."""


class Page(NamedTuple):
    """One page of records."""

    rows: Sequence[Row]
    """Their values in the order of the fields of `Record`."""
    cursor: str | None
    """Where the next page begins; None where none follows."""


async def fetch(database: Database, query: Query) -> Page:
    """Return the page that a question asks for; raises what psycopg raises."""
    text, parameters = statement_of(query)
    async with database.connection() as connection:
        cursor = await connection.execute(text, parameters, binary=True)
        found: Sequence[Row] = await cursor.fetchall()
    rows = found[: query.filters.limit]
    if len(rows) == len(found):
        return Page(rows, None)
    created_at, message_id, *_ = rows[-1]
    return Page(rows, cursors.encode(cursors.Position(created_at, message_id), query.made_for))


def statement_of(query: Query) -> tuple[LiteralString, dict[str, Any]]:
    """Return the statement that asks for a page, and its parameters.

    That of a whole batch's first page, which is what clients ask for most, is the same for every batch: to
    compose it anew would take 3 ms, as long as PostgreSQL takes to answer.
    """
    batch = query.filters.batch_reference
    if batch is None or len(query.given) > 1 or query.after is not None or query.unmatchable:
        return composed(page_of(query))
    text, constants = _first_page_of_a_batch(query.client, query.filters.limit)
    return text, {**constants, "batch": batch}


@lru_cache(maxsize=64)
def _first_page_of_a_batch(client: str | None, limit: int) -> tuple[LiteralString, dict[str, Any]]:
    batch = bindparam("batch", type_=listed_messages.c.batch_reference.type, required=False)
    asked: dict[str, Any] = {"batch_reference": batch, "limit": limit}
    filters = Filters.model_construct(**asked)
    return composed(page_of(Query(filters, given={}, tokens={}, after=None, client=client)))


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
