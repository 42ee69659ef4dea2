"""All events folded once more give the same tables, in slices of any size, in any number of steps."""

from contextlib import ExitStack

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventstore.appender import append_statement
from eventstore.events import Event
from projections.projection import PROJECTIONS
from projections.refold import fold_all, fold_since
from tests.support.appending import append, connected, numbered
from tests.support.database import count
from tests.support.events import event, events_of
from tests.support.plain_fold import fold
from tests.support.read_model import read_model, without_versions

UNFOLDED = append_statement({}).encode()
"""The append without its folds: the tables stay empty."""

MESSAGES = ("A", "B", "Z", "a", "b", "a b", "a’", "é", "ä", "z", "~", "\U0001f4ef", "￿")
"""In the order of their bytes, which is no language's."""


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(told=st.lists(events_of(*MESSAGES), max_size=20), size=st.integers(1, 12))
def test_slices_of_any_size_give_the_tables_of_the_plain_fold(
    owner: psycopg.Connection, told: list[Event], size: int
) -> None:
    with owner.transaction(force_rollback=True):
        append(owner, *told, statement=UNFOLDED)
        steps: list[int] = []
        fold_all(owner, PROJECTIONS, steps.append, size)
        messages, channels = read_model(owner)
    assert (without_versions(messages), without_versions(channels)) == fold(told)
    assert sum(steps) == len({(one.idempotency_key, one.digest) for one in told})


@pytest.mark.parametrize(
    ("size", "slices"), [(1, [6, 1]), (2, [6, 1]), (5, [6, 1]), (6, [7, 0]), (7, [7]), (100, [7])]
)
def test_a_message_is_never_cut_however_many_events_it_has(
    owner: psycopg.Connection, size: int, slices: list[int]
) -> None:
    told = [
        event(message, key=f"{message}-{number}", channel="sms", channel_status="sending")
        for message, events in (("a", 1), ("b", 5), ("c", 1))
        for number in range(events)
    ]
    steps: list[int] = []
    with owner.transaction(force_rollback=True):
        append(owner, *told, statement=UNFOLDED)
        fold_all(owner, PROJECTIONS, steps.append, size)
        assert without_versions(read_model(owner)[0]) == fold(told)[0]
    assert steps == slices


def test_every_event_is_new_to_one_snapshot_and_to_one_alone(
    owner: psycopg.Connection, database_url: str
) -> None:
    """So that even a projection that counts may be folded so."""
    with ExitStack() as stack:
        slow = [stack.enter_context(connected(database_url)) for _ in range(3)]
        for connection in slow:
            connection.execute("BEGIN")
            append(connection, numbered(), statement=UNFOLDED)
        append(owner, numbered(), statement=UNFOLDED)
        ((since,),) = owner.execute("SELECT pg_current_snapshot()::text").fetchall()

        folded, since = fold_since(owner, PROJECTIONS, since)
        assert folded == 0, "what was committed is not new, and what is not committed is not there"
        slow[0].commit()
        append(owner, numbered(), numbered(), statement=UNFOLDED)
        folded, since = fold_since(owner, PROJECTIONS, since)
        assert folded == 3
        slow[1].rollback()
        slow[2].commit()
        folded, since = fold_since(owner, PROJECTIONS, since)
        assert folded == 1
        assert fold_since(owner, PROJECTIONS, since)[0] == 0
    assert count(owner, "message_status") == 4
