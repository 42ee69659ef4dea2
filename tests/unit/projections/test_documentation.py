"""docs/projections.md shows the very projection that a test adds, and the figures that the code has."""

import re
from pathlib import Path

from projections.projection import PROJECTIONS
from projections.rebuild import LOCK_TIMEOUT, PATIENCE, SHADOW
from projections.refold import SLICE
from tests.support import first_failure

DOCS = Path(__file__).parents[3] / "docs"
TEXT = (DOCS / "projections.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def test_the_sql_is_that_of_the_projection_that_a_test_adds() -> None:
    files = (first_failure.MIGRATION, first_failure.DOWN, first_failure.FOLD)
    assert blocks("sql") == [file.read_text(encoding="utf-8") for file in files]


def test_the_table_is_that_of_the_projection_that_a_test_adds() -> None:
    table, line = blocks("python")
    assert table in Path(first_failure.__file__).read_text(encoding="utf-8")
    name, tables = re.findall(r'Projection\("(\w+)", \(tables\.(\w+),\)\)', line)[0]
    assert name == first_failure.FIRST_FAILURE.name
    assert [tables] == [one.name for one in first_failure.FIRST_FAILURE.tables]


def test_the_figures_are_the_codes() -> None:
    for said in (f"{SLICE:,} events", LOCK_TIMEOUT.replace("ms", " ms"), f"`{SHADOW}`"):
        assert said in TEXT
    assert PATIENCE == 600
    assert "ten minutes" in TEXT


def test_every_projection_and_table_is_told_of() -> None:
    for projection in PROJECTIONS:
        for name in (projection.name, *projection.views, *(table.name for table in projection.tables)):
            assert f"`{name}`" in TEXT


def test_every_file_that_it_names_exists() -> None:
    for link in re.findall(r"\]\(([^)#:]+)\)", TEXT):
        assert (DOCS / link).exists(), link
