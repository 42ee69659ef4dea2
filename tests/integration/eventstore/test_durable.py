"""A transaction of several statements is committed whole, and trusted only without a warning."""

from collections.abc import AsyncIterator

import pytest

from eventstore.database import Database, DatabaseUnavailable, LedgerConnection
from eventstore.durable import ATTEMPTS, Unrecorded, transact, write
from eventstore.statements import Numbered
from tests.support.database import execute

INSERT = (
    "INSERT INTO quarantine (received_at, quarantine_id, answer, body)"
    " VALUES (now(), gen_random_uuid(), 403, '')"
)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url, role="ledger_service") as opened:
        yield opened


class Work:
    """Inserts, and then does what it is told to; counts how often it ran."""

    def __init__(self, then: str = "SELECT 1", times: int = ATTEMPTS) -> None:
        self.then = then
        self.times = times
        self.runs = 0

    async def __call__(self, connection: LedgerConnection) -> int:
        self.runs += 1
        await connection.execute(INSERT)
        if self.runs <= self.times:
            await connection.execute(self.then)
        return self.runs


def kept(url: str) -> object:
    return execute(url, "SELECT count(*) FROM quarantine")[0][0]


def raising(level: str, code: str = "") -> str:
    return f"DO $$ BEGIN RAISE {level} 'told' {code}; END $$"


async def test_what_the_work_returns_is_returned_after_one_commit(
    database: Database, database_url: str
) -> None:
    assert await transact(database, Work()) == 1
    assert kept(database_url) == 1


async def test_a_warning_is_never_a_success(database: Database) -> None:
    work = Work(raising("WARNING"))
    with pytest.raises(DatabaseUnavailable, match="told"):
        await transact(database, work)
    assert work.runs == ATTEMPTS


async def test_a_notice_is(database: Database) -> None:
    assert await transact(database, Work(raising("NOTICE"))) == 1


async def test_after_a_passing_error_the_work_runs_again_from_the_start(
    database: Database, database_url: str
) -> None:
    deadlock = raising("EXCEPTION", "USING ERRCODE = 'deadlock_detected'")
    assert await transact(database, Work(deadlock, times=2)) == 3
    assert kept(database_url) == 1


async def test_any_other_error_ends_it_and_leaves_nothing(database: Database, database_url: str) -> None:
    work = Work("SELECT * FROM no_such_table")
    with pytest.raises(Unrecorded, match="no_such_table"):
        await transact(database, work)
    assert (work.runs, kept(database_url)) == (1, 0)


async def test_a_statement_that_psycopg_forgot_with_its_own_is_prepared_again(database_url: str) -> None:
    returning = Numbered(f"{INSERT} RETURNING answer")
    async with Database(database_url, connections=1) as database:
        for _ in range(3):
            assert await write(database, returning, {}) == [(403,)]
            async with database.connection() as connection:
                await connection.execute("SELECT 1", prepare=True)
            async with database.snapshot() as connection:  # rolls back, and psycopg deallocates all
                await connection.execute("SELECT 1")
    assert kept(database_url) == 3
