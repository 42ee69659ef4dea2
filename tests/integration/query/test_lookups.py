"""Messages that are looked up at the same time are read together, and answered as if each were alone."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import psycopg
import pytest

from eventstore.database import Database, LedgerConnection
from query.lookups import MOST, PATIENCE, Lookups
from tests.support.clients import register
from tests.support.database import cloned, execute


class Counting(Database):
    """Counts the connections that it lends."""

    lent = 0

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[LedgerConnection]:
        self.lent += 1
        async with super().connection() as connection:
            yield connection


@pytest.fixture(scope="module")
def filled(postgres: str) -> Iterator[str]:
    """The URL of a database with messages `1` and so on, of which `clinic` registered the first."""
    with cloned(postgres) as url:
        execute(
            url,
            "INSERT INTO message_status SELECT now(), now(), NULL, NULL, NULL, i, 'ref-' || i, 'delivered',"
            " 'sms', 'delivered', 'delivered', 'v', 'v', 'v' FROM generate_series(1, 1000) AS i",
        )
        register(url, "clinic", "ref-1", "ref-2")
        register(url, "hospital", "ref-2", "ref-3")
        yield url


@pytest.fixture
async def database(filled: str) -> AsyncIterator[Counting]:
    async with Counting(filled, role="ledger_service", connections=4) as database:
        yield database


async def found(lookups: Lookups, *message_ids: str, client: str | None = None) -> list[str | None]:
    """Look messages up at once, and return the ids of the records that are found."""
    rows = await asyncio.gather(*(lookups.find(message_id, client) for message_id in message_ids))
    return [row[1] if row is not None else None for row in rows]


async def test_each_gets_its_own_from_as_few_statements_as_it_takes(database: Counting) -> None:
    ids = [str(number + 1) for number in range(2 * MOST + 1)]
    assert await found(Lookups(lambda: database), *ids) == ids
    assert database.lent == 3


async def test_one_may_be_asked_for_twice_and_another_may_not_exist(database: Counting) -> None:
    lookups = Lookups(lambda: database)
    assert await found(lookups, "7", "none", "7", "") == ["7", None, "7", None]
    assert await found(lookups, "8") == ["8"]


async def test_clients_who_ask_at_once_are_shown_what_is_theirs(database: Counting) -> None:
    lookups = Lookups(lambda: database)
    asked = "1", "2", "3", "4"
    told = await asyncio.gather(
        *(found(lookups, *asked, client=client) for client in ("clinic", "hospital", "nobody", None))
    )
    assert told == [["1", None, None, None], [None, None, "3", None], [None] * 4, list(asked)]


async def test_a_statement_that_takes_long_keeps_nobody_waiting(database: Counting, filled: str) -> None:
    lookups = Lookups(lambda: database)
    with psycopg.connect(filled) as blocking:
        blocking.execute("LOCK TABLE registrations")  # only who asks as a client reads them
        slow = asyncio.create_task(found(lookups, "1", client="clinic"))
        await asyncio.sleep(0.05)
        others = asyncio.create_task(found(lookups, "1", client="clinic"))
        await asyncio.sleep(PATIENCE)
        assert database.lent == 2
        assert not slow.done()
        assert not others.done()
    assert await slow == await others == ["1"]
    assert await found(lookups, "2", client="clinic") == [None]


async def test_who_gives_up_takes_no_answer_from_others(database: Counting) -> None:
    lookups = Lookups(lambda: database)
    one, other = (asyncio.create_task(found(lookups, message_id)) for message_id in ("1", "2"))
    await asyncio.sleep(0)
    one.cancel()
    assert await other == ["2"]


async def test_an_error_is_told_to_all_and_the_next_are_looked_up_again(
    database: Counting, filled: str
) -> None:
    lookups = Lookups(lambda: database)
    execute(filled, "ALTER TABLE message_status RENAME TO elsewhere")
    try:
        told = await asyncio.gather(*(lookups.find(one, None) for one in "12"), return_exceptions=True)
        assert [type(error) for error in told] == [psycopg.errors.UndefinedTable] * 2
    finally:
        execute(filled, "ALTER TABLE elsewhere RENAME TO message_status")
    assert await found(lookups, "1", "2") == ["1", "2"]
