"""While a rebuild runs callbacks arrive and clients read: nothing is lost, stale or refused."""

import asyncio
import itertools
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import errors

from ledger.app import StatusLedger
from projections import rebuild as rebuilding
from projections.projection import CURRENT_STATUS, PROJECTIONS
from projections.rebuild import TableBusy, check, rebuild
from projections.verify import RebuildRunning, verify
from tests.support.appending import STORY, append, connected, numbered
from tests.support.database import count
from tests.support.rebuilds import READ, Steps, Writing, found, left_behind, numbers_of, wait_for_waiting
from tests.support.supplier import CLIENT_API_KEY, body, delivered, signed


def test_what_is_appended_at_any_step_is_there(
    shared: psycopg.Connection, service: psycopg.Connection, steps: Steps
) -> None:
    def arrive(_: int) -> None:
        append(service, numbered())

    before = count(shared, "events")
    steps.after("count_events", arrive)
    steps.after("fold_all_by", arrive)
    steps.before("_catch_up", arrive)
    steps.after("_catch_up", arrive)
    steps.before("_swap", arrive)
    folded = rebuild(shared, CURRENT_STATUS)
    assert folded == count(shared, "events") == before + 7
    assert found(shared) == []


def test_what_was_in_flight_at_the_first_moment_is_there_whenever_it_commits(
    shared: psycopg.Connection, shared_url: str, steps: Steps
) -> None:
    before = count(shared, "events")
    with ExitStack() as stack:
        slow = [stack.enter_context(connected(shared_url)) for _ in range(4)]
        for connection in slow:
            connection.execute("BEGIN")
            append(connection, numbered())
        slow[0].execute("ROLLBACK")
        steps.after("fold_all_by", lambda _: slow[1].commit())
        steps.after("_catch_up", lambda _: slow[2].commit())
        steps.before("_swap", lambda time: slow[3].commit() if time == 3 else None)
        assert rebuild(shared, CURRENT_STATUS) == count(shared, "events") == before + 3
    assert found(shared) == []


def test_who_waits_while_the_tables_are_replaced_reads_and_writes_the_new_ones(
    shared: psycopg.Connection, shared_url: str, service: psycopg.Connection, steps: Steps
) -> None:
    due = shared.execute(READ).fetchall()
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor())
        others = [stack.enter_context(connected(shared_url)) for _ in range(3)]
        for _ in range(10):  # so often that PostgreSQL keeps the plan
            others[0].execute(READ, prepare=True)
            append(others[2], STORY[0])
        late = numbered()
        asked: list[Future[Any]] = []

        def ask(_: int) -> None:
            asked.append(pool.submit(lambda: others[0].execute(READ, prepare=True).fetchall()))
            asked.append(pool.submit(lambda: others[1].execute(READ, prepare=False).fetchall()))
            asked.append(pool.submit(append, others[2], late))
            wait_for_waiting(service, 3)

        steps.after("_swap", ask)
        rebuild(shared, CURRENT_STATUS)
        prepared, plain, _ = (one.result(60) for one in asked)
    assert set(due) <= set(prepared)
    assert set(due) <= set(plain)
    assert late.message_id in {row[0] for row in shared.execute(READ)}
    assert found(shared) == []


@pytest.mark.parametrize("order", ["channel_status message_status", "message_status channel_status"])
def test_who_still_holds_an_old_table_and_wants_the_next_is_not_deadlocked(
    shared: psycopg.Connection, shared_url: str, service: psycopg.Connection, steps: Steps, order: str
) -> None:
    first, then = order.split()
    with connected(shared_url) as late, ThreadPoolExecutor(1) as pool:

        def hold(_: int) -> None:
            late.execute("BEGIN")
            late.execute(f"LOCK TABLE ledger_replaced.{first} IN ACCESS SHARE MODE")
            going_on.append(pool.submit(go_on))

        def go_on() -> None:
            wait_for_waiting(service, 1)
            with suppress(errors.UndefinedTable):  # dropped already
                late.execute(f"LOCK TABLE ledger_replaced.{then} IN ACCESS SHARE MODE")
            late.rollback()

        going_on: list[Future[None]] = []
        steps.after("_put_in_place", hold)
        rebuild(shared, CURRENT_STATUS)
        going_on[0].result(60)
    assert left_behind(shared) == []


def test_prepared_statements_survive(shared: psycopg.Connection, service: psycopg.Connection) -> None:
    prepared = "SELECT name, generic_plans > 0 FROM pg_prepared_statements ORDER BY prepare_time"
    for _ in range(10):
        service.execute("SELECT * FROM message_status WHERE message_id = %s", ["a"], prepare=True)
        append(service, STORY[0])
    before = service.execute(prepared, prepare=False).fetchall()
    assert {generic for _, generic in before} == {True}
    for _ in range(3):
        rebuild(shared, CURRENT_STATUS)
        append(service, numbered())
        read = service.execute("SELECT * FROM message_status WHERE message_id = %s", ["a"], prepare=True)
        assert read.rowcount == 1
    assert service.execute(prepared, prepare=False).fetchall() == before
    assert found(shared) == []


def test_a_moment_before_the_swap_has_no_rows_in_the_new_tables(
    shared: psycopg.Connection, service: psycopg.Connection
) -> None:
    """A limit that docs/projections.md tells: the service itself reads in single statements."""
    service.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    assert count(service, "events") > 0
    rebuild(shared, CURRENT_STATUS)
    assert count(service, "message_status") == 0
    service.rollback()
    assert count(service, "message_status") > 0


