"""Appends to a ledger by the service's statement or its appender; a story that fills the whole read model."""

import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Any

import psycopg

from eventstore.appender import Appender, Recorded, append_statement, parameters_of
from eventstore.arrays import Array, ArrayDumper
from eventstore.database import Database
from eventstore.events import Delivery, Event
from eventstore.group_commit import Limits
from projections.projection import kept_in_step
from tests.support.database import execute
from tests.support.events import RECEIVED, deliver, event

APPEND = append_statement(kept_in_step()).encode()

NEW = Recorded(events=1, repeats=0, conflicts=0)
REPEAT = Recorded(events=0, repeats=1, conflicts=0)

_numbers = itertools.count(1)


@contextmanager
def connected(url: str) -> Iterator[psycopg.Connection]:
    """Lend a connection in autocommit mode, in UTC, that can append."""
    with psycopg.connect(url, autocommit=True, options="-c timezone=UTC") as connection:
        connection.adapters.register_dumper(Array, ArrayDumper)
        yield connection


def append(connection: psycopg.Connection, *events: Event, statement: bytes = APPEND) -> None:
    """Append events as one callback, in one commit, folded; prepared as the service has it."""
    delivery = deliver(*events, number=next(_numbers))
    connection.execute(statement, parameters_of([delivery]), prepare=True)


def numbered(**said: Any) -> Event:
    """Return an event of a new message, with a new key."""
    number = next(_numbers)
    stated = {"key": f"key-{number}", "channel": "sms", "channel_status": "sending"} | said
    return event(f"message-{number:04d}", **stated)


@asynccontextmanager
async def appending(
    database: Database, limits: Limits | None = None, writers: int = 1
) -> AsyncIterator[Appender]:
    """Lend an appender that writes, and writes what waits at the end."""
    appender = Appender(database, kept_in_step(), limits=limits or Limits(), writers=writers)
    appender.open()
    try:
        yield appender
    finally:
        await appender.close()


def told(number: int = 0, **said: Any) -> Delivery:
    """Return a delivery of one event, in an entry of that number."""
    return deliver(event(**{"key": f"key-{number}", "message_status": "sending"} | said), number=number)


def counts(url: str) -> tuple[object, ...]:
    """Return how many entries, events and repeats there are."""
    query = (
        "SELECT (SELECT count(*) FROM entries), (SELECT count(*) FROM events), (SELECT count(*) FROM repeats)"
    )
    return execute(url, query)[0]


def _minute(minute: int, message_id: str, **said: Any) -> Event:
    key = f"{message_id}-{minute}"
    return event(message_id, key=key, occurred_at=RECEIVED - timedelta(minutes=60 - minute), **said)


STORY = (
    _minute(1, "fell-back", message_status="sending"),
    _minute(2, "fell-back", channel="nhsapp", channel_status="sending", supplier_status="unnotified"),
    _minute(3, "fell-back", channel="nhsapp", channel_status="failed", message_status="failed"),
    _minute(4, "fell-back", channel="sms", channel_status="technical_failure", supplier_status="failed"),
    _minute(5, "fell-back", channel="sms", channel_status="delivered", supplier_status="read"),
    _minute(6, "fell-back", message_status="delivered"),
    _minute(7, "Known by its message alone’s status", message_status="created"),
    _minute(8, "état", channel_status="sending"),
    _minute(9, "Z", channel="email", channel_status="delivered", reference="another reference"),
    _minute(9, "a", channel="letter", supplier_status="returned"),
)
"""Events of five messages; `fell-back` has a value in every column of its rows."""
