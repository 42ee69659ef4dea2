import json
from pathlib import Path

import pytest

from benchmarks import outcome
from benchmarks.marks import Line, Mark, Row, rows, unit
from benchmarks.outcome import best, names, ratios, verdict
from benchmarks.report import BEGIN, END, write_report
from benchmarks.subjects import needed, subjects

WORKERS = (1, 2)
ROW = Row("fast", "ours ÷ theirs", (Line("events-1", ("emmett-one", "emmett-8")),), Mark(0.5, 1))
WHERE = {
    "at": "2026-11-30T00:00Z",
    "commit": "0123456789ab",
    "seconds": 2.0,
    "rounds": 3,
    "load": 0.2,
    "machine": {"processor": "P", "cores": 2, "memory_gib": 8, "system": "S", "file_system": "ext4"},
    "versions": {"postgresql": "18.6"},
    "settings": {"fsync": "on"},
}


def test_a_ratio_is_of_the_figures_of_one_round_and_of_the_best_peer() -> None:
    figures = {"events-1": [10, 30, 20], "emmett-one": [100, 1, 1], "emmett-8": [20, 30, 10]}
    assert best(ROW.lines[0].beside, figures) == "emmett-8"
    assert ratios(ROW.lines[0], figures) == [0.5, 1, 2]


@pytest.mark.parametrize(("ours", "reached"), [(9, "short"), (10, "must"), (19, "must"), (20, "aim")])
def test_a_row_reaches_what_its_median_reaches(ours: float, reached: str) -> None:
    figures = {"events-1": [0, ours, 1000], "emmett-one": [1.0] * 3, "emmett-8": [20.0] * 3}
    assert verdict(ROW, figures) == reached


@pytest.mark.parametrize(("ours", "reached"), [(26, "short"), (25, "must"), (10, "aim")])
def test_where_less_is_better_a_row_reaches_what_is_no_more(ours: float, reached: str) -> None:
    row = Row("late", "p99", (Line("p99-1"),), Mark(25, 10, more=False, unit="ms"))
    assert verdict(row, {"p99-1": [ours]}) == reached


def test_a_row_is_as_good_as_the_best_of_its_lines() -> None:
    row = Row("fast", "ours", (Line("events-1"), Line("events-2")), Mark(5, 10))
    assert verdict(row, {"events-1": [4], "events-2": [10]}) == "aim"


@pytest.mark.parametrize("full", [False, True])
def test_everything_that_a_row_names_is_measured_and_has_a_unit(full: bool) -> None:
    figures = set().union(*(names(row) for row in rows(WORKERS, full=full)))
    assert needed(figures, subjects(WORKERS))
    assert all(unit(name) for name in figures)


def test_a_figure_that_nothing_gives_is_named() -> None:
    with pytest.raises(KeyError, match="nothing-1"):
        needed({"nothing-1"}, subjects(WORKERS))


def test_the_report_takes_its_own_place_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcome, "RESULTS", tmp_path / "results")
    document = tmp_path / "performance.md"
    document.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    figures = {"events-1": [10, 20, 30], "emmett-one": [10, 10, 10], "emmett-8": [20, 20, 20]}
    outcome.keep(ROW, figures, WHERE)
    kept = json.loads((tmp_path / "results" / "fast.json").read_text())
    assert kept["figures"] == figures
    write_report([ROW, *rows(WORKERS, full=True)], document)
    text = document.read_text()
    assert text.startswith(f"before\n{BEGIN}")
    assert text.endswith(f"{END}\nafter\n")
    assert "old" not in text
    assert (
        "| `fast` | ours ÷ theirs | 20.0 events/s | 20.0 events/s (emmett-8) | 1.00 (0.50 to 1.50) |"
        " 0.5 | 1 | **aim** | 0123456789ab |"
    ) in text
    assert "<svg" in (tmp_path / "performance-marks.svg").read_text()
    assert "<svg" in (tmp_path / "performance-rates.svg").read_text()


def test_a_document_without_a_place_for_the_report_is_left_alone(tmp_path: Path) -> None:
    document = tmp_path / "performance.md"
    document.write_text("before")
    with pytest.raises(ValueError, match="lacks the marks"):
        write_report(rows(WORKERS, full=True), document)
    assert document.read_text() == "before"
