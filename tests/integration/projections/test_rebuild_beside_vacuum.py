"""A rebuild waits for a vacuum of the tables that it replaces, and holds nobody up meanwhile."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from projections import rebuild as rebuilding
from projections.projection import CURRENT_STATUS
from projections.rebuild import rebuild
from tests.support.appending import append, connected, numbered
from tests.support.rebuilds import READ, Steps, Writing, found, wait_for_waiting
from tests.support.vacuum import autovacuum_in


@pytest.mark.parametrize("vacuumed", ["channel_status", "message_status", "listed_messages"])
def test_a_vacuum_is_waited_for_and_nobody_waits_behind_it(
    shared: psycopg.Connection, shared_url: str, service: psycopg.Connection, steps: Steps, vacuumed: str
) -> None:
    attempts: list[int] = []
    steps.before("_swap", attempts.append)
    with connected(shared_url) as vacuum, connected(shared_url) as reader, Writing(service) as writing:
        vacuum.execute("BEGIN")
        vacuum.execute(f"LOCK TABLE {vacuumed} IN SHARE UPDATE EXCLUSIVE MODE")  # as one has it
        with ThreadPoolExecutor(1) as pool, connected(shared_url) as watching:
            rebuilding_it = pool.submit(rebuild, shared, CURRENT_STATUS)
            wait_for_waiting(watching, 1)
            writing.go_on()
            assert reader.execute(READ).fetchall()
            vacuum.execute("COMMIT")
            rebuilding_it.result(60)
    assert attempts == [1], "it waits, and does not come again"
    assert found(shared) == []


@pytest.mark.slow  # the server takes its time to begin one
def test_an_autovacuum_makes_way(
    owner: psycopg.Connection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the lock was let go after 50 ms each time, PostgreSQL never saw that a vacuum held anyone up."""
    monkeypatch.setattr(rebuilding, "PATIENCE", 10.0)
    append(owner, *(numbered() for _ in range(2_000)))
    with autovacuum_in(owner, database_url, "message_status"):
        rebuild(owner, CURRENT_STATUS)
    assert found(owner) == []
