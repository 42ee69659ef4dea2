"""Lays a timeline out: a lane for the message and for each channel, a row for each step. Pure."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from query.history_models import StepShown

MESSAGE = "message"
"""The lane of what is said of the message itself."""

THROUGH, NOTHING = "through", "nothing"


class Saying(NamedTuple):
    """One status that a step states."""

    of: str
    """`message`, `channel` or `supplier`."""
    status: str
    before: str | None
    """What it took the place of, when it took effect."""
    changed: bool
    holds: bool
    """Whether it stands at the cut."""
    code: str | None
    """Why it failed, in the supplier's words."""


class Row(NamedTuple):
    """A step in its lane."""

    step: StepShown
    lane: str
    cells: list[str]
    """For each lane: `here`, `through` where its line passes, or `nothing`."""
    says: list[Saying]
    switched: tuple[str, str] | None
    """The latest channel before and after, where the step changed it."""


def lanes_of(steps: Sequence[StepShown]) -> list[str]:
    """Return the lanes of a timeline, the message's first, then each channel by its first step."""
    return [MESSAGE, *dict.fromkeys(step.channel for step in steps if step.channel)]


def laid_out(steps: Sequence[StepShown]) -> list[Row]:
    """Return the steps as rows, each with what stands in every lane."""
    lanes = lanes_of(steps)
    own = [step.channel or MESSAGE for step in steps]
    spans = {lane: _span(own, lane) for lane in lanes}
    return [
        Row(
            step=step,
            lane=own[number],
            cells=[
                "here" if own[number] == lane else THROUGH if number in spans[lane] else NOTHING
                for lane in lanes
            ],
            says=list(_says(step)),
            switched=_switched(step),
        )
        for number, step in enumerate(steps)
    ]


def _span(own: Sequence[str], lane: str) -> range:
    """Return the rows from the first of a lane to its last."""
    numbers = [number for number, other in enumerate(own) if other == lane]
    return range(numbers[0], numbers[-1] + 1) if numbers else range(0)


def _says(step: StepShown) -> Iterator[Saying]:
    if step.kind != "event":
        return
    on_channel = f"{step.channel}." if step.channel else ""
    said = (
        ("message", "messageStatus", step.message_status, step.message_failure_code),
        ("channel", f"{on_channel}channelStatus", step.channel_status, step.channel_failure_code),
        ("supplier", f"{on_channel}supplierStatus", step.supplier_status, None),
    )
    for of, register, status, code in said:
        if status is not None:
            change = step.changed.get(register)
            yield Saying(
                of=of,
                status=status,
                before=change.before if change is not None else None,
                changed=change is not None,
                holds=register in step.holds,
                code=code,
            )


def _switched(step: StepShown) -> tuple[str, str] | None:
    change = step.changed.get("channel")
    if change is None or change.before is None:
        return None
    return change.before, change.after
