"""Records as CSV and NDJSON: what is written is what was meant, and no cell is a formula."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from query.formats import CsvLines, Format, NdjsonLines, guarded, lines_of, preferred

DANGEROUS = "=+-@\t\r"

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
CELLS = TEXTS | st.builds(str.__add__, st.text("'=+-@\t\r\n\",;", min_size=1, max_size=4), TEXTS)


def read_back(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode(), newline=""), strict=True))


def unguarded(cell: str) -> str:
    """Take the guard away, as the README says."""
    return cell[1:] if cell[:1] == "'" and cell.lstrip("'")[:1] in tuple(DANGEROUS) else cell


@given(st.lists(st.tuples(CELLS, CELLS, st.none() | CELLS), min_size=1))
def test_csv_is_read_back_as_it_was_meant_and_holds_no_formula(
    rows: list[tuple[str, str, str | None]],
) -> None:
    lines = CsvLines(["a", "b", "c"])
    names, *cells = read_back(lines.head + lines.lines(rows))
    assert names == ["a", "b", "c"]
    assert [[unguarded(cell) for cell in row] for row in cells] == [
        [cell or "" for cell in row] for row in rows
    ]
    assert not any(cell.startswith(tuple(DANGEROUS)) for row in cells for cell in row)


@pytest.mark.parametrize("first", DANGEROUS)
def test_a_quote_goes_before_what_a_spreadsheet_would_calculate(first: str) -> None:
    assert guarded(f"{first}1+1") == f"'{first}1+1"
    assert guarded(f"'{first}1+1") == f"''{first}1+1"


@pytest.mark.parametrize("text", ["", "1+1", "'", "it's", "'quoted'", "a=b", " =1"])
def test_other_text_stays_as_it_is(text: str) -> None:
    assert guarded(text) == text


def test_csv_is_rfc_4180() -> None:
    lines = CsvLines(["a", "b", "c"])
    written = lines.head + lines.lines([('say "so"', "x,y", None), ("two\nlines", "é", 7)])
    assert written == 'a,b,c\r\n"say ""so""","x,y",\r\n"two\nlines",é,7\r\n'.encode()


def test_a_truth_is_a_word_and_several_texts_are_one_guarded_cell() -> None:
    written = CsvLines(["a", "b", "c"]).lines([(True, ["=1", "b"], []), (False, ["a"], ["a", "=1"])])
    assert written == b"true,'=1; b,\r\nfalse,a,a; =1\r\n"


@given(st.datetimes(timezones=st.just(UTC)))
def test_times_are_rfc_3339_in_utc_in_both(moment: datetime) -> None:
    ((told,),) = read_back(CsvLines(["t"]).lines([(moment,)]))
    assert told == json.loads(NdjsonLines(["t"]).lines([(moment,)]))["t"]
    assert told.endswith("Z")
    assert datetime.fromisoformat(told) - moment == timedelta(0)


@given(st.lists(st.tuples(CELLS, st.none() | CELLS, st.integers(0, 2**31 - 1))))
def test_ndjson_is_an_object_a_line_and_every_line_is_ended(rows: list[tuple[str, str | None, int]]) -> None:
    lines = lines_of(Format.NDJSON, ["a", "b", "c"])
    written = lines.head + lines.lines(rows)
    assert written.count(b"\n") == len(rows)
    told = [json.loads(line) for line in written.split(b"\n")[:-1]]
    assert told == [dict(zip("abc", row, strict=True)) for row in rows]


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", None),
        ("*/*", None),
        ("application/json", None),
        ("text/csv", Format.CSV),
        ("TEXT/CSV; charset=utf-8", Format.CSV),
        ("application/x-ndjson", Format.NDJSON),
        ("text/csv, application/json", Format.CSV),
        ("application/json, text/csv", None),
        ("application/json;q=0.5, text/csv;q=0.9", Format.CSV),
        ("text/csv;q=0.1, application/x-ndjson ; q=0.2, */*;q=0.15", Format.NDJSON),
        ("text/csv;q=0", None),
        ("text/csv;q=2, text/html", Format.CSV),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", None),
        ("image/png", None),
        (";,;q=,text/csv;;", Format.CSV),
    ],
)
def test_the_format_is_what_the_client_prefers(accept: str, wanted: Format | None) -> None:
    assert preferred(accept) is wanted


def test_what_is_not_offered_is_passed_over() -> None:
    assert preferred("application/x-ndjson, text/csv;q=0.5", [Format.CSV]) is Format.CSV
    assert preferred("application/x-ndjson", [Format.CSV]) is None


@given(st.text())
def test_no_accept_header_is_an_error(accept: str) -> None:
    preferred(accept)
