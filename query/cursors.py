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

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class MalformedCursor(ValueError):
    """The cursor is not one that this service made for these filters."""


class Position(NamedTuple):
    """The sort key of a record: the page goes on after it."""

    created_at: datetime
    message_id: str


class Place(NamedTuple):
    """The sort key of a report's row: the page goes on after it."""

    message_reference: str
    message_id: str
    """Empty where no callback has told the message's id."""


BEGINNING = Place("", "")
"""Before every row of a report."""


def fingerprint(filters: Mapping[str, str]) -> str:
    """Return eight hex digits that stand for a set of filters."""
    return hashlib.sha256(json.dumps(sorted(filters.items())).encode()).hexdigest()[:8]


def encode(position: Position, filters: Mapping[str, str]) -> str:
    """Return the cursor of a position among the records that `filters` let through."""
    microseconds = (position.created_at - _EPOCH) // _MICROSECOND
    return _written(filters, microseconds, position.message_id)


def decode(cursor: str, filters: Mapping[str, str]) -> Position:
    """Return the position that a cursor stands for; raises `MalformedCursor`."""
    microseconds, message_id = _read(cursor, filters)
    if type(microseconds) is not int or not _text(message_id):
        raise MalformedCursor
    try:
        return Position(_EPOCH + timedelta(microseconds=microseconds), message_id)
    except OverflowError as error:
        raise MalformedCursor from error


def encode_place(place: Place, filters: Mapping[str, str]) -> str:
    """Return the cursor of a place among the rows of a report that `filters` let through."""
    return _written(filters, *place)


def decode_place(cursor: str, filters: Mapping[str, str]) -> Place:
    """Return the place that a cursor stands for; raises `MalformedCursor`."""
    place = Place(*_read(cursor, filters))
    if not all(map(_text, place)):
        raise MalformedCursor
    return place


def _written(filters: Mapping[str, str], *key: object) -> str:
    text = json.dumps([fingerprint(filters), *key], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read(cursor: str, filters: Mapping[str, str]) -> tuple[Any, Any]:
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        made_for, first, second = json.loads(base64.b64decode(padded, b"-_", validate=True))
    except (ValueError, TypeError, RecursionError, binascii.Error) as error:
        raise MalformedCursor from error
    if made_for != fingerprint(filters):
        raise MalformedCursor
    return first, second


def _text(value: object) -> bool:
    """Whether a value is text that a column could hold."""
    try:
        return isinstance(value, str) and b"\0" not in value.encode()
    except UnicodeEncodeError:
        return False
