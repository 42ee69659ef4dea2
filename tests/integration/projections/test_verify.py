"""`verify` names every row of the read model that is not what the ledger says, and no other.

What it says of each column, `test_rebuild.py` holds together with what a rebuild mends.
"""

from collections.abc import Generator

import psycopg
import pytest

from projections.projection import PROJECTIONS
from projections.refold import REBUILD_LOCK, Progress
from projections.verify import RebuildRunning, verify
from tests.support.appending import append, connected, numbered
from tests.support.rebuilds import found, left_behind

# What is as the ledger says


def test_an_empty_ledger_gives_no_finding(owner: psycopg.Connection) -> None:
    assert found(owner) == []


def test_a_clean_ledger_gives_no_finding_and_keeps_nothing(shared: psycopg.Connection) -> None:
    assert found(shared) == []
    assert left_behind(shared) == []


def test_what_arrives_while_it_reads_is_no_finding(shared: psycopg.Connection, shared_url: str) -> None:
    told: list[int] = []
    folded: list[int] = []
    with connected(shared_url) as service:

        def arriving(into: list[int]) -> Progress:
            def arrive(events: int) -> None:
                into.append(events)
                append(service, numbered())

            return arrive

        assert list(verify(shared, PROJECTIONS, begun=arriving(told), progress=arriving(folded))) == []
    assert told == [sum(folded)], "what arrived is not of that moment"
    assert found(shared) == []


def test_the_services_login_may_verify(shared: psycopg.Connection) -> None:
    shared.execute("SET ROLE ledger_service")
    assert found(shared) == []


# What is not


@pytest.fixture
def damaged(owner: psycopg.Connection) -> psycopg.Connection:
    """A connection as the owner of a read model in which nothing is as the ledger says."""
    for _ in range(250):
        append(owner, numbered())
    owner.execute("UPDATE message_status SET message_reference = 'another'")
    owner.execute("DELETE FROM channel_status")
    return owner


def test_rows_come_in_the_order_of_their_keys_and_not_all_at_once(damaged: psycopg.Connection) -> None:
    differences = verify(damaged, PROJECTIONS)
    first = next(differences)
    open_cursors = damaged.execute("SELECT name FROM pg_cursors WHERE NOT is_holdable").fetchall()
    assert ("differences_channel_status",) in open_cursors, "the server keeps what was not asked for yet"
    told = [first, *differences]
    assert [one.table for one in told] == ["channel_status"] * 250 + ["message_status"] * 250
    for table in (told[:250], told[250:]):
        keys = [tuple(one.key.values()) for one in table]
        assert keys == sorted(keys)


def test_who_stops_listening_leaves_nothing_behind(damaged: psycopg.Connection) -> None:
    differences = verify(damaged, PROJECTIONS)
    assert isinstance(differences, Generator)
    next(differences)
    differences.close()
    assert left_behind(damaged) == []


def test_a_check_that_fails_leaves_nothing_behind(shared: psycopg.Connection) -> None:
    def fail(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(verify(shared, PROJECTIONS, progress=fail))
    assert left_behind(shared) == []


@pytest.mark.parametrize(
    "moment", ["infinity", "-infinity", "0044-03-15 12:00:00+00 BC", "10000-01-01 00:00:00+00"]
)
def test_a_time_that_python_does_not_have_is_named(owner: psycopg.Connection, moment: str) -> None:
    append(owner, numbered())
    owner.execute("UPDATE message_status SET read_at = %s", [moment])
    (one,) = found(owner)
    assert one.columns == {"read_at": (moment, None)}


# One at a time


def test_it_does_not_run_beside_a_rebuild(shared: psycopg.Connection, shared_url: str) -> None:
    with connected(shared_url) as rebuild:
        rebuild.execute("SELECT pg_advisory_lock(%s)", [REBUILD_LOCK])
        with pytest.raises(RebuildRunning):
            found(shared)
    assert left_behind(shared) == []


def test_it_runs_beside_another_check(shared: psycopg.Connection, shared_url: str) -> None:
    with connected(shared_url) as another:
        another.execute("SELECT pg_advisory_lock_shared(%s)", [REBUILD_LOCK])
        assert found(shared) == []
