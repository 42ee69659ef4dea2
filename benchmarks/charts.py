"""Draws the results as SVG."""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.marks import Row

mpl.rcParams |= {
    "svg.hashsalt": "status-ledger",  # the same figures give the same file
    "svg.fonttype": "none",  # text, and not the outlines of letters
    "font.family": "sans-serif",
    "axes.spines.top": False,
    "axes.spines.right": False,
}
COLOURS = {"aim": "#00703c", "must": "#ffb81c", "short": "#d4351c"}
OURS, OTHERS = "#005eb8", "#aeb7bd"

Results = Sequence[tuple[Row, dict[str, Any]]]


def draw_marks(results: Results, file: Path) -> None:
    """Draw each row with a mark: how far it is towards its aim, and where it must be."""
    marked = [(row, told) for row, told in results if row.mark is not None]
    figure = Figure(figsize=(9, 0.45 * len(marked) + 1.2), layout="constrained")
    axes = figure.subplots()
    for place, (row, told) in enumerate(marked):
        mark = row.mark
        if mark is None:
            continue
        line = best_line(row, told)

        def towards(value: float, aim: float = mark.aim, *, more: bool = mark.more) -> float:
            return value / aim if more else aim / max(value, 1e-9)

        ends = sorted((towards(line["least"]), towards(line["greatest"])))
        median = towards(line["median"])
        spread = [[max(0.0, median - ends[0])], [max(0.0, ends[1] - median)]]
        axes.barh(place, min(median, 2), color=COLOURS[told["verdict"]], height=0.6)
        if median <= 2:
            axes.errorbar(median, place, xerr=spread, color="black", capsize=3, linewidth=1)
        axes.plot([towards(mark.must)] * 2, [place - 0.4, place + 0.4], color="black", linewidth=2)
    axes.axvline(1, color="black", linestyle=":", linewidth=1)
    axes.set_yticks(range(len(marked)), [row.name for row, _ in marked])
    axes.invert_yaxis()
    axes.set_xlim(0, 2)
    axes.set_xlabel("of the aim (dotted); thick: what must be reached; whiskers: least and greatest")
    figure.savefig(file, format="svg", metadata={"Date": None})


def draw_rates(results: Results, file: Path) -> None:
    """Draw what is done in a second: ours, the limits' and the peers', singly and by the hundred."""
    by_name = {row.name: told for row, told in results}
    figure = Figure(figsize=(9, 5), layout="constrained")
    both = figure.subplots(1, 2)
    for axes, rows, title in (
        (both[0], ("single", "peers"), "one event at a time, a second"),
        (both[1], ("hundred", "peers-hundred"), "a hundred events at a time, a second"),
    ):
        figures: dict[str, list[float]] = {}
        for name in rows:
            figures |= by_name.get(name, {}).get("figures", {})
        ordered = sorted(figures.items(), key=lambda one: -statistics.median(one[1]))
        for place, (name, values) in enumerate(ordered):
            median = statistics.median(values)
            colour = OURS if name.startswith(("callbacks-", "events-")) else OTHERS
            spread = [[median - min(values)], [max(values) - median]]
            axes.barh(place, median, xerr=spread, color=colour, height=0.7, capsize=3)
        axes.set_yticks(range(len(ordered)), [name for name, _ in ordered])
        axes.invert_yaxis()
        axes.set_title(title, fontsize=10)
        axes.set_xlim(left=0)
    figure.savefig(file, format="svg", metadata={"Date": None})


def best_line(row: Row, told: dict[str, Any]) -> dict[str, Any]:
    """Return the line by which a row is judged."""
    more = row.mark is None or row.mark.more
    return dict((max if more else min)(told["lines"], key=lambda line: line["median"]))
