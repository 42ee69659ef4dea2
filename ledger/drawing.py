"""Draws in the terminal."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from rich.table import Table
from rich.text import Text

from query.timeline import Step


def drawn_timeline(message_id: str, steps: Sequence[Step]) -> Table:
    """Return a message's timeline as a table, a line a step."""
    reference = steps[-1].told.message_reference
    table = Table(title=Text(f"{message_id}  ({reference})"), title_justify="left", expand=False)
    table.add_column("effective (UTC)", no_wrap=True)
    for heading in ("channel", "says", "changed", "notes"):
        table.add_column(heading, overflow="fold")
    for step in steps:
        told = step.told
        repeat = told.kind == "repeat"
        table.add_row(
            shown_time(told.effective_at),
            told.channel or "",
            "again" if repeat else Text(_says(step)),
            Text("\n".join(_changed(step))),
            Text(_notes(step)),
            style="dim" if repeat else ("bold" if step.holds else ""),
        )
    return table


def shown_time(moment: datetime) -> str:
    """Return a moment to the millisecond, in UTC as all are."""
    return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d}"


def _says(step: Step) -> str:
    told = step.told
    said = {
        "message": told.message_status,
        "channel": told.channel_status,
        "supplier": told.supplier_status,
        "code": told.message_failure_code or told.channel_failure_code,
    }
    return ", ".join(f"{name} {value}" for name, value in said.items() if value is not None)


def _changed(step: Step) -> Iterator[str]:
    """Yield what became of each register; the channel's own go without its name, which has a column."""
    for register, change in step.changed.items():
        name = register.removeprefix(f"{step.told.channel}.")
        yield f"{name}: {change.before} → {change.after}" if change.before else f"{name}: {change.after}"


def _notes(step: Step) -> str:
    told = step.told
    notes = []
    if told.kind == "repeat":
        notes.append(f"received {shown_time(told.received_at)}")
    if told.replays is not None:
        notes.append(f"replays {told.replays}")
    if step.late:
        notes.append(f"late: recorded {shown_time(told.recorded_at)}")
    if step.conflict:
        notes.append("conflicts with another event of its key")
    if told.occurred_at is None:
        notes.append("no timestamp")
    elif told.occurred_at != told.effective_at:
        notes.append(f"claimed {shown_time(told.occurred_at)}")
    return "; ".join(notes)
