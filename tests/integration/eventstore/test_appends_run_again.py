"""An append that is run again, after a lost connection or a doubtful commit, is recorded once and durably."""

import asyncio

import psycopg
import pytest

from eventstore.appender import Recorded
from eventstore.database import Database, DatabaseUnavailable
from eventstore.durable import ATTEMPTS
from tests.integration.conftest import OwnServer
from tests.support.appending import NEW, appending, counts, told
from tests.support.breaking import WARNING, BreakingAppends, warning_at_each_statement, warning_at_the_commit
from tests.support.database import at, execute, make_template
from tests.support.events import deliver, event


async def test_an_append_run_again_writes_nothing_twice(database: Database, database_url: str) -> None:
    delivery = deliver(event(), event())
    async with appending(database) as appender:
        await appender.append(delivery)
        read_model = execute(database_url, "TABLE message_status")
        assert await appender.append(delivery) == Recorded(2, 0, 0), "told as it would have been then"
    assert counts(database_url) == (1, 1, 1)
    assert execute(database_url, "TABLE message_status") == read_model


async def test_an_append_run_again_among_new_ones_harms_none(database: Database, database_url: str) -> None:
    async with appending(database) as appender:
        await appender.append(told(0))
        assert await asyncio.gather(*(appender.append(told(number)) for number in range(3))) == [NEW] * 3
    assert counts(database_url) == (3, 3, 0)


async def test_one_entry_twice_in_a_batch_is_written_once(database: Database, database_url: str) -> None:
    async with appending(database) as appender:
        await appender.append(told(0, key="key"))
        await asyncio.gather(*(appender.append(told(1, key="key")) for _ in range(3)))
    assert counts(database_url) == (2, 1, 1)


@pytest.mark.parametrize("lose", ["before", "after"])
async def test_a_lost_connection_is_replaced_and_the_append_recorded_once(
    database_url: str, lose: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        BreakingAppends(database_url, lose, ATTEMPTS - 1, monkeypatch) as database,
        appending(database) as appender,
    ):
        assert await appender.append(told()) == NEW
        assert database.mended == ATTEMPTS - 1
    assert counts(database_url) == (1, 1, 0)


async def test_a_database_that_stays_lost_is_said_and_the_next_append_finds_it_back(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        BreakingAppends(database_url, "before", ATTEMPTS, monkeypatch) as database,
        appending(database) as appender,
    ):
        with pytest.raises(DatabaseUnavailable, match="cannot be reached"):
            await appender.append(told())
        assert await appender.append(told()) == NEW
    assert counts(database_url) == (1, 1, 0)


async def test_a_commit_with_a_warning_is_never_a_success(database: Database, database_url: str) -> None:
    execute(database_url, WARNING, warning_at_each_statement("events"))
    async with appending(database) as appender:
        with pytest.raises(DatabaseUnavailable, match="canceling wait for synchronous replication"):
            await appender.append(told())
        execute(database_url, "DROP TRIGGER warns ON events")
        assert await appender.append(told()) == NEW, "the supplier sends it again"
    assert counts(database_url) == (1, 1, 0), "committed, though nobody was told so"


async def test_after_a_commit_with_a_warning_one_without_is_the_answer(
    database: Database, database_url: str
) -> None:
    # A row that is there already warns no more.
    execute(database_url, WARNING, warning_at_the_commit("events"))
    async with appending(database) as appender:
        assert await appender.append(told()) == NEW
    assert counts(database_url) == (1, 1, 0)


async def test_a_notice_that_is_no_warning_is_a_success(database: Database, database_url: str) -> None:
    execute(
        database_url, WARNING.replace("RAISE WARNING", "RAISE NOTICE"), warning_at_each_statement("events")
    )
    async with appending(database) as appender:
        assert await appender.append(told()) == NEW


async def cancel_a_waiting_commit(url: str, cancelled: set[object]) -> None:
    """Cancel a commit that waits for a standby, as an operator or a failover does; each once."""
    waiting = (
        "SELECT pid, query_start FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event = 'SyncRep'"
    )
    async with asyncio.timeout(20), await psycopg.AsyncConnection.connect(url, autocommit=True) as operator:
        while True:
            for commit in await (await operator.execute(waiting)).fetchall():
                if commit not in cancelled:
                    cancelled.add(commit)
                    await operator.execute("SELECT pg_cancel_backend(%s)", [commit[0]])
                    return


async def until_commits_wait(url: str, cancelled: set[object]) -> None:
    """Commit until one is kept waiting for a standby: the server does so some time after a reload."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as probe:
        kept_waiting = asyncio.Event()
        probe.add_notice_handler(lambda _: kept_waiting.set())

        async def commit() -> None:
            while not kept_waiting.is_set():
                await probe.execute("SELECT pg_logical_emit_message(true, 'probe', '')")

        commits = asyncio.create_task(commit())
        await cancel_a_waiting_commit(url, cancelled)
        await commits


async def test_a_commit_that_no_standby_confirmed_is_no_success_however_often_it_is_run_again(
    own_server: OwnServer,
) -> None:
    make_template(own_server.url)
    url = at(own_server.url, "migrated")
    cancelled: set[object] = set()
    async with Database(url, role="ledger_service") as database, appending(database) as appender:
        own_server.set("synchronous_standby_names", "nobody")
        try:
            await until_commits_wait(url, cancelled)
            answer = asyncio.create_task(appender.append(told()))
            for _ in range(ATTEMPTS):  # the second finds its entries there already, and still has to wait
                await cancel_a_waiting_commit(url, cancelled)
            with pytest.raises(DatabaseUnavailable, match="canceling wait for synchronous replication"):
                await answer
        finally:
            own_server.set("synchronous_standby_names", "")
        assert await appender.append(told()) == NEW
    assert counts(url) == (1, 1, 0)
