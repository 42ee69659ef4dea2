"""What a message's history is, in plain words: which lines satisfy a cut, and what they say."""

from collections.abc import Sequence
from typing import Any

from eventstore.events import Event
from query.cuts import Cut
from query.timeline import Step
from tests.support.history import Telling
from tests.support.plain_fold import fold

MESSAGE = "message-1"


def satisfying(lines: Sequence[Telling], cut: Cut) -> list[Telling]:
    """Return the message's lines that satisfy a cut, in plain words."""
    return [
        one
        for one in lines
        if one.event.message_id == MESSAGE
        and (cut.known_at is None or one.recorded_at <= cut.known_at)
        and (cut.as_of is None or one.event.effective_at <= cut.as_of)
        and (one.kind == "event" or _first(lines, one.event, cut))
    ]


def _first(lines: Sequence[Telling], repeated: Event, cut: Cut) -> bool:
    """Return whether the event of a repeat satisfies the cut: in a made-up history it may come later."""
    return any(
        one.kind == "event"
        and one.event == repeated
        and (cut.known_at is None or one.recorded_at <= cut.known_at)
        for one in lines
    )


def events_of(lines: Sequence[Telling]) -> list[Event]:
    return [one.event for one in lines if one.kind == "event"]


def says(step: Step, register: str) -> Any:
    """Return what a step's event says of a register."""
    if register == "messageStatus":
        return step.told.message_status
    if register == "channel":
        return step.told.channel
    channel, _, name = register.partition(".")
    assert channel == step.told.channel
    return {"channelStatus": step.told.channel_status, "supplierStatus": step.told.supplier_status}[name]


def registers_of(events: Sequence[Event]) -> dict[str, str]:
    """Return the registers' values by the plain fold, under the names that a timeline gives them."""
    messages, channels = fold(events)
    registers: dict[str, str | None] = {}
    for row in messages.values():
        registers |= {"messageStatus": row["message_status"], "channel": row["channel"]}
    for (_, channel), row in channels.items():
        registers[f"{channel}.channelStatus"] = row["channel_status"]
        registers[f"{channel}.supplierStatus"] = row["supplier_status"]
    return {name: value for name, value in registers.items() if value is not None}
