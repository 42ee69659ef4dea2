"""Reads the supplier's times: RFC 3339 with an offset, as Notify's `attributes.timestamp` has them."""

import re
from datetime import UTC, datetime, timedelta

_RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d+)?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.ASCII | re.IGNORECASE,
).fullmatch

_SECOND = slice(17, 19)


def parse_timestamp(text: str) -> datetime:
    """Return the instant that an RFC 3339 time names, in UTC, truncated to microseconds.

    A leap second (`:60`) is the next minute's first one, as in PostgreSQL. Raises `ValueError` on
    anything else than RFC 3339, on days that do not exist, and on instants outside the years 1 to 9999.
    """
    if _RFC3339(text) is None:
        raise ValueError("not an RFC 3339 time with an offset")
    # The pattern guards fromisoformat, which reads other forms as well (and 24:00 since Python 3.13).
    text = text.upper()
    try:
        if text[_SECOND] == "60":
            before = f"{text[: _SECOND.start]}59{text[_SECOND.stop :]}"
            return datetime.fromisoformat(before).astimezone(UTC) + timedelta(seconds=1)
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("no such day, or an instant outside the years 1 to 9999") from None
