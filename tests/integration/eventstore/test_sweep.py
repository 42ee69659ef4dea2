"""A sweep goes through the whole ledger, step by step, and finds what the sealer missed."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import psycopg
import pytest

from eventstore.database import Database
from eventstore.sealer import seal, sweep
from eventstore.statements import statement
from tests.support.database import execute
from tests.support.sealing import leaves, write

ALWAYS = timedelta(0)


@pytest.fixture
def writer(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


async def test_a_sweep_finds_what_was_missed(
    database: Database, database_url: str, writer: psycopg.Connection
) -> None:
    written = write(writer)
    await seal(database)
    assert await sweep(database, every=ALWAYS) == 0
    missed = write(writer)
    execute(database_url, "UPDATE sealer SET snapshot = pg_current_snapshot()")
    assert (await seal(database)).entries == 0
    assert await sweep(database, every=timedelta(days=1)) == 0, "not due"
    assert await sweep(database, every=ALWAYS) == 1
    assert (await seal(database)).entries == 1
    assert leaves(database_url) == written + missed
    assert await sweep(database, every=ALWAYS) == 0


async def test_a_sweep_goes_through_the_ledger_step_by_step(
    database: Database, database_url: str, writer: psycopg.Connection
) -> None:
    write(writer, 4)
    await seal(database)
    (missed,) = write(writer)
    execute(database_url, "UPDATE sealer SET snapshot = pg_current_snapshot()")
    steps = []
    for _ in range(4):
        found = await sweep(database, every=timedelta(days=1), most=2)
        ((swept_to, ended),) = execute(database_url, "SELECT swept_to, swept_at IS NOT NULL FROM sealer")
        steps.append((found, swept_to is not None, ended))
        await seal(database)
    assert steps == [(0, True, False), (0, True, False), (1, False, True), (0, False, True)]
    assert missed in leaves(database_url)


async def test_a_sweep_reads_no_more_than_its_step(database: Database, writer: psycopg.Connection) -> None:
    write(writer, 5_000)
    await seal(database)
    writer.execute("VACUUM (ANALYZE) entries, leaves")
    asked = {"snapshot": "1000:1000:", "after": UUID(int=0), "most": 100}
    told = writer.execute(
        f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement('eventstore', 'missed')}", asked
    )
    ((plans,),) = told.fetchall()
    assert plans[0]["Plan"]["Shared Hit Blocks"] + plans[0]["Plan"]["Shared Read Blocks"] < 400
