"""Histories of messages, written straight into the tables: a test says when each line was recorded."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple
from uuid import UUID

import psycopg
from psycopg.rows import args_row, dict_row

from eventstore.events import Event
from eventstore.identifiers import time_ordered_uuid
from query.cuts import Question
from query.history import History, asking, history_of, parameters_of
from query.timeline import Told
from tests.support.events import RECEIVED

_COLUMNS = (*Event._fields, "entry_id", "recorded_at")


class Telling(NamedTuple):
    """One delivery of one event."""

    event: Event
    recorded_at: datetime = RECEIVED
    number: int = 0
    """Tells entries of one time apart."""
    item: int = 0
    kind: Literal["event", "repeat"] = "event"

    @property
    def entry_id(self) -> UUID:
        """The entry that delivers it."""
        return time_ordered_uuid(self.recorded_at, self.number.to_bytes(10, "big"))


def write(connection: psycopg.Connection, tellings: Iterable[Telling]) -> None:
    """Write deliveries, each an entry of its own, without folding them; the connection is the owner's."""
    tellings = list(tellings)
    cursor = connection.cursor()
    cursor.executemany(
        "INSERT INTO entries (recorded_at, received_at, entry_id, rules, kind, client_id, secret_id, body)"
        " VALUES (%s, %s, %s, 1, 'callback', 'notify', 'secret', '{}') ON CONFLICT DO NOTHING",
        [(one.recorded_at, one.recorded_at - timedelta(milliseconds=5), one.entry_id) for one in tellings],
    )
    cursor.executemany(
        f"INSERT INTO events ({', '.join(_COLUMNS)}) VALUES ({', '.join(['%s'] * len(_COLUMNS))})",  # noqa: S608 - names of ours
        [
            (*one.event._replace(item=one.item), one.entry_id, one.recorded_at)
            for one in tellings
            if one.kind == "event"
        ],
    )
    cursor.executemany(
        "INSERT INTO repeats (entry_id, item, idempotency_key, digest) VALUES (%s, %s, %s, %s)",
        [
            (one.entry_id, one.item, one.event.idempotency_key, one.event.digest)
            for one in tellings
            if one.kind == "repeat"
        ],
    )


def history(connection: psycopg.Connection, question: Question) -> History:
    """Return the answer to a question, as `query.history.message_history` has it."""
    parameters: dict[str, Any] = parameters_of(question)
    with connection.cursor(row_factory=dict_row) as rows:
        records = rows.execute(asking("message_at").encode(), parameters).fetchall()
        channels = rows.execute(asking("channels_at").encode(), parameters).fetchall()
    with connection.cursor(row_factory=args_row(Told)) as lines:
        told = lines.execute(asking("timeline").encode(), parameters).fetchall()
    return history_of(question, records, channels, told)
