"""The fold in SQL: any order and any repetition of a set of events gives the same tables, the contract's."""

from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventstore.appender import parameters_of
from eventstore.arrays import Array, ArrayDumper
from eventstore.events import Delivery, Event
from projections import lifecycle
from tests.support.appending import APPEND
from tests.support.events import EVENTS, RECEIVED, TIMES, deliver, event
from tests.support.plain_fold import fold
from tests.support.read_model import ReadModel, read_model, without_versions

SHARED = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url) as opened:
        opened.adapters.register_dumper(Array, ArrayDumper)
        opened.execute("SET timezone TO 'UTC'")
        yield opened


def tables_after(connection: psycopg.Connection, batches: Sequence[Sequence[Delivery]]) -> ReadModel:
    """Append the batches one after the other, return both tables, undo."""
    for batch in batches:
        connection.execute(APPEND, parameters_of(batch))
    tables = read_model(connection)
    connection.rollback()
    return tables


@st.composite
def batches_of(draw: st.DrawFn, events: list[Event]) -> list[list[Delivery]]:
    """One way to tell a set of events: permuted, some repeated, cut into callbacks and batches."""
    repeated = draw(st.lists(st.sampled_from(events), max_size=4))
    order = draw(st.permutations([*events, *repeated]))
    deliveries: list[Delivery] = []
    while order:
        size = draw(st.integers(1, len(order)))
        deliveries.append(deliver(*order[:size], number=len(deliveries)))
        order = order[size:]
    batches: list[list[Delivery]] = []
    while deliveries:
        size = draw(st.integers(1, len(deliveries)))
        batches.append(deliveries[:size])
        deliveries = deliveries[size:]
    return batches


@SHARED
@given(st.data())
def test_any_order_and_repetition_gives_the_tables_of_the_plain_fold(
    connection: psycopg.Connection, data: st.DataObject
) -> None:
    events = data.draw(st.lists(EVENTS, min_size=1, max_size=8))
    first = tables_after(connection, data.draw(batches_of(events)))
    second = tables_after(connection, data.draw(batches_of(events)))
    assert first == second
    messages, channels = fold(events)
    assert without_versions(first[0]) == messages
    assert without_versions(first[1]) == channels


def _times_and_digests() -> st.SearchStrategy[tuple[Any, bytes]]:
    return st.tuples(TIMES, st.binary(min_size=32, max_size=32))


@SHARED
@given(_times_and_digests(), _times_and_digests())
def test_a_version_sorts_by_time_and_then_by_digest(
    connection: psycopg.Connection, one: tuple[Any, bytes], other: tuple[Any, bytes]
) -> None:
    version = '(version_moment(%s) || version_tie(%s)) COLLATE "C"'
    row = connection.execute(f"SELECT {version} > {version}", [*one, *other]).fetchone()
    connection.rollback()
    assert row == ((one[0], one[1][:16]) > (other[0], other[1][:16]),)


@pytest.mark.parametrize(
    ("function", "ranks"),
    [
        ("message_status_rank", lifecycle.MESSAGE),
        ("channel_status_rank", lifecycle.CHANNEL),
        ("supplier_status_rank", lifecycle.SUPPLIER),
    ],
)
def test_postgresql_ranks_as_the_table_for_those_who_read_python(
    connection: psycopg.Connection, function: str, ranks: tuple[str, ...]
) -> None:
    ranked = connection.execute(
        f"SELECT status, {function}(status) FROM unnest(%s::text[]) AS status",  # noqa: S608 - our own words
        [[*ranks, "another"]],
    ).fetchall()
    assert ranked == [(status, f"{lifecycle.rank(ranks, status):02d}") for status in [*ranks, "another"]]
    assert connection.execute(f"SELECT {function}(NULL)").fetchall() == [("00",)]


def test_an_event_that_lacks_a_status_leaves_the_earlier_one_standing(connection: psycopg.Connection) -> None:
    read = event(key="1", channel="nhsapp", channel_status="delivered", supplier_status="read")
    later = event(
        key="2", channel="nhsapp", channel_status="delivered", occurred_at=RECEIVED.replace(minute=1)
    )
    _, channels = tables_after(connection, [[deliver(read, later)]])
    assert channels["message", "nhsapp"]["supplier_status"] == "read"
    assert channels["message", "nhsapp"]["occurred_at"] == later.effective_at


def test_a_clock_far_ahead_does_not_pin_a_status_for_ever(connection: psycopg.Connection) -> None:
    ahead = event(key="1", message_status="sending", occurred_at=RECEIVED.replace(year=2030))
    received = RECEIVED.replace(minute=6)
    truth = event(key="2", message_status="delivered", occurred_at=received, received_at=received)
    messages, _ = tables_after(connection, [[deliver(truth)], [deliver(ahead, number=1)]])
    assert messages["message"]["message_status"] == "delivered"


def test_a_supplier_status_delivered_on_the_app_is_no_delivery(connection: psycopg.Connection) -> None:
    told = event(channel="nhsapp", channel_status="sending", supplier_status="delivered")
    messages, channels = tables_after(connection, [[deliver(told)]])
    assert messages["message"]["delivered_at"] is None
    assert channels["message", "nhsapp"]["delivered_at"] is None


def test_channel_facts_without_a_channel_are_folded_on_no_channel(connection: psycopg.Connection) -> None:
    messages, channels = tables_after(connection, [[deliver(event(channel_status="sending"))]])
    assert channels == {}
    assert messages["message"]["channel"] is None


def test_a_record_shows_when_its_latest_event_was_recorded(connection: psycopg.Connection) -> None:
    latest = event(key="1", channel="sms", channel_status="delivered")
    earlier = event(key="2", channel="sms", channel_status="sending", occurred_at=RECEIVED.replace(hour=11))
    for number, told in enumerate([latest, earlier]):
        connection.execute(APPEND, parameters_of([deliver(told, number=number)]))
        connection.commit()
    recorded = connection.execute(
        "SELECT (SELECT recorded_at FROM events WHERE idempotency_key = '1'),"
        " (SELECT recorded_at FROM message_status), (SELECT recorded_at FROM channel_status)"
    ).fetchone()
    assert recorded is not None
    assert len(set(recorded)) == 1
