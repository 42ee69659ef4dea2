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
from typing import NamedTuple

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class MalformedCursor(ValueError):
    """The cursor is not one that this service made for these filters."""


class Position(NamedTuple):
    """The sort key of a record: the page goes on after it."""

    created_at: datetime
    message_id: str


def fingerprint(filters: Mapping[str, str]) -> str:
    """Return eight hex digits that stand for a set of filters."""
    return hashlib.sha256(json.dumps(sorted(filters.items())).encode()).hexdigest()[:8]


def encode(position: Position, filters: Mapping[str, str]) -> str:
    """Return the cursor of a position among the records that `filters` let through."""
    microseconds = (position.created_at - _EPOCH) // _MICROSECOND
    text = json.dumps([fingerprint(filters), microseconds, position.message_id], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(cursor: str, filters: Mapping[str, str]) -> Position:
    """Return the position that a cursor stands for; raises `MalformedCursor`."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        made_for, microseconds, message_id = json.loads(base64.b64decode(padded, b"-_", validate=True))
        if type(microseconds) is not int or not isinstance(message_id, str):
            raise MalformedCursor
        message_id.encode()
        position = Position(_EPOCH + timedelta(microseconds=microseconds), message_id)
    except (ValueError, TypeError, OverflowError, RecursionError, binascii.Error) as error:
        raise MalformedCursor from error
    if made_for != fingerprint(filters) or "\0" in message_id:
        raise MalformedCursor
    return position
