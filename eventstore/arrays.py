"""Sends a column of values as one PostgreSQL array, in binary, under a type that never varies.

psycopg guesses an array's type from its elements: all None is one type, small integers another, large
ones a third; and a statement is prepared anew for every combination of types. Naming the type keeps one
prepared statement, and costs a fraction of the guessing.

The numbers are PostgreSQL's own (`pg_type.oid`), fixed for ever.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache, partial
from struct import Struct
from typing import Any, ClassVar, Protocol
from uuid import UUID

from psycopg.abc import AdaptContext
from psycopg.adapt import Dumper
from psycopg.pq import Format

_HEADER = Struct("!iiIii")  # dimensions, has nulls, element type, length, lower bound
_EMPTY = Struct("!iiI")
_INT4 = Struct("!i")
_INT8 = Struct("!q")
_SIZED_INT4 = Struct("!ii")
_SIZED_INT8 = Struct("!iq")
_NULL = _INT4.pack(-1)
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)  # PostgreSQL's


_LENGTHS = [_INT4.pack(length) for length in range(1024)]
"""The lengths that most elements have, packed once."""


def _sized(element: bytes) -> bytes:
    length = len(element)
    return (_LENGTHS[length] if length < 1024 else _INT4.pack(length)) + element


def _sized_text(value: str) -> bytes:
    return _sized(value.encode())


def _sized_microseconds(moment: datetime) -> bytes:
    since = moment - _EPOCH
    return _SIZED_INT8.pack(8, (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds)


def _sized_uuid(value: UUID) -> bytes:
    return b"\0\0\0\x10" + value.bytes


class Parameter(Protocol):
    """A value that says what PostgreSQL should take it for."""

    @property
    def oid(self) -> int:
        """The number of its type."""

    def dump(self) -> bytes:
        """Return its binary form."""


class OneBigint:
    """A `bigint`."""

    oid = 20

    def __init__(self, value: int) -> None:
        """Take the value."""
        self.value = value

    def dump(self) -> bytes:
        """Return its binary form."""
        return _INT8.pack(self.value)


class Array:
    """A column of values, None for NULL, to be sent as one array."""

    element_oid: ClassVar[int]
    oid: ClassVar[int]
    encode: Callable[[Any], bytes]
    """Returns one element in PostgreSQL's binary form, its length before it."""

    def __init__(self, values: Sequence[Any]) -> None:
        """Take the values in the order of the rows."""
        self.values = values

    def dump(self) -> bytes:
        """Return the whole array in PostgreSQL's binary form."""
        values = self.values
        if not values:
            return _EMPTY.pack(0, 0, self.element_oid)
        head = _HEADER.pack(1, 1, self.element_oid, len(values), 1)
        if values.count(None) == len(values):
            return head + _NULL * len(values)
        return head + b"".join(self.elements())

    def elements(self) -> Iterable[bytes]:
        """Return each element, its length before it."""
        encode = self.encode
        return [_NULL if value is None else encode(value) for value in self.values]


class Bytea(Array):
    """`bytea[]` of bytes."""

    element_oid, oid = 17, 1001
    encode = staticmethod(_sized)


class Bigint(Array):
    """`bigint[]` of integers."""

    element_oid, oid = 20, 1016
    encode = partial(_SIZED_INT8.pack, 8)


class Integer(Array):
    """`integer[]` of integers."""

    element_oid, oid = 23, 1007
    encode = partial(_SIZED_INT4.pack, 4)


class Text(Array):
    """`text[]` of strings without NUL."""

    element_oid, oid = 25, 1009
    encode = staticmethod(_sized_text)


@lru_cache(maxsize=1024)
def _word(value: str | None) -> bytes:
    return _NULL if value is None else _sized(value.encode())


class Words(Array):
    """`text[]` of strings of a small vocabulary, which are encoded once."""

    element_oid, oid = 25, 1009

    def elements(self) -> Iterable[bytes]:
        """Return each element with its length before it."""
        return map(_word, self.values)


class Timestamptz(Array):
    """`timestamptz[]` of aware datetimes."""

    element_oid, oid = 1184, 1185

    encode = staticmethod(_sized_microseconds)


class Uuids(Array):
    """`uuid[]` of UUIDs."""

    element_oid, oid = 2950, 2951

    encode = staticmethod(_sized_uuid)


class ArrayDumper(Dumper):
    """Tells psycopg how to send any `Array`."""

    format = Format.BINARY

    def __init__(self, cls: type[Array], context: AdaptContext | None = None) -> None:
        """Take the class of array, which knows its type's number."""
        super().__init__(cls, context)
        self.oid = cls.oid

    def dump(self, obj: Array) -> bytes:
        """Return the binary form."""
        return obj.dump()
