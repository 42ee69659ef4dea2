"""The sealer gives every committed entry one index, whatever order transactions end in."""

import asyncio
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import errors

from eventstore import leaf, merkle, sealer, sealer_state
from eventstore.database import Database, LedgerConnection
from eventstore.leaf import Leaf
from eventstore.sealer import seal
from eventstore.sealer_state import change, hold, read_state
from tests.support.database import at, execute
from tests.support.sealing import leaves, new_id, write


@pytest.fixture
def writer(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url) as connection:
        yield connection
        connection.rollback()


@pytest.fixture
def slow(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url) as connection:
        yield connection
        connection.rollback()


# What a leaf says


@pytest.mark.parametrize("moment", ["2026-11-23 09:15:02.123456+00", "1969-12-31 23:59:59.999999+00"])
async def test_a_leaf_is_what_eventstore_leaf_says(
    database: Database, database_url: str, moment: str
) -> None:
    columns = "entry_id, kind, client_id, received_at, recorded_at, secret_id, rules, replays"
    blanked = "salt, body, signature, rejection"
    with psycopg.connect(database_url, options="-c timezone=UTC") as connection:
        for values in (
            ("callback", "notify", "secret", 1, uuid4(), b"salt", b"\0\xff{}", b"s" * 32, "data[0]: ’\n"),
            ("callback", "notify", None, 2**31 - 1, None, None, b"", None, None),
            ("erasure", "état", "", 1, None, b"", None, None, None),
        ):
            kind, client, secret, rules, replays, *rest = values
            connection.execute(
                f"INSERT INTO entries ({columns}, {blanked})"  # noqa: S608 - our own words
                " VALUES (%s, %s, %s, %s, now(), %s, %s, %s, %s, %s, %s, %s)",
                [new_id(), kind, client, moment, secret, rules, replays, *rest],
            )
        connection.commit()
        assert (await seal(database)).size == 3
        rows: list[Any] = connection.execute(
            f"SELECT {columns}, {blanked}, leaves.commitment, hash FROM entries JOIN leaves USING (entry_id)"  # noqa: S608
        ).fetchall()
    for row in rows:
        committed = leaf.commitment(*row[8:12])
        assert row[12] == committed
        assert row[13] == merkle.leaf_hash(leaf.content(Leaf._make([*row[:8], committed])))
    assert len({row[13] for row in rows}) == 3


def test_no_two_lists_of_values_have_one_commitment() -> None:
    told: list[Any] = [(b"ab", b"c", None, None), (b"a", b"bc", None, None), (b"", b"abc", None, None)]
    told += [(None, b"abc", None, None), (None, b"abc", b"", None), (None, b"abc", None, "")]
    assert len({leaf.commitment(*one) for one in told}) == len(told)


# Order


async def test_entries_get_dense_indexes_in_the_order_of_their_recording(
    database: Database, database_url: str, writer: psycopg.Connection
) -> None:
    assert (await seal(database)).size == 0
    expected = []
    for number in (3, 1, 2):
        expected += write(writer, number)
        writer.commit()
        assert (await seal(database)).entries == number
    assert leaves(database_url) == expected
    assert await seal(database) == (0, 6, False)


async def test_a_transaction_that_commits_late_is_sealed_late_and_holds_nobody_up(
    database: Database, database_url: str, writer: psycopg.Connection, slow: psycopg.Connection
) -> None:
    first = write(slow)
    second = write(writer)
    writer.commit()
    assert (await seal(database)).entries == 1
    third = write(writer)
    writer.commit()
    assert (await seal(database)).entries == 1
    assert (await seal(database)).entries == 0
    slow.commit()
    assert (await seal(database)).entries == 1
    assert leaves(database_url) == second + third + first


async def test_what_is_rolled_back_has_no_index(
    database: Database, database_url: str, writer: psycopg.Connection, slow: psycopg.Connection
) -> None:
    write(slow, 3)
    kept = write(writer)
    writer.commit()
    await seal(database)
    slow.rollback()
    assert (await seal(database)).entries == 0
    kept += write(writer)
    writer.commit()
    await seal(database)
    assert leaves(database_url) == kept


async def test_a_transaction_that_stays_open_is_remembered_through_many_seals(
    database: Database, database_url: str, writer: psycopg.Connection, slow: psycopg.Connection
) -> None:
    held = write(slow)
    others = []
    for _ in range(20):
        others += write(writer)
        writer.commit()
        assert (await seal(database)).entries == 1
    slow.commit()
    await seal(database)
    assert leaves(database_url) == others + held