def test_a_reader_that_takes_long_is_waited_for_and_nobody_waits_behind_it(
    shared: psycopg.Connection, shared_url: str, service: psycopg.Connection, steps: Steps
) -> None:
    attempts: list[int] = []
    with connected(shared_url) as reader, Writing(service) as writing:
        due = reader.execute("BEGIN").execute(READ).fetchall()

        def attempt(time: int) -> None:
            attempts.append(time)
            writing.go_on()
            if time == 4:
                assert reader.execute(READ).fetchall() >= due
                reader.execute("COMMIT")

        steps.before("_swap", attempt)
        rebuild(shared, CURRENT_STATUS)
        writing.go_on()
        assert len(attempts) >= 4
        assert set(due) <= set(reader.execute(READ).fetchall())
    assert found(shared) == []


def test_a_reader_that_never_ends_leaves_the_old_tables_in_place(
    shared: psycopg.Connection, shared_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuilding, "PATIENCE", 0.2)
    before = numbers_of(shared)
    with connected(shared_url) as reader:
        reader.execute("BEGIN")
        reader.execute(READ)
        with pytest.raises(TableBusy):
            rebuild(shared, CURRENT_STATUS)
    assert numbers_of(shared) == before
    assert left_behind(shared) == []
    assert found(shared) == []


async def test_a_service_that_is_open_goes_on(
    app: StatusLedger, client: httpx.AsyncClient, database_url: str, steps: Steps
) -> None:
    key = {"x-api-key": CLIENT_API_KEY}
    posted = itertools.count(1)

    async def post_and_read() -> None:
        message = f"message-{next(posted)}"
        content = body(delivered(message, key=message))
        answer = await client.post("/api/status/create", content=content, headers=signed(content))
        assert answer.status_code == 200
        read = await client.get("/api/statuses", params={"messageId": message}, headers=key)
        assert (read.status_code, len(read.json()["data"])) == (200, 1)

    async def go_on() -> None:
        await asyncio.gather(*(post_and_read() for _ in range(20)))

    loop = asyncio.get_running_loop()
    for step in ("fold_all_by", "_catch_up"):
        steps.after(step, lambda _: asyncio.run_coroutine_threadsafe(go_on(), loop).result(60))
    await go_on()
    with connected(database_url) as owner:
        for _ in range(3):
            await asyncio.to_thread(rebuild, owner, CURRENT_STATUS)
            await go_on()
        assert found(owner) == []
        assert count(owner, "message_status") == next(posted) - 1


# One at a time, and after a crash


def test_while_one_runs_neither_another_nor_a_check_begins(
    shared: psycopg.Connection, shared_url: str, steps: Steps
) -> None:
    refused: list[RebuildRunning] = []
    with connected(shared_url) as second:

        def attempt(_: int) -> None:
            for begin in (
                lambda: rebuild(second, CURRENT_STATUS),
                lambda: list(check(second, CURRENT_STATUS)),
                lambda: found(second),
            ):
                with pytest.raises(RebuildRunning) as told:
                    begin()
                refused.append(told.value)

        steps.after("fold_all_by", attempt)
        rebuild(shared, CURRENT_STATUS)
        assert list(check(shared, CURRENT_STATUS)) == []
        assert len(refused) == 6
        assert left_behind(second) == []


def test_while_a_check_runs_no_rebuild_begins(shared: psycopg.Connection, shared_url: str) -> None:
    before = numbers_of(shared)
    with connected(shared_url) as second:

        def attempt(_: int) -> None:
            with pytest.raises(RebuildRunning):
                rebuild(second, CURRENT_STATUS)

        assert list(verify(shared, PROJECTIONS, begun=attempt, progress=attempt)) == []
    assert numbers_of(shared) == before


@pytest.mark.parametrize("step", ["count_events", "fold_all_by", "_catch_up", "_swap", "_put_in_place"])
def test_after_a_crash_at_any_step_the_tables_are_whole_and_it_can_be_run_again(
    shared: psycopg.Connection, shared_url: str, service: psycopg.Connection, steps: Steps, step: str
) -> None:
    with connected(shared_url) as crashing:
        pid = crashing.info.backend_pid
        steps.after(step, lambda _: shared.execute("SELECT pg_terminate_backend(%s, 60000)", [pid]))
        with pytest.raises(errors.AdminShutdown):
            rebuild(crashing, CURRENT_STATUS)
    append(service, numbered())
    assert found(shared) == []
    steps.undo()
    rebuild(shared, CURRENT_STATUS)
    append(service, numbered())
    assert found(shared) == []
    assert left_behind(shared) == []


# What comes from another cluster


def test_entries_of_a_dump_from_another_cluster_do_no_harm(
    owner: psycopg.Connection, database_url: str, steps: Steps
) -> None:
    """Their transaction ids lie ahead of ours: far beyond, or where those of the next minute fall."""
    for _ in range(100):
        append(owner, numbered())
    owner.execute(
        "ALTER TABLE entries DISABLE TRIGGER USER;"
        "UPDATE entries SET transaction_id = (pg_current_xact_id()::text::bigint + place)::text::xid8"
        " FROM (SELECT entry_id, row_number() OVER () % 50 * 1000 / 50 AS place FROM entries) AS numbered"
        " WHERE entries.entry_id = numbered.entry_id;"
        "ALTER TABLE entries ENABLE ALWAYS TRIGGER append_only"
    )
    with connected(database_url) as service:

        def arrive(_: int) -> None:
            for _ in range(100):
                append(service, numbered())

        steps.after("fold_all_by", arrive)
        folded = rebuild(owner, CURRENT_STATUS)
    assert folded > count(owner, "events"), "some were taken for new"
    assert count(owner, "entries WHERE transaction_id > pg_current_xact_id()") > 0
    assert found(owner) == []
