"""How records are written as text, CSV (RFC 4180) or newline-delimited JSON, and which one a client asks for.

Pure. Both are UTF-8 without a byte order mark; times are UTC, RFC 3339.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

import orjson

Row = Sequence[Any]
"""The values of one record: text, whole numbers, times with their offset, whether something holds, or None.

A report's may be several texts too.
"""


class Format(StrEnum):
    """The media type of records that are read one by one."""

    CSV = "text/csv"
    NDJSON = "application/x-ndjson"


class Lines(Protocol):
    """Writes records as lines."""

    @property
    def head(self) -> bytes:
        """What stands before the first record."""

    def lines(self, rows: Iterable[Row]) -> bytes:
        """Return the lines of some records, the last one ended too."""


class CsvLines(NamedTuple):
    """Writes CSV: a line of names, then a line a record; None is an empty cell."""

    names: Sequence[str]

    @property
    def head(self) -> bytes:
        """The line of names."""
        return _csv([self.names])

    def lines(self, rows: Iterable[Row]) -> bytes:
        """Return a line for each record."""
        return _csv([_cell(value) for value in row] for row in rows)


class NdjsonLines(NamedTuple):
    """Writes a JSON object a line, with the names and values of the JSON pages."""

    names: Sequence[str]

    @property
    def head(self) -> bytes:
        """Nothing: every line is a record."""
        return b""

    def lines(self, rows: Iterable[Row]) -> bytes:
        """Return a line for each record."""
        return b"".join(
            orjson.dumps(dict(zip(self.names, row, strict=True)), option=_JSON_OPTIONS) for row in rows
        )


_JSON_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
"""How a cell begins that a spreadsheet may take for a formula, or that was guarded against it."""
_SUSPECT = tuple("'=+-@\t\r")


def lines_of(wanted: Format, names: Sequence[str]) -> Lines:
    """Return what writes records of these names in a format."""
    match wanted:
        case Format.CSV:
            return CsvLines(names)
        case Format.NDJSON:
            return NdjsonLines(names)


def guarded(text: str) -> str:
    """Return the text of a cell that no spreadsheet takes for a formula.

    The rule is OWASP's ("CSV injection"): a single quote goes before what begins with `=`, `+`, `-`, `@`, a
    tab or a carriage return. It goes before single quotes that are followed by one of these too, so that
    taking one quote away from a cell of this form always gives what was meant.
    """
    return f"'{text}" if _FORMULA.match(text) else text


def _cell(value: Any) -> Any:
    if value is None:
        return None
    if type(value) is str:
        return guarded(value) if value[:1] in _SUSPECT else value  # a short way: there are many cells
    if type(value) is datetime:
        return value.isoformat().removesuffix("+00:00") + "Z"  # the database's times are UTC
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) is list:
        return guarded("; ".join(value))
    return value


def _csv(rows: Iterable[Row]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


_JSON = ("application/json", "application/*", "*/*")
_WEIGHT = re.compile(r"q=([01](?:\.\d{0,3})?)", re.ASCII)


def preferred(accept: str, offered: Iterable[Format] = tuple(Format)) -> Format | None:
    """Return the offered format that an `Accept` header prefers; None is JSON, the answer to all else.

    The greatest weight (`q`) wins, and of equal ones the first.
    """
    if not accept:
        return None
    known = (*_JSON, *offered)
    best, most = None, 0.0
    for part in accept.split(","):
        media_type, *parameters = (word.strip().lower() for word in part.split(";"))
        told = next((_WEIGHT.fullmatch(word) for word in parameters if word.startswith("q=")), None)
        weight = float(told[1]) if told else 1.0
        if media_type in known and weight > most:
            best, most = media_type, weight
    return None if best is None or best in _JSON else Format(best)
