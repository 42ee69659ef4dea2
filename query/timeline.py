"""Reconstructs what happened to a message by effective time, and what each event changed. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from projections.lifecycle import CHANNEL, MESSAGE, SUPPLIER, lifecycle_rank, rank


class Told(NamedTuple):
    """An event of the message, or a repeat of one, with the entry that delivered it.

    Fields stand in the order of the columns of `sql/timeline.sql`.
    """

    kind: str
    """`event` or `repeat`."""
    entry_id: UUID
    item: int
    received_at: datetime
    recorded_at: datetime
    idempotency_key: str
    digest: bytes
    content_hash: int
    event_type: str
    message_reference: str
    channel: str | None
    message_status: str | None
    channel_status: str | None
    supplier_status: str | None
    message_failure_code: str | None
    channel_failure_code: str | None
    cascade_type: str | None
    cascade_order: int | None
    retry_count: int | None
    occurred_at: datetime | None
    effective_at: datetime
    replays: UUID | None


class Change(NamedTuple):
    """What became of a register's value; None before the first."""

    before: str | None
    after: str


Version = tuple[datetime, int, bytes]
"""Effective time, rank, digest: the greater one is the later fact."""


@dataclass(slots=True)
class Step:
    """One line of a timeline."""

    told: Told
    changed: dict[str, Change] = field(default_factory=dict)
    """What it changed when it took effect, by register: `messageStatus`, `channel`, `sms.channelStatus`."""
    holds: list[str] = field(default_factory=list)
    """The registers whose current value is this event's."""
    late: bool = False
    """Whether the ledger already held an event of later effect when this one was recorded."""
    conflict: bool = False
    """Whether another event of its key differs in more than the timestamp."""


def timeline(told: Iterable[Told]) -> list[Step]:
    """Return the steps of one message, given its events and repeats in any order.

    By effective time; ties by rank, then digest, as the fold breaks them; an event stands before its
    repeats, and these in the order of their recording.
    """
    steps = [Step(one) for one in sorted(told, key=_place)]
    events = [step for step in steps if step.told.kind == "event"]
    _mark_changes(events)
    _mark_conflicts(events)
    _mark_late(events)
    return steps


def _place(told: Told) -> tuple[Version, bool, datetime, UUID, int]:
    return (_latest(told), told.kind == "repeat", told.recorded_at, told.entry_id, told.item)


def _latest(told: Told) -> Version:
    overall = lifecycle_rank(told.message_status, told.channel_status, told.supplier_status)
    return (told.effective_at, overall, told.digest)


def _registers(told: Told) -> Iterator[tuple[str, str, Version]]:
    """Yield each register that an event speaks of: its name, the value, the version."""

    def version(ranked: int) -> Version:
        return (told.effective_at, ranked, told.digest)

    if told.message_status is not None:
        yield "messageStatus", told.message_status, version(rank(MESSAGE, told.message_status))
    if told.channel is None:
        return
    if told.channel_status is not None or told.supplier_status is not None:
        yield "channel", told.channel, _latest(told)
    if told.channel_status is not None:
        status = told.channel_status
        yield f"{told.channel}.channelStatus", status, version(rank(CHANNEL, status))
    if told.supplier_status is not None:
        status = told.supplier_status
        yield f"{told.channel}.supplierStatus", status, version(rank(SUPPLIER, status))


def _mark_changes(events: list[Step]) -> None:
    held: dict[str, tuple[Version, str, Step]] = {}
    for step in events:
        for name, value, version in _registers(step.told):
            before = held.get(name)
            if before is not None and version <= before[0]:
                continue
            if before is None or before[1] != value:
                step.changed[name] = Change(before[1] if before else None, value)
            held[name] = (version, value, step)
    for name, (_, _, step) in held.items():
        step.holds.append(name)


def _mark_conflicts(events: list[Step]) -> None:
    contents: dict[str, set[int]] = {}
    for step in events:
        contents.setdefault(step.told.idempotency_key, set()).add(step.told.content_hash)
    for step in events:
        step.conflict = len(contents[step.told.idempotency_key]) > 1


def _mark_late(events: list[Step]) -> None:
    earliest_recorded: datetime | None = None
    for step in reversed(events):  # from the latest effect back
        recorded_at = step.told.recorded_at
        step.late = earliest_recorded is not None and earliest_recorded < recorded_at
        if earliest_recorded is None or recorded_at < earliest_recorded:
            earliest_recorded = recorded_at
