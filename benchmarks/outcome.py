"""What a row came to: its figures, its ratios and how they stand to the mark; kept as a JSON file a row."""

import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.marks import Line, Mark, Row

RESULTS = Path(__file__).parent / "results"

Figures = Mapping[str, Sequence[float]]


class Spread(NamedTuple):
    """The median of some values, the least and the greatest."""

    median: float
    least: float
    greatest: float


def spread(values: Sequence[float]) -> Spread:
    """Return the spread of values, of which there is one at least."""
    return Spread(statistics.median(values), min(values), max(values))


def best(beside: Sequence[str], figures: Figures) -> str:
    """Return the name of the figure with the greatest median."""
    return max(beside, key=lambda name: statistics.median(figures[name]))


def ratios(line: Line, figures: Figures) -> list[float]:
    """Return a value for each round: the ratio to the best of what is beside, or the figure itself."""
    own = figures[line.figure]
    if not line.beside:
        return list(own)
    return [mine / limit for mine, limit in zip(own, figures[best(line.beside, figures)], strict=True)]


def names(row: Row) -> set[str]:
    """Return the names of the figures that a row is made of."""
    return {name for line in row.lines for name in (line.figure, *line.beside)}


def verdict(row: Row, figures: Figures) -> str:
    """Return `aim`, `must` or `short`, by the best of the row's lines; nothing where there is no mark."""
    if row.mark is None:
        return ""
    return max(
        (_verdict(spread(ratios(line, figures)).median, row.mark) for line in row.lines), key=_VERDICTS.index
    )


_VERDICTS = ("short", "must", "aim")


def _verdict(value: float, mark: Mark) -> str:
    def reaches(goal: float) -> bool:
        return value >= goal if mark.more else value <= goal

    return "aim" if reaches(mark.aim) else "must" if reaches(mark.must) else "short"


def keep(row: Row, figures: Figures, surroundings: Mapping[str, Any]) -> None:
    """Write the row's file, in place of what it held."""
    told = {
        "row": row.name,
        "what": row.what,
        "verdict": verdict(row, figures),
        "lines": [
            {
                "figure": line.figure,
                "with": line.with_,
                "beside": best(line.beside, figures) if line.beside else None,
            }
            | spread(ratios(line, figures))._asdict()
            for line in row.lines
        ],
        "figures": figures,
        **surroundings,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{row.name}.json").write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")


def kept(rows: Sequence[Row]) -> Iterator[tuple[Row, dict[str, Any]]]:
    """Yield the rows that have a file, with what it holds."""
    for row in rows:
        file = RESULTS / f"{row.name}.json"
        if file.exists():
            yield row, json.loads(file.read_text())
