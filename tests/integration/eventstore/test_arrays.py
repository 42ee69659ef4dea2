"""A column of values comes back from PostgreSQL as it was sent, whatever is in it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from eventstore.arrays import Array, ArrayDumper, Bigint, Bytea, Integer, Text, Timestamptz, Uuids

EARLIEST = datetime.min.replace(tzinfo=UTC)
LATEST = datetime.max.replace(tzinfo=UTC)


@pytest.fixture(scope="module")
def connection(postgres: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgres, autocommit=True) as opened:
        opened.adapters.register_dumper(Array, ArrayDumper)
        opened.execute("SET timezone TO 'UTC'")
        yield opened


def columns_of(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.none() | values, max_size=20)


def sent_and_back(connection: psycopg.Connection, array: Array) -> tuple[str, Any]:
    """Return the type that the server sees, and the values that it gives back."""
    row = connection.execute("SELECT pg_typeof(%(column)b)::text, %(column)b", {"column": array}).fetchone()
    assert row is not None
    return row[0], row[1]


@given(columns_of(st.binary()))
@example([b"\x00\xff", b"", None])
def test_bytes_come_back(connection: psycopg.Connection, values: list[bytes | None]) -> None:
    assert sent_and_back(connection, Bytea(values)) == ("bytea[]", values)


@given(columns_of(st.integers(-(2**63), 2**63 - 1)))
@example([-(2**63), -1, 0, 2**63 - 1])
def test_64_bit_integers_come_back(connection: psycopg.Connection, values: list[int | None]) -> None:
    assert sent_and_back(connection, Bigint(values)) == ("bigint[]", values)


@given(columns_of(st.integers(-(2**31), 2**31 - 1)))
@example([-(2**31), -1, 0, 2**31 - 1])
def test_32_bit_integers_come_back(connection: psycopg.Connection, values: list[int | None]) -> None:
    assert sent_and_back(connection, Integer(values)) == ("integer[]", values)


@given(columns_of(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))))
@example(["", "NULL", "{}", '"', "\\", ",", "the patient’s 📱", None])
def test_text_comes_back(connection: psycopg.Connection, values: list[str | None]) -> None:
    assert sent_and_back(connection, Text(values)) == ("text[]", values)


@given(columns_of(st.datetimes(timezones=st.just(UTC))))
@example([EARLIEST, EARLIEST + timedelta(microseconds=1), LATEST, None])
@example([datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), datetime(2000, 1, 1, tzinfo=UTC)])
def test_times_come_back_to_the_microsecond(
    connection: psycopg.Connection, values: list[datetime | None]
) -> None:
    assert sent_and_back(connection, Timestamptz(values)) == ("timestamp with time zone[]", values)


@given(st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1)), st.integers(-1439, 1439))  # noqa: DTZ001 - zoned below
def test_a_time_of_another_zone_is_the_same_instant(
    connection: psycopg.Connection, moment: datetime, minutes: int
) -> None:
    zoned = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert sent_and_back(connection, Timestamptz([zoned])) == ("timestamp with time zone[]", [zoned])


@given(columns_of(st.uuids()))
@example([UUID(int=0), UUID(int=2**128 - 1), None])
def test_uuids_come_back(connection: psycopg.Connection, values: list[UUID | None]) -> None:
    assert sent_and_back(connection, Uuids(values)) == ("uuid[]", values)


@pytest.mark.parametrize("array", Array.__subclasses__())
@pytest.mark.parametrize("values", [[], [None], [None, None]], ids=["empty", "a None", "all None"])
def test_the_type_never_depends_on_the_values(
    connection: psycopg.Connection, array: type[Array], values: list[None]
) -> None:
    expected = connection.execute("SELECT %s::oid::regtype::text", [array.oid]).fetchone()
    assert expected is not None
    assert sent_and_back(connection, array(values)) == (expected[0], values)


@pytest.mark.parametrize("array", Array.__subclasses__())
def test_the_numbers_are_those_of_the_servers_types(
    connection: psycopg.Connection, array: type[Array]
) -> None:
    assert connection.execute("SELECT typelem FROM pg_type WHERE oid = %s", [array.oid]).fetchall() == [
        (array.element_oid,)
    ]


def test_one_statement_stays_prepared_whatever_its_columns_hold(connection: psycopg.Connection) -> None:
    connection.execute("DEALLOCATE ALL")
    columns: list[list[int | None]] = [[], [None], [1], [2**40], [None, -1]]
    for values in columns:
        connection.execute("SELECT %(column)b::bigint[]", {"column": Bigint(values)}, prepare=True)
    assert connection.execute("SELECT count(*) FROM pg_prepared_statements").fetchone() == (1,)
