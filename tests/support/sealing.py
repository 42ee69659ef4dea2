"""Entries written by hand, transaction by transaction, and what a test needs to seal them."""

import asyncio
import itertools
import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from psycopg import AsyncConnection

from eventstore.anchors import Folder
from eventstore.checkpoints import Seals
from eventstore.database import Database
from eventstore.identifiers import time_ordered_uuid
from eventstore.notes import Checkpoint, SigningKey, read_checkpoint
from eventstore.sealer_state import State, read_state
from ledger.audit.guards import TRIGGERS
from tests.support.database import execute

LEDGER = "ledger.test/status-ledger"
KEY = SigningKey(b"k" * 32)

INSERT = (
    "INSERT INTO entries (entry_id, kind, client_id, received_at, rules, body)"
    " VALUES (%s, 'callback', 'notify', now(), 1, '{}')"
)

_numbers = itertools.count(1)


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    def move_on(self, seconds: float = 30) -> None:
        self.now += timedelta(seconds=seconds)


def seals_in(folder: Path, clock: Clock | None = None) -> Seals:
    """Return the seals of the test's ledger, anchored in a folder."""
    if clock is None:
        return Seals(LEDGER, KEY, (), Folder(folder))
    return Seals(LEDGER, KEY, (), Folder(folder), clock)


def new_id() -> UUID:
    """Return the id of an entry that no other has."""
    return time_ordered_uuid(datetime.now(UTC), next(_numbers).to_bytes(10, "big"))


def write(connection: psycopg.Connection, number: int = 1) -> list[UUID]:
    """Insert so many entries, in the transaction that is open."""
    ids = [new_id() for _ in range(number)]
    connection.cursor().executemany(INSERT, [(one,) for one in ids])
    return ids


class Writers:
    """Writers whose transactions do what a database sees: some take long, some are rolled back."""

    def __init__(self, chance: random.Random) -> None:
        self.committed: set[UUID] = set()
        self.aborted: set[UUID] = set()
        self.slow = 0
        self._chance = chance

    async def write(self, url: str, *, transactions: int = 60) -> None:
        """Write as one of them: 1% of the transactions take 1.5 s, and 10% are rolled back."""
        chance = self._chance
        async with await AsyncConnection.connect(url) as connection:
            for _ in range(transactions):
                ids = [new_id() for _ in range(chance.randint(1, 4))]
                for one in ids:
                    await connection.execute(INSERT, [one])
                if chance.random() < 0.01:
                    self.slow += 1
                    await asyncio.sleep(1.5)
                if chance.random() < 0.1:
                    await connection.rollback()
                    self.aborted.update(ids)
                else:
                    await connection.commit()
                    self.committed.update(ids)


def tampered(url: str, *statements: str) -> None:
    """Do as a superuser, and leave the guards as they were."""
    off = [f"ALTER TABLE {table} DISABLE TRIGGER {trigger}" for table, trigger in TRIGGERS]
    on = [f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}" for table, trigger in TRIGGERS]
    execute(url, *off, *statements, *on)


def leaves(url: str) -> list[UUID]:
    """Return the sealed entries in the order of their indexes, which are dense."""
    rows: list[Any] = execute(url, "SELECT index, entry_id FROM leaves ORDER BY index")
    assert [index for index, _ in rows] == list(range(len(rows)))
    return [entry_id for _, entry_id in rows]


def entries(url: str) -> set[UUID]:
    """Return the ids of all entries."""
    rows: Iterable[Any] = execute(url, "SELECT entry_id FROM entries")
    return {entry_id for (entry_id,) in rows}


def append(url: str, number: int = 1) -> None:
    """Insert so many entries, in one transaction."""
    with psycopg.connect(url) as connection:
        write(connection, number)


async def state_of(database: Database) -> State:
    """Return what the sealer knows."""
    async with database.connection() as connection:
        return await read_state(connection)


async def anchored(database: Database, seals: Seals) -> list[Checkpoint]:
    """Return the anchors of the log that is being sealed."""
    origin = seals.origin((await state_of(database)).incarnation or "")
    return [read_checkpoint(note, seals.keys(origin)) for note in seals.anchors.all(origin)]