async def test_an_open_transaction_in_another_database_stalls_nothing(
    database: Database, database_url: str, writer: psycopg.Connection
) -> None:
    with psycopg.connect(at(database_url, "postgres")) as other:
        other.execute("SELECT pg_current_xact_id()")
        written = write(writer)
        writer.commit()
        assert (await seal(database)).entries == 1
        other.rollback()
    assert leaves(database_url) == written


async def test_more_than_one_transaction_seals_is_sealed_by_several(
    database: Database, database_url: str, writer: psycopg.Connection, slow: psycopg.Connection
) -> None:
    held = write(slow)
    written = write(writer, 25)
    writer.commit()
    sizes = [await seal(database, most=10) for _ in range(4)]
    assert [(one.entries, one.more) for one in sizes] == [(10, True), (10, True), (5, False), (0, False)]
    slow.commit()
    await seal(database, most=10)
    assert leaves(database_url) == written + held


# Several sealers


async def test_sealers_at_once_seal_every_entry_once(
    database: Database, database_url: str, writer: psycopg.Connection
) -> None:
    written = []
    for _ in range(5):
        written += write(writer, 20)
        writer.commit()
        done = await asyncio.gather(*(seal(database) for _ in range(3)))
        assert sum(one.entries for one in done) == 20
    assert leaves(database_url) == written


async def test_a_sealer_that_was_overtaken_changes_nothing(
    database: Database, database_url: str, writer: psycopg.Connection
) -> None:
    """As if the lock had been lost: a pooler may end a session that its client believes in."""
    write(writer, 2)
    writer.commit()
    async with database.connection() as paused:
        before = await read_state(paused)
        assert (await seal(database)).entries == 2
        with pytest.raises(sealer_state.OvertakenSealer):
            await change(paused, before, size=2)
        write(writer)
        writer.commit()
        with pytest.raises(errors.UniqueViolation):
            await sealer._seal(paused, before, everything=True, trusting=False, most=10)  # noqa: SLF001 - what it would go on with
    assert len(leaves(database_url)) == 2


async def test_a_paused_sealer_holds_the_others_up_no_longer_than_its_lock(
    database: Database, database_url: str, writer: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealer_state, "_PATIENCE", "300ms")
    written = write(writer)
    writer.commit()
    async with await LedgerConnection.connect(database_url) as paused:
        await hold(paused)
        assert (await seal(database)).entries == 1
        with pytest.raises(psycopg.Error):  # of which class, depends on what it noticed first
            await read_state(paused)
    assert leaves(database_url) == written


# Another server


async def test_on_another_server_nothing_is_sealed_unless_everything_is(
    database: Database, database_url: str, writer: psycopg.Connection
) -> None:
    written = write(writer)
    writer.commit()
    await seal(database)
    execute(database_url, "UPDATE sealer SET timeline = 'FFFFFFFF'")
    written += write(writer)
    writer.commit()
    with pytest.raises(sealer.ServerChanged):
        await seal(database)
    assert (await seal(database, everything=True)).entries == 1
    written += write(writer)
    writer.commit()
    assert (await seal(database)).entries == 1
    assert leaves(database_url) == written


async def test_entries_of_transactions_yet_to_come_are_sealed_once(
    database: Database, database_url: str, writer: psycopg.Connection
) -> None:
    """As a logical dump leaves them in a new cluster, whose transaction ids begin anew."""
    await seal(database)
    ids = [new_id() for _ in range(3)]
    for one in ids:
        writer.execute(
            "INSERT INTO entries (entry_id, kind, client_id, received_at, rules, transaction_id)"
            " SELECT %s, 'callback', 'notify', now(), 1,"
            " (pg_current_xact_id()::text::bigint + 3)::text::xid8",
            [one],
        )
    writer.commit()
    assert (await seal(database, everything=True)).entries == 3
    for _ in range(6):
        ids += write(writer)
        writer.commit()
        assert (await seal(database)).entries == 1
    assert sorted(leaves(database_url)) == sorted(ids)


async def test_an_idle_ledger_writes_nothing(database: Database, writer: psycopg.Connection) -> None:
    write(writer)
    writer.commit()
    await seal(database)
    async with database.connection() as connection:
        before = await read_state(connection)
        for _ in range(3):
            await seal(database)
        assert await read_state(connection) == before
