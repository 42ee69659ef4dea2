"""Cursors: where a page ended, as text that a client hands back unread. Pure.

A cursor holds the sort key of the last record of a page, and a fingerprint of the filters that it was
made for: with others it would silently skip records, so it is refused.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class MalformedCursor(ValueError):
    """The cursor is not one that this service made for these filters."""


class Position(NamedTuple):
    """The sort key of a record: the page goes on after it."""

    created_at: datetime
    message_id: str


class Place(NamedTuple):
    """The sort key of a line of a timeline: the page goes on after it."""

    place: str
    kind_order: int
    recorded_at: datetime
    entry_id: UUID
    item: int


def fingerprint(filters: Mapping[str, str]) -> str:
    """Return eight hex digits that stand for a set of filters."""
    return hashlib.sha256(json.dumps(sorted(filters.items())).encode()).hexdigest()[:8]


def encode(position: Position, filters: Mapping[str, str]) -> str:
    """Return the cursor of a position among the records that `filters` let through."""
    return _packed(filters, _microseconds(position.created_at), position.message_id)


def decode(cursor: str, filters: Mapping[str, str]) -> Position:
    """Return the position that a cursor stands for; raises `MalformedCursor`."""
    match _unpacked(cursor, filters):
        case [int(microseconds), str(message_id)]:
            return Position(_moment(microseconds), _text(message_id))
    raise MalformedCursor


def encode_place(place: Place, filters: Mapping[str, str]) -> str:
    """Return the cursor of a line of the timeline that `filters` ask for."""
    sort_key = (
        place.place,
        place.kind_order,
        _microseconds(place.recorded_at),
        str(place.entry_id),
        place.item,
    )
    return _packed(filters, *sort_key)


def decode_place(cursor: str, filters: Mapping[str, str]) -> Place:
    """Return the line that a cursor stands for; raises `MalformedCursor`."""
    match _unpacked(cursor, filters):
        case [str(place), int(kind_order), int(microseconds), str(entry_id), int(item)]:
            return Place(
                _text(place), _small(kind_order), _moment(microseconds), _uuid(entry_id), _small(item)
            )
    raise MalformedCursor


def _packed(filters: Mapping[str, str], *sort_key: str | int) -> str:
    text = json.dumps([fingerprint(filters), *sort_key], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _unpacked(cursor: str, filters: Mapping[str, str]) -> list[Any]:
    """Return the sort key in a cursor that was made for these filters; raises `MalformedCursor`."""
    sort_key: list[Any]
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        made_for, *sort_key = json.loads(base64.b64decode(padded, b"-_", validate=True))
    except (ValueError, TypeError, RecursionError, binascii.Error) as error:
        raise MalformedCursor from error
    if made_for != fingerprint(filters) or any(isinstance(part, bool) for part in sort_key):
        raise MalformedCursor
    return sort_key


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def _moment(microseconds: int) -> datetime:
    try:
        return _EPOCH + timedelta(microseconds=microseconds)
    except OverflowError as error:
        raise MalformedCursor from error


def _text(text: str) -> str:
    """Return text that PostgreSQL can hold."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise MalformedCursor from error
    if "\0" in text:
        raise MalformedCursor
    return text


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise MalformedCursor from error


def _small(number: int) -> int:
    """Return a number that PostgreSQL's `integer` can hold."""
    if not -(2**31) <= number < 2**31:
        raise MalformedCursor
    return number
