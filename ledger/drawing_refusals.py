"""Draws refusals in the terminal. What was sent is a stranger's text: only printable ASCII is shown of it."""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256

from rich.console import Group
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from eventstore.acts import ActDone
from eventstore.events import Event
from ingest.quarantine import Caps
from ingest.refusals import Kept, Refusal, Usage
from ingest.replay import Judgement
from ingest.settlement import Fate, Tally
from ledger.drawing import escaped, shown_body, shown_time

LONGEST_REASON = 100
"""Characters of a reason in a list; `show` tells it whole."""
MOST_REASONS = 10
MOST_EVENTS = 10


def drawn_refusals(refusals: Iterable[Refusal]) -> Table:
    """Return refusals as a table, a line each: on a narrow terminal all but the ids is folded."""
    table = Table(expand=False)
    table.add_column("id", no_wrap=True, min_width=36)
    for heading in ("received (UTC)", "answer", "size", "state", "why"):
        table.add_column(heading, overflow="fold")
    for refusal in refusals:
        table.add_row(
            str(refusal.refusal_id),
            shown_time(refusal.received_at),
            str(refusal.answer),
            "" if refusal.bytes is None else decimal(refusal.bytes),
            refusal.state,
            Text(_why(refusal)),
            style="" if refusal.state == "waiting" else "dim",
        )
    return table


def _why(refusal: Refusal) -> str:
    """Return what was wrong and what was right: the rule of a 422, else which half of the proof."""
    match refusal.answer:
        case 401:
            return f"unknown API key, signed with secret {refusal.secret_id}"
        case 403:
            return "known API key, signed with no secret of then"
        case _:
            reason = refusal.reason or ""
            return reason if len(reason) <= LONGEST_REASON else f"{reason[: LONGEST_REASON - 3]}..."


def told_usage(usage: Usage, caps: Caps) -> str:
    """Return in a sentence how full the quarantine is."""
    held = (
        f"The quarantine holds {usage.requests:,} of {caps.requests:,} requests,"
        f" {decimal(usage.bytes)} of {decimal(caps.bytes)}."
    )
    full = usage.requests >= caps.requests or usage.bytes >= caps.bytes
    return f"{held} It is full: what would go there is answered 429." if full else held


def drawn_refusal(found: Kept, today: Judgement, acts: Sequence[ActDone]) -> Group:
    """Return all that is known of one refusal, what it would come to today, and what is kept of it."""
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="bold", no_wrap=True)
    facts.add_column(overflow="fold")
    for name, value in _facts(found, today):
        facts.add_row(name, Text(value))
    for act in acts:
        facts.add_row("act", Text(_told_act(act)))
    return Group(facts, Text(), Text("(no bytes are kept)" if found.body is None else shown_body(found.body)))


def _facts(found: Kept, today: Judgement) -> Iterator[tuple[str, str]]:
    refusal = found.refusal
    yield "id", str(refusal.refusal_id)
    yield "state", refusal.state
    yield "received", shown_time(refusal.received_at)
    yield "recorded", shown_time(found.recorded_at)
    yield "answer", f"{refusal.answer} {refusal.reason or ''}".rstrip()
    yield "secret", refusal.secret_id or "none: its signature was wrong"
    if refusal.bytes is not None:
        yield "size", f"{refusal.bytes:,} bytes"
    if found.body is not None:
        yield "SHA-256", sha256(found.body).hexdigest()
        yield "signature", "missing or repeated" if found.signature is None else escaped(found.signature)
    if refusal.settled_at is not None:
        yield "settled", shown_time(refusal.settled_at)
    if found.replayed_by is not None:
        yield "replayed by", f"entry {found.replayed_by}"
    if refusal.state == "waiting":
        yield "today", "\n".join(_told_today(today))


def _told_today(today: Judgement) -> Iterator[str]:
    match today.fate:
        case Fate.RECORDED:
            yield f"a replay would record it, by secret {today.secret_id}:"
            yield from (_told_event(event) for event in today.events[:MOST_EVENTS])
            if len(today.events) > MOST_EVENTS:
                yield f"and {len(today.events) - MOST_EVENTS:,} more"
        case Fate.STILL_REFUSED:
            yield f"still refused: {today.reason}"
        case fate:
            yield fate.value


def _told_event(event: Event) -> str:
    said = {
        "channel": event.channel,
        "messageStatus": event.message_status,
        "channelStatus": event.channel_status,
        "supplierStatus": event.supplier_status,
    }
    told = [f"{name} {value}" for name, value in said.items() if value is not None]
    message = escaped(event.message_id.encode())
    return f"{shown_time(event.effective_at)} message {message}: {', '.join(told)}"


def _told_act(act: ActDone) -> str:
    told = f"{shown_time(act.acted_at)} {act.act} by {act.actor}: {act.outcome}"
    return f"{told}, because {act.reason}" if act.reason else told


def told_tally(tally: Tally) -> Iterator[str]:
    """Yield what became of refusals: a line a fate, below it the commonest reasons."""
    for fate in Fate:
        if not tally.fates[fate]:
            continue
        told = f"{tally.fates[fate]:>9,}  {fate.value}"
        if fate is Fate.RECORDED and any(tally.recorded):
            counted = (f"{number:,} {name}" for name, number in tally.recorded._asdict().items())
            told += f" ({', '.join(counted)})"
        yield told
        for reason, times in tally.reasons[fate].most_common(MOST_REASONS):
            yield f"{times:>9,}      {reason}"
