"""What is asked of a ledger again and again, and by whoever looks at it, reads little of a large one."""

from collections.abc import Iterator
from typing import LiteralString

import psycopg
import pytest
from psycopg import sql

from eventstore.database import Database
from eventstore.sealer_state import read_state
from eventstore.statements import statement
from ledger.telemetry.vitals import Watch
from query.condition import MOST, condition
from tests.support.database import cloned

ENTRIES = 20_000
WAITING = 5
CHECKPOINTS = 19_000

FILL: tuple[LiteralString, ...] = (
    "INSERT INTO entries (entry_id, kind, client_id, received_at, rules, body)"
    " SELECT md5(n::text)::uuid, 'callback', 'notify', now(), 1, 'body'"
    " FROM generate_series(1, {entries}) AS n",
    "INSERT INTO leaves SELECT row_number() OVER () - 1, entry_id, sha256(''), sha256('') FROM entries",
    "INSERT INTO checkpoints SELECT now(), n, 'incarnation', sha256(''), 'note'"
    " FROM generate_series(1, {checkpoints}) AS n",
    "UPDATE sealer SET size = {entries}, signed_size = {checkpoints}, published_size = {checkpoints} - 1,"
    " incarnation = 'incarnation', snapshot = pg_current_snapshot(), sealed_at = now()",
    "INSERT INTO entries (entry_id, kind, client_id, received_at, rules, body)"
    " SELECT gen_random_uuid(), 'callback', 'notify', now(), 1, 'body'"
    " FROM generate_series(1, {waiting}) AS n",
    "VACUUM (ANALYZE) entries, leaves, checkpoints, sealer",
)


@pytest.fixture(scope="module")
def large(postgres: str) -> Iterator[str]:
    """A ledger of which all but the newest entries are sealed."""
    with cloned(postgres) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            for text in FILL:
                statement_ = sql.SQL(text).format(entries=ENTRIES, checkpoints=CHECKPOINTS, waiting=WAITING)
                connection.execute(statement_)
        yield url


async def pages_touched(url: str, text: str, **parameters: object) -> int:
    """Return how many pages PostgreSQL looks at for a statement over what the sealer has not seen."""
    async with Database(url, connections=1) as database, database.connection() as connection:
        unseen = (await read_state(connection)).unseen
        told = await connection.execute(
            f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {text}".encode(), unseen | parameters
        )
        ((plans,),) = await told.fetchall()
    return int(plans[0]["Plan"]["Shared Hit Blocks"] + plans[0]["Plan"]["Shared Read Blocks"])


async def test_vitals_look_at_what_is_not_sealed_alone(large: str) -> None:
    async with Database(large, connections=1) as database:
        watch = Watch(lambda: database)
        await watch.look()
    assert watch.vitals is not None
    assert watch.vitals.sealed == ENTRIES
    assert watch.vitals.unsealed_age > 0
    assert watch.vitals.unanchored_age > 0
    assert await pages_touched(large, statement("ledger", "vitals")) < 100


async def test_the_condition_looks_at_what_is_not_sealed_alone(large: str) -> None:
    async with Database(large, connections=1) as database:
        told = await condition(database)
    assert (told.sealed, told.unsealed) == (ENTRIES, WAITING)
    assert await pages_touched(large, statement("query", "condition"), most=MOST) < 100
