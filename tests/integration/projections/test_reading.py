"""Folds that are only read give the rows that the same folds write."""

from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql
from psycopg.rows import dict_row

from eventstore.events import Event
from projections.projection import CURRENT_STATUS, PROJECTIONS
from projections.reading import filling_folds, reading_folds
from tests.support.appending import append, connected
from tests.support.counted import COUNTED
from tests.support.database import cloned
from tests.support.events import EVENTS

SHARED = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=settings().max_examples // 4
)


@pytest.fixture(scope="module")
def migrated(postgres: str) -> Iterator[str]:
    with cloned(postgres) as url:
        yield url


@pytest.fixture
def connection(migrated: str) -> Iterator[psycopg.Connection]:
    """A connection of the owner's; what it writes is undone."""
    with connected(migrated) as opened:
        opened.execute("BEGIN")
        yield opened
        opened.rollback()


@SHARED
@given(st.lists(EVENTS, min_size=1, max_size=8))
def test_what_is_read_is_what_the_append_wrote(connection: psycopg.Connection, events: list[Event]) -> None:
    connection.execute("SAVEPOINT empty")
    for one in events:
        append(connection, one)
    folds = ", ".join(f"{name} AS (\n{text}\n)" for name, text in reading_folds(CURRENT_STATUS).items())
    with connection.cursor(row_factory=dict_row) as cursor:
        for table in CURRENT_STATUS.tables:
            key = sql.SQL(", ").join(sql.Identifier(column.name) for column in table.primary_key.columns)
            written = sql.SQL("SELECT * FROM {} ORDER BY {}").format(sql.Identifier(table.name), key)
            read = f"WITH delivered AS (SELECT * FROM events), {folds} SELECT * FROM read_{table.name}"  # noqa: S608 - our own words
            assert cursor.execute(read.encode()).fetchall() == cursor.execute(written).fetchall()
    connection.execute("ROLLBACK TO SAVEPOINT empty")


def test_every_table_of_every_projection_can_be_read_so() -> None:
    for one in PROJECTIONS:
        read = [name.partition(" ")[0] for name in reading_folds(one)]
        assert {f"read_{table.name}" for table in one.tables} <= {*read}
        assert not any("INSERT" in text for text in reading_folds(one).values())


def test_a_table_that_is_by_message_is_filled_without_a_look_at_what_it_holds() -> None:
    for one in PROJECTIONS:
        filling = filling_folds(one)
        assert {*filling} == {*one.folds()}
        for table in one.tables:
            assert filling[f"fold_{table.name}"].startswith(f"INSERT INTO {table.name} (")
            assert "ON CONFLICT" not in filling[f"fold_{table.name}"]


def test_what_several_messages_come_to_is_filled_row_upon_row() -> None:
    """A slice of messages gives rows of keys that another slice gave before."""
    assert filling_folds(COUNTED) == COUNTED.folds()
