"""Refusals of both kinds are found by every filter, newest first, page by page."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest

from eventstore.database import Database
from ingest import refusals
from ingest.refusals import Filters, Refusal, batches, count, kept, page
from tests.support.database import cloned
from tests.support.refused import operating

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)

QUARANTINED = (
    "INSERT INTO quarantine (received_at, quarantine_id, answer, secret_id, signature, body) VALUES "
)
ENTERED = (
    "INSERT INTO entries (received_at, entry_id, rules, kind, client_id, signature, rejection, replays, body)"
    " VALUES "
)


def of(number: int) -> UUID:
    return UUID(int=number)


@pytest.fixture(scope="module")
def url(postgres: str) -> Iterator[str]:
    """The URL of a database with refusals of both kinds, a minute apart by id, but 8 at the time of 7."""
    with cloned(postgres) as fresh, psycopg.connect(fresh) as connection:
        for number, answer in ((1, 401), (3, 403), (5, 403), (7, 401)):
            connection.execute(
                f"{QUARANTINED} (%s, %s, %s, %s, 'signature', %s)",
                [NOON + timedelta(minutes=number), of(number), answer, "secret", b"x" * number],
            )
        for number, rejection in (
            (2, "one reason"),
            (4, "another, 100%"),
            (6, "one reason"),
            (8, "one reason"),
        ):
            moment = NOON + timedelta(minutes=min(number, 7))
            connection.execute(
                f"{ENTERED} (%s, %s, 1, 'callback', 'notify', %s, %s, NULL, %s)",
                [moment, of(number), b"s" * 32, rejection, b"x" * number],
            )
        for number, replayed in ((102, 2), (105, 5)):
            connection.execute(
                f"{ENTERED} (%s, %s, 1, 'callback', 'notify', %s, NULL, %s, %s)",
                [NOON, of(number), b"s" * 32, of(replayed), b"x" * replayed],
            )
        connection.execute(
            "UPDATE quarantine SET settled_at = now(), freed_bytes = octet_length(body), signature = NULL,"
            " body = '', settlement = CASE quarantine_id WHEN %s THEN 'replayed' ELSE 'discarded' END"
            " WHERE quarantine_id = ANY (%s)",
            [of(5), [of(3), of(5)]],
        )
        connection.commit()
        yield fresh


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    async with operating(url) as opened:
        yield opened


WAITING = [8, 7, 6, 4, 1]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (Filters(), WAITING),
        (Filters(all_states=True), [8, 7, 6, 5, 4, 3, 2, 1]),
        (Filters(answers=(401,)), [7, 1]),
        (Filters(answers=(403,)), []),
        (Filters(answers=(403,), all_states=True), [5, 3]),
        (Filters(answers=(422,)), [8, 6, 4]),
        (Filters(answers=(401, 422)), WAITING),
        (Filters(since=NOON + timedelta(minutes=6)), [8, 7, 6]),
        (Filters(until=NOON + timedelta(minutes=6)), [4, 1]),
        (Filters(rejection="one reason"), [8, 6]),
        (Filters(rejection="100%"), [4]),
        (Filters(rejection="one reason", all_states=True), [8, 6, 2]),
        (Filters(rejection="One"), []),
        (Filters(rejection="one reason", answers=(401,)), []),
        (Filters(ids=(of(1), of(2), of(99))), [1]),
        (Filters(ids=(of(1), of(2), of(99)), all_states=True), [2, 1]),
        (Filters(ids=()), []),
    ],
)
async def test_each_filter_finds_what_it_says(
    database: Database, filters: Filters, expected: list[int]
) -> None:
    async with database.connection() as connection:
        found = await page(connection, filters, 100)
        assert [refusal.refusal_id.int for refusal in found] == expected
        assert await count(connection, filters) == len(expected)


async def test_a_refusal_tells_its_state_and_size(database: Database) -> None:
    async with database.connection() as connection:
        found = {one.refusal_id.int: one for one in await page(connection, Filters(all_states=True), 100)}
    assert {number: one.state for number, one in found.items()} == {
        **dict.fromkeys(WAITING, "waiting"),
        5: "replayed",
        3: "discarded",
        2: "replayed",
    }
    assert {number: one.bytes for number, one in found.items()} == {number: number for number in range(1, 9)}
    assert {number for number, one in found.items() if one.settled_at is not None} == {2, 3, 5}
    assert found[1] == Refusal(of(1), NOON + timedelta(minutes=1), 401, "secret", 1, None, "waiting", None)
    assert (found[4].answer, found[4].reason) == (422, "another, 100%")


async def test_what_is_kept_is_read_by_id_be_it_in_the_entry_that_replays_it(database: Database) -> None:
    async with database.connection() as connection:
        found = await kept(connection, [of(number) for number in (1, 2, 3, 4, 5, 99, 102)])
    assert {refusal_id.int: (one.body, one.replayed_by) for refusal_id, one in found.items()} == {
        1: (b"x", None),
        2: (b"xx", of(102)),
        3: (None, None),
        4: (b"xxxx", None),
        5: (b"xxxxx", of(105)),
    }
    assert found[of(1)].signature == b"signature"
    assert found[of(3)].signature is None
    assert {found[of(number)].signature for number in (2, 4, 5)} == {(b"s" * 32).hex().encode()}


@pytest.mark.parametrize("size", [1, 2, 3, 8, 9])
async def test_pages_neither_skip_nor_repeat(database: Database, size: int) -> None:
    found: list[Refusal] = []
    async with database.connection() as connection:
        while more := await page(connection, Filters(all_states=True), size, found[-1] if found else None):
            found += more
    assert [refusal.refusal_id.int for refusal in found] == [8, 7, 6, 5, 4, 3, 2, 1]


async def test_batches_hold_no_more_than_is_settled_at_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def batched() -> list[list[int]]:
        return [[one.int for one in batch] async for batch in batches(database, Filters(all_states=True))]

    assert await batched() == [[8, 7, 6, 5, 4, 3, 2, 1]]
    monkeypatch.setattr(refusals, "BATCH_BYTES", 11)
    assert await batched() == [[8], [7], [6, 5], [4, 3, 2, 1]]
    monkeypatch.setattr(refusals, "BATCH_REQUESTS", 3)
    assert await batched() == [[8], [7], [6], [5, 4], [3], [2, 1]]
