"""Draws the outcome as a table in the terminal."""

from collections.abc import Sequence

from rich.table import Table

from benchmarks.marks import Row, unit
from benchmarks.outcome import Figures, best, ratios, spread, verdict

COLOURS = {"aim": "green", "must": "yellow", "short": "red", "": ""}


def table(outcomes: Sequence[tuple[Row, Figures]], caption: str) -> Table:
    """Return a table with a line for each line of each row."""
    drawn = Table(title="Measured beside limits and peers, medians of alternating rounds", caption=caption)
    for heading in ("row", "what", ""):
        drawn.add_column(heading)
    for heading in ("measured", "beside", "ratio or figure", "from", "to", "must", "aim"):
        drawn.add_column(heading, justify="right")
    drawn.add_column("reached")
    for row, figures in outcomes:
        reached = verdict(row, figures)
        for number, line in enumerate(row.lines):
            values = spread(ratios(line, figures))
            beside = ""
            if line.beside:
                limit = best(line.beside, figures)
                beside = f"{figure(spread(figures[limit]).median)} {limit}"
            own = f"{figure(spread(figures[line.figure]).median)} {unit(line.figure)}"
            marks = (f"{row.mark.must:g}", f"{row.mark.aim:g}") if row.mark else ("", "")
            drawn.add_row(
                *((row.name, row.what) if number == 0 else ("", "")),
                line.with_,
                own,
                beside,
                *(figure(value) for value in values),
                *marks,
                f"[{COLOURS[reached]}]{reached}[/]" if number == 0 and reached else "",
            )
    return drawn


def figure(value: float) -> str:
    """Return a figure with three digits or more."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
