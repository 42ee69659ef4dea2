"""Draws a message's timeline in the terminal, each channel a lane, and an entry as evidence.

What was sent is a stranger's text: only printable ASCII is shown of it.
"""

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from ledger.drawing import escaped, shown_body, shown_time
from query.evidence import Evidence, Stated
from query.history_models import EntryShown, MessageTimeline, StepShown
from query.models import Record

MESSAGE_LANE = "message"
HOLDS, PASSED = "●", "○"
LEGEND = f"{HOLDS} stands at the cut   {PASSED} was said   a → b changed when it took effect"

_SAID = {"repeat": "again", "registration": "registered", "refused": "refused"}

_VERIFICATIONS = {
    "verified": "verified: the secret that verified it then verifies it now",
    "wrong": "WRONG: that secret does not verify these bytes",
    "secret unknown": "that secret is not at hand: see HMAC_SECRETS_ARCHIVE",
    "unsigned": "nobody signs an entry of this kind",
    "erased": "cannot be verified: the bytes were erased",
}


def drawn_timeline(timeline: MessageTimeline) -> Group:
    """Return a page of a message's timeline: a line a step, a lane for the message and for each channel."""
    steps = timeline.timeline
    lanes = [MESSAGE_LANE, *dict.fromkeys(step.channel for step in steps if step.channel)]
    table = Table(expand=False)
    table.add_column("effective (UTC)", no_wrap=True, min_width=23)
    for lane in lanes:
        table.add_column(Text(_shown(lane)), overflow="fold")
    table.add_column("notes", overflow="fold")
    spans = {lane: _span(steps, lane) for lane in lanes}
    for number, step in enumerate(steps):
        cells = [
            _cell(step) if _lane(step) == lane else Text("│" if number in spans[lane] else "", "dim")
            for lane in lanes
        ]
        style = "" if step.holds else "dim"
        table.add_row(shown_time(step.effective_at), *cells, Text("\n".join(_notes(step))), style=style)
    return Group(Text(_title(timeline), "bold"), table, *map(Text, (LEGEND, *_told_records(timeline))))


def _title(timeline: MessageTimeline) -> str:
    references = dict.fromkeys(
        step.message_reference for step in timeline.timeline if step.message_reference is not None
    )
    told = f"{_shown(timeline.message_id)}  ({', '.join(map(_shown, references))})"
    if isinstance(timeline.known_at, int):
        told += f", as the first {timeline.known_at:,} entries of the sealed ledger tell it"
    elif timeline.known_at is not None:
        told += f", as known at {shown_time(timeline.known_at)}"
    if timeline.as_of is not None:
        told += f", as of {shown_time(timeline.as_of)}"
    return told


def _told_records(timeline: MessageTimeline) -> Iterator[str]:
    """Yield what the fold gives for the cut: the message's record and each channel's."""
    if timeline.current is None:
        yield "The ledger knew nothing of this message."
        return
    yield f"message: {timeline.current.message_status or 'no status'}{_milestones(timeline.current)}"
    for record in timeline.channels:
        statuses = ", ".join(
            f"{name} {status}"
            for name, status in (
                ("channel", record.channel_status),
                ("supplier", record.supplier_status),
            )
            if status
        )
        latest = ", the latest channel" if record.channel == timeline.current.channel else ""
        yield f"{_shown(record.channel or '')}: {statuses}{_milestones(record)}{latest}"


def _milestones(record: Record) -> str:
    reached = (
        ("delivered", record.delivered_at),
        ("read", record.read_at),
        ("failed", record.failed_at),
    )
    return "".join(f", first {name} {shown_time(moment)}" for name, moment in reached if moment is not None)


def _lane(step: StepShown) -> str:
    return step.channel or MESSAGE_LANE


def _span(steps: Sequence[StepShown], lane: str) -> range:
    """Return the steps from the first of a lane to its last, through which its line is drawn."""
    of_lane = [number for number, step in enumerate(steps) if _lane(step) == lane]
    return range(of_lane[0], of_lane[-1] + 1) if of_lane else range(0)


def _cell(step: StepShown) -> Text:
    if step.kind != "event":
        return Text(_SAID[step.kind])
    return Text("\n".join(_says(step)))


