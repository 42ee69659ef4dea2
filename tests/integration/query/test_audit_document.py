"""docs/audit.md: the ledger answers the questions of its example as it says; its words are the code's."""

import re
from datetime import datetime
from pathlib import Path
from typing import get_args

import psycopg

from query.cuts import MOST_STEPS, Cut, Question
from query.evidence import Verification
from query.history import MOST_REFUSED
from query.models import StepShown
from tests.support.events import event
from tests.support.history import Telling, history, write

DOCS = Path(__file__).parents[3] / "docs"
TEXT = (DOCS / "audit.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the table whose first heading this is."""
    table = TEXT.partition(f"| {heading} |")[2].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def moment(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def test_the_ledger_answers_the_questions_of_the_example(database_url: str) -> None:
    told = [
        Telling(
            event("m", key=says, occurred_at=moment(effective), message_status=says.split()[1]),
            datetime.fromisoformat(recorded),
            number,
        )
        for number, (recorded, effective, says) in enumerate(rows("recorded at"))
    ]
    questions = rows("the question")
    assert (len(told), len(questions)) == (3, 5)
    with psycopg.connect(database_url) as connection:
        write(connection, told)
        for question, known_at, as_of, answer in questions:
            found = history(connection, Question("m", Cut(moment(known_at), moment(as_of))))
            assert found.record is not None, question
            assert found.record["message_status"] == answer, question
        _, sending, _ = history(connection, Question("m")).steps
    assert (sending.told.late, sending.changed_when_recorded) == (True, {})
    assert sending.changed["messageStatus"] == ("created", "sending")


def test_its_words_are_the_codes() -> None:
    assert {name.strip("`") for name, _ in rows("`verification`")} == {*get_args(Verification)}
    shown = {field.alias for field in StepShown.model_fields.values()}
    assert {name.strip("`") for name, _ in rows("field")} <= shown
    kinds = get_args(StepShown.model_fields["kind"].annotation)
    assert {name.strip("`") for name, _ in rows("line")} == {*kinds}
    assert f"{MOST_STEPS:,} lines" in TEXT
    assert f"newest {MOST_REFUSED:,}" in TEXT


def test_every_file_that_it_names_exists() -> None:
    for link in re.findall(r"\]\(([^)#:]+)\)", TEXT):
        assert (DOCS / link).exists(), link
