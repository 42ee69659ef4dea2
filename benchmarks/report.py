"""Writes what the kept results say into docs/performance.md, between its marks, with charts beside it."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.bounds import BOUNDS
from benchmarks.charts import draw_marks, draw_rates
from benchmarks.marks import Row, unit
from benchmarks.outcome import kept
from benchmarks.table import figure

DOCS = Path(__file__).parents[1] / "docs"
BEGIN = "<!-- Written by `make bench`, from benchmarks/results: begin -->"
END = "<!-- Written by `make bench`: end -->"
REACHED = {"aim": "**aim**", "must": "must", "short": "**short**", "": ""}


def write_report(rows: Sequence[Row], document: Path = DOCS / "performance.md") -> None:
    """Draw the charts and put the section between its marks; raises `ValueError` without the marks."""
    results = list(kept(rows))
    before, begin, rest = document.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{document} lacks the marks of the section")
    document.write_text(f"{before}{BEGIN}\n\n{section(results)}\n{END}{after}")
    draw_marks(results, document.parent / "performance-marks.svg")
    draw_rates(results, document.parent / "performance-rates.svg")


def section(results: Sequence[tuple[Row, dict[str, Any]]]) -> str:
    """Return the section's text."""
    lines = [
        "![How far each row is from its mark](performance-marks.svg)",
        "",
        "![What is done in a second, beside limits and peers](performance-rates.svg)",
        "",
        "A ratio is the median of the rounds' ratios, each of two figures of one round; behind it stand the"
        " least and the greatest.",
        "",
        "| row | what | measured | beside | ratio or figure | must | aim | reached | commit |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row, told in results:
        lines += _lines(row, told)
    bounded = [f"- `{row.name}`: {BOUNDS[row.name]}" for row, _ in results if row.name in BOUNDS]
    if bounded:
        lines += [
            "",
            "What bounds the rows that are below their aim, and what else should be known of a row:",
            "",
            *bounded,
        ]
    return "\n".join([*lines, "", *_surroundings([told for _, told in results]), ""])


def _lines(row: Row, told: dict[str, Any]) -> list[str]:
    found = []
    for number, line in enumerate(told["lines"]):
        own, beside = told["figures"][line["figure"]], line["beside"]
        with_ = f", {line['with']}" if line["with"] else ""
        marks = (f"{row.mark.must:g}", f"{row.mark.aim:g}") if row.mark else ("", "")
        cells = [
            f"`{row.name}`" if number == 0 else "",
            f"{row.what}{with_}" if number == 0 else with_.removeprefix(", "),
            f"{figure(median(own))} {unit(line['figure'])}",
            f"{figure(median(told['figures'][beside]))} {unit(beside)} ({beside})" if beside else "",
            f"{figure(line['median'])} ({figure(line['least'])} to {figure(line['greatest'])})",
            *(marks if number == 0 else ("", "")),
            REACHED[told["verdict"]] if number == 0 else "",
            told["commit"] if number == 0 else "",
        ]
        found.append(f"| {' | '.join(cells)} |")
    return found


def _surroundings(results: Sequence[dict[str, Any]]) -> list[str]:
    """Return where it was measured; rows of one machine and form are told of together."""
    kinds: dict[str, list[str]] = {}
    for told in results:
        machine, versions = told["machine"], told["versions"]
        of_service = ", ".join(f"{name} {one}" for name, one in versions.items() if name != "postgresql")
        form = (
            f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB,"
            f" {machine['system']}, {machine['file_system']}; PostgreSQL {versions['postgresql']}"
            f" ({', '.join(f'{name} = {value}' for name, value in told['settings'].items())});"
            f" {of_service}; {told['rounds']} rounds of {told['seconds']:g} s a measurement"
        )
        kinds.setdefault(form, []).append(f"`{told['row']}` ({told['at']}, {told['load']:g})")
    lines = [
        "Load generator, service and PostgreSQL shared the cores; commits were durable."
        " [benchmarks/README.md](../benchmarks/README.md) says how each row is measured. Behind each stand"
        " when it was measured, and the load average before: above 1, something else was running.",
        "",
    ]
    lines += [f"- {form}: {', '.join(names)}." for form, names in kinds.items()]
    return lines