def _says(step: StepShown) -> Iterator[str]:
    """Yield what an event says, a line a status, each with what it changed; codes go with them."""
    on_channel = f"{step.channel}." if step.channel else ""
    said = (
        ("messageStatus", "message ", step.message_status, step.message_failure_code),
        (f"{on_channel}channelStatus", "", step.channel_status, step.channel_failure_code),
        (f"{on_channel}supplierStatus", "supplier ", step.supplier_status, None),
    )
    for register, name, status, code in said:
        if status is None:
            continue
        change = step.changed.get(register)
        before = f"{_shown(change.before)} → " if change is not None and change.before else ""
        shown_name = "" if name == "message " and not step.channel else name
        mark = HOLDS if register in step.holds else PASSED
        yield f"{mark} {shown_name}{before}{_shown(status)}{f' ({_shown(code)})' if code else ''}"


def _notes(step: StepShown) -> Iterator[str]:
    match step.kind:
        case "repeat":
            yield f"received {shown_time(step.received_at)}"
        case "registration":
            yield f"by {_shown(step.client_id or '')} in batch {_shown(step.batch_reference or '')}"
        case "refused":
            yield f"422 {_shown(step.rejection or '')}: entry {step.entry_id}"
    switched = step.changed.get("channel")
    if switched is not None and switched.before is not None:
        yield f"channel: {_shown(switched.before)} → {_shown(switched.after)}"
    if step.replays is not None:
        yield f"replays {step.replays}"
    yield from _marks(step)


def _marks(step: StepShown) -> Iterator[str]:
    """Yield what is unusual about when and how an event was said."""
    if step.late:
        then = "" if step.changed_when_recorded else ", when it changed nothing"
        yield f"late: recorded {shown_time(step.recorded_at)}{then}"
    if step.conflict:
        yield "conflicts with another event of its key"
    if step.restated:
        yield "said at another time too"
    if step.kind == "event" and step.occurred_at is None:
        yield "no timestamp"
    elif step.occurred_at is not None and step.occurred_at != step.effective_at:
        yield f"claimed {shown_time(step.occurred_at)}"


def drawn_entry(evidence: Evidence) -> Group:
    """Return all that is known of one entry, what came of it, and its body."""
    shown = EntryShown.of(evidence)
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="bold", no_wrap=True)
    facts.add_column(overflow="fold")
    for name, value in _facts(shown):
        facts.add_row(name, Text(value))
    for one in evidence.stated:
        facts.add_row(one.kind, Text(_told_stated(one, shown)))
    body = evidence.entry.body
    return Group(facts, Text(), Text("(no bytes are kept)" if body is None else shown_body(body)))


def _facts(entry: EntryShown) -> Iterator[tuple[str, str]]:
    yield "entry", str(entry.entry_id)
    yield "kind", f"{entry.kind} of {_shown(entry.client_id)}"
    yield "index", "not sealed yet" if entry.ledger_index is None else f"{entry.ledger_index:,}"
    yield "received", shown_time(entry.received_at)
    yield "recorded", shown_time(entry.recorded_at)
    if entry.rejection is not None:
        yield "refused", f"422 {_shown(entry.rejection)}"
    if entry.replays is not None:
        yield "replays", f"{entry.replays_kind} {entry.replays}"
    if entry.replayed_by is not None:
        yield "replayed by", str(entry.replayed_by)
    yield "rules", str(entry.rules)
    if entry.sha256 is not None:
        yield "SHA-256", entry.sha256
    if entry.signature is not None:
        yield "signature", entry.signature
        yield "secret", entry.secret_id or ""
    yield "verification", _VERIFICATIONS[entry.verification]


def _told_stated(one: Stated, entry: EntryShown) -> str:
    said: Mapping[str, str | None] = {
        "channel": one.channel,
        "messageStatus": one.message_status,
        "channelStatus": one.channel_status,
        "supplierStatus": one.supplier_status,
    }
    told = ", ".join(f"{name} {_shown(value)}" for name, value in said.items() if value is not None)
    first = "" if one.first_entry_id == entry.entry_id else f", first delivered by {one.first_entry_id}"
    return f"{one.item}: {shown_time(one.effective_at)} message {_shown(one.message_id)}: {told}{first}"


def _shown(text: str | None) -> str:
    return escaped((text or "").encode()).replace("\n", " ")
