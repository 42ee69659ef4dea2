"""Compares what a service says with what it was told, field by field. Pure."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from ledger.simulator.expected import Record, View

FIELDS = (
    "message_reference",
    "channel",
    "channelStatus",
    "supplierStatus",
    "messageStatus",
    "occurredAt",
    "deliveredAt",
    "readAt",
    "failedAt",
)
"""What is compared: all of a record but `created_at`, which is the service's own time."""


class Difference(NamedTuple):
    """A field in which what the service says is not what follows from what it was told."""

    message_id: str
    channel: str | None
    """The channel that was asked for; None where it was the message's latest."""
    field: str
    """Its name, or `record` where the whole record is missing or one too many."""
    told: str | datetime | None
    says: str | datetime | None


def differences(expected: Mapping[View, Record], says: Mapping[View, Record]) -> Iterator[Difference]:
    """Yield every difference, by message, the message's own record before those of its channels."""
    for view in sorted(expected.keys() | says.keys(), key=lambda view: (view.message_id, view.channel or "")):
        told, said = expected.get(view), says.get(view)
        if told is None or said is None:
            yield Difference(*view, "record", _presence(told), _presence(said))
            continue
        for field in FIELDS:
            if told.get(field) != said.get(field):
                yield Difference(*view, field, told.get(field), said.get(field))


def _presence(record: Record | None) -> str:
    return "none" if record is None else "there"
