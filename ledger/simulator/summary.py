"""Shows what came of a simulation."""

from collections.abc import Iterator
from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ledger.simulator.comparison import Difference
from ledger.simulator.sender import Refused
from ledger.simulator.simulation import Report


def summary(report: Report) -> RenderableType:
    """Return the figures, and under them every callback that was given up and every difference."""
    return Group(*_parts(report))


def _parts(report: Report) -> Iterator[RenderableType]:
    sent = report.sent
    figures = {
        "messages": f"{report.plan.messages:,}",
        "callbacks": f"{len(report.plan.callbacks):,}",
        "told again": f"{len(report.plan.deliveries) - len(report.plan.callbacks):,}",
        "answers": ", ".join(f"{code}: {count:,}" for code, count in sorted(report.sending.answers.items())),
        "retries": f"{report.sending.retries:,}",
        "rate": f"{(len(sent.told) + len(sent.given_up)) / sent.seconds:,.0f} callbacks a second",
        "given up": f"{len(sent.given_up) + sent.unsent:,}",
        "differences": f"{len(report.differences):,}",
    }
    table = Table(show_header=False)
    for name, figure in figures.items():
        table.add_row(name, figure)
    yield table
    if sent.given_up:
        yield _given_up(sent.given_up)
    if sent.unsent:
        yield f"{sent.unsent:,} callbacks were not sent: the service took none of the last ones."
    if report.differences:
        yield _differences(report.differences)


def _given_up(refused: list[Refused]) -> Table:
    table = Table(title="Given up", title_justify="left")
    for heading in ("message", "said at", "why"):
        table.add_column(heading, overflow="fold")
    for one in refused:
        table.add_row(one.callback.message_id, _shown(one.callback.fact.at), Text(one.reason))
    return table


def _differences(found: tuple[Difference, ...]) -> Table:
    table = Table(title="Differences", title_justify="left")
    for heading in ("message", "asked on", "field", "told", "service says"):
        table.add_column(heading, overflow="fold")
    for one in found:
        table.add_row(
            one.message_id, one.channel or "any channel", one.field, _shown(one.told), _shown(one.says)
        )
    return table


def _shown(value: str | datetime | None) -> Text:
    return Text(value.isoformat() if isinstance(value, datetime) else str(value))
