"""Appends deliveries to the ledger, many in one commit, and folds them in the same statement."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import NamedTuple
from uuid import UUID

from eventstore.arrays import Array, Bigint, Bytea, Integer, Text, Timestamptz, Uuids, Words
from eventstore.database import Database
from eventstore.durable import ONE_TO_BLAME, Writer
from eventstore.events import Delivery, Entry, Event
from eventstore.group_commit import GroupCommit, Limits, Size, Waiter, Waiting
from eventstore.leaf import commitment
from eventstore.statements import Numbered, statement

ROW_OVERHEAD = 512
"""Bytes that one event weighs beside its body: its columns, keys and index entries."""


class Recorded(NamedTuple):
    """What became of one delivery, after the commit that keeps it."""

    events: int
    """Events that were new."""
    repeats: int
    """Items that repeated an event."""
    conflicts: int
    """New events that differ from another of their key in more than the timestamp."""
    erased: int = 0
    """Items of erased messages, of which nothing was kept but that they came."""
    returned: int = 0
    """Items of erased messages that are back, because the callback carried another message too."""

    def told(self) -> dict[str, int]:
        """Return the numbers by their names; those about erased messages only where there are any."""
        return {
            name: number
            for name, number in self._asdict().items()
            if number or name in ("events", "repeats", "conflicts")
        }


_ENTRY_COLUMNS: Mapping[str, type[Array]] = {
    "entry_id": Uuids,
    "kind": Words,
    "client_id": Words,
    "received_at": Timestamptz,
    "body": Bytea,
    "signature": Bytea,
    "secret_id": Words,
    "rules": Integer,
    "rejection": Text,
    "replays": Uuids,
    "salt": Bytea,
}

_EVENT_COLUMNS: Mapping[str, type[Array]] = {
    "item": Integer,
    "idempotency_key": Text,
    "digest": Bytea,
    "content_hash": Bigint,
    "event_type": Words,
    "message_id": Text,
    "message_reference": Text,
    "channel": Words,
    "message_status": Words,
    "channel_status": Words,
    "supplier_status": Words,
    "message_failure_code": Words,
    "channel_failure_code": Words,
    "cascade_type": Words,
    "cascade_order": Integer,
    "retry_count": Integer,
    "occurred_at": Timestamptz,
    "effective_at": Timestamptz,
}

if tuple(_ENTRY_COLUMNS) != Entry._fields or tuple(_EVENT_COLUMNS) != Event._fields:
    raise AssertionError("the columns of append.sql are not the fields of Entry and Event")


def append_statement(folds: Mapping[str, str]) -> str:
    """Return `append.sql` with each fold (name, SQL over `delivered`) as a part of the same statement."""
    parts = "".join(f",\n{name} AS (\n{sql}\n)" for name, sql in folds.items())
    return statement("eventstore", "append").replace("/* folds */", parts)


def parameters_of(batch: Sequence[Delivery]) -> dict[str, Array]:
    """Return the parameters of the append statement for a batch."""
    entries = zip(*(delivery.entry for delivery in batch), strict=True)
    parameters = {
        name: array(values) for (name, array), values in zip(_ENTRY_COLUMNS.items(), entries, strict=True)
    }
    parameters["commitment"] = Bytea([_commitment(delivery.entry) for delivery in batch])
    events = [event for delivery in batch for event in delivery.events]
    columns = zip(*events, strict=True) if events else ((),) * len(_EVENT_COLUMNS)
    parameters |= {
        name: array(values) for (name, array), values in zip(_EVENT_COLUMNS.items(), columns, strict=True)
    }
    parameters["event_entry_id"] = Uuids(
        [delivery.entry.entry_id for delivery in batch for _ in delivery.events]
    )
    return parameters


def _commitment(entry: Entry) -> bytes:
    return commitment(entry.salt, entry.body, entry.signature, entry.rejection)


def _measure(delivery: Delivery) -> Size:
    rows = max(1, len(delivery.events))
    return Size(rows, len(delivery.entry.body) + rows * ROW_OVERHEAD)


Observe = Callable[[Sequence[Delivery], Sequence[Recorded], float], None]
"""Is told of a batch after its commit: what became of each delivery, and how many seconds the commit took."""


class Appender:
    """Writes deliveries to the ledger of one database; each is answered after the commit that keeps it."""

    def __init__(
        self,
        database: Database,
        folds: Mapping[str, str],
        *,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        writers: int = 1,
        observe: Observe = lambda *_: None,
    ) -> None:
        """Take the folds (name, SQL over `delivered`) that keep the read model in step, and who observes.

        `observe` must be quick and raise nothing: callbacks wait for it.
        """
        self._observe = observe
        self._writer = Writer(database, Numbered(append_statement(folds)))
        self._queue = GroupCommit(
            self._append, _measure, limits=limits, writers=writers, splits_on=ONE_TO_BLAME
        )

    def open(self) -> None:
        """Start to write."""
        self._queue.open()

    async def close(self) -> None:
        """Write what waits, and stop."""
        await self._queue.close()
        await self._writer.close()

    @property
    def waiting(self) -> Waiting:
        """How much waits to be written."""
        return self._queue.waiting

    @property
    def full(self) -> bool:
        """Whether `append` would be refused now."""
        return self._queue.full

    async def append(self, delivery: Delivery) -> Recorded:
        """Record a delivery; return after the commit that keeps it.

        Raises `Overloaded` where too much waits, `Closed` after `close`, `DatabaseUnavailable` where no
        commit could be had, and a `psycopg.Error` or `Unrecorded` where the database refuses it.
        """
        return await self._queue.submit(delivery)

    def offer(self, delivery: Delivery, waiter: Waiter[Recorded]) -> None:
        """Do as `append`, and tell the waiter; raises `Overloaded` and `Closed` at once."""
        self._queue.offer(delivery, waiter)

    async def _append(self, batch: Sequence[Delivery]) -> Sequence[Recorded]:
        parameters = parameters_of(batch)
        started = perf_counter()
        outcomes = await self._writer.write(parameters)
        seconds = perf_counter() - started
        recorded = recorded_of(batch, outcomes)
        self._observe(batch, recorded, seconds)
        return recorded


def recorded_of(
    batch: Sequence[Delivery], outcomes: Sequence[tuple[str, UUID, int | None]]
) -> Sequence[Recorded]:
    """Return what became of each delivery of a batch, from the rows that the append statement returned.

    One that an earlier run had committed is told as it would have been then, as far as that is known: the
    answer to the supplier is the same.
    """
    if not outcomes:  # mostly: every item is a new event, and in conflict with none
        return [Recorded(len(delivery.events), 0, 0) for delivery in batch]
    told = Counter((outcome, entry_id) for outcome, entry_id, _ in outcomes)
    return [_recorded(delivery, told) for delivery in batch]


def _recorded(delivery: Delivery, told: Mapping[tuple[str, UUID], int]) -> Recorded:
    entry_id = delivery.entry.entry_id
    repeats, erased = told["repeat", entry_id], told["erased", entry_id]
    return Recorded(
        events=len(delivery.events) - repeats - erased,
        repeats=repeats,
        conflicts=told["conflict", entry_id],
        erased=erased,
        returned=told["returned", entry_id],
    )
