"""What happened to a message by effective time: its lines, what each changed, what each still holds. Pure.

Which event holds a register, and which held it before, is worked out in PostgreSQL from the versions of the
fold (`sql/timeline.sql`); here the values are compared and named.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

Standing = Sequence[str | None] | None
"""What a register held: version and value, the empty version where nothing had been said; None before all."""


class Told(NamedTuple):
    """A line of a timeline: an event, a repeat of one, a registration, or an entry that was refused.

    Fields stand in the order of the columns of `sql/timeline.sql`; what does not belong to its kind is None.
    """

    kind: str
    """`event`, `repeat`, `registration` or `refused`."""
    kind_order: int
    place: str
    """What lines are sorted by, before all else."""
    entry_id: UUID
    item: int
    ledger_index: int | None
    effective_at: datetime
    received_at: datetime
    recorded_at: datetime
    replays: UUID | None
    message_reference: str | None
    idempotency_key: str | None
    digest: bytes | None
    event_type: str | None
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
    client_id: str | None
    batch_reference: str | None
    routing_plan_id: str | None
    rejection: str | None
    late: bool
    """Whether the ledger already held an event of later effect when this one was recorded."""
    conflict: bool
    """Whether another event of its key differs in more than the timestamp."""
    restated: bool
    """Whether another event of its key differs in the timestamp alone."""
    message_status_version: str
    channel_version: str
    channel_status_version: str
    supplier_status_version: str
    message_status_before: Standing
    channel_before: Standing
    channel_status_before: Standing
    supplier_status_before: Standing
    message_status_then: Standing
    channel_then: Standing
    channel_status_then: Standing
    supplier_status_then: Standing


class Change(NamedTuple):
    """What became of a register's value; None before the first."""

    before: str | None
    after: str


class Register(NamedTuple):
    """A register that an event speaks of."""

    name: str
    """`messageStatus`, `channel`, `sms.channelStatus`, `sms.supplierStatus`."""
    value: str
    version: str
    before: Standing
    """What it held of the events of earlier effect."""
    then: Standing
    """What it held when the event was recorded."""


@dataclass(slots=True)
class Step:
    """One line of a timeline, with what its event did to the registers."""

    told: Told
    changed: dict[str, Change] = field(default_factory=dict)
    """By register: what it changed when it took effect, after all events of earlier effect."""
    changed_when_recorded: dict[str, Change] = field(default_factory=dict)
    """By register: what it changed of the record when it came; events of one commit count one by one."""
    holds: list[str] = field(default_factory=list)
    """The registers whose value at the cut is this event's."""


def step(told: Told, held: Mapping[str, str]) -> Step:
    """Return a line with what it did, given the version that each register holds at the cut."""
    one = Step(told)
    for register in _registers(told):
        for standing, changes in ((register.before, one.changed), (register.then, one.changed_when_recorded)):
            version, value = standing or ("", None)
            if register.version > (version or "") and register.value != value:
                changes[register.name] = Change(value, register.value)
        if held.get(register.name) == register.version:
            one.holds.append(register.name)
    return one


def _registers(told: Told) -> Iterator[Register]:
    """Yield each register that an event speaks of; on a channel only if it names one."""
    if told.message_status is not None:
        yield Register(
            "messageStatus",
            told.message_status,
            told.message_status_version,
            told.message_status_before,
            told.message_status_then,
        )
    if told.channel is None:
        return
    if told.channel_version:
        yield Register("channel", told.channel, told.channel_version, told.channel_before, told.channel_then)
    if told.channel_status is not None:
        yield Register(
            f"{told.channel}.channelStatus",
            told.channel_status,
            told.channel_status_version,
            told.channel_status_before,
            told.channel_status_then,
        )
    if told.supplier_status is not None:
        yield Register(
            f"{told.channel}.supplierStatus",
            told.supplier_status,
            told.supplier_status_version,
            told.supplier_status_before,
            told.supplier_status_then,
        )
