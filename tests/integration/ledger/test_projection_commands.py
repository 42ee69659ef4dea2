"""`status-ledger verify` and `rebuild`, as an operator sees them: exit codes, what is printed, and where."""

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from ledger.cli import app
from projections.projection import CURRENT_STATUS
from projections.refold import REBUILD_LOCK
from tests.support import damage
from tests.support.appending import STORY, append, connected
from tests.support.events import event
from tests.support.rebuilds import Steps

CLEAN = "The read model is what the ledger says.\n"


@pytest.fixture
def owner(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[psycopg.Connection]:
    """A connection as the owner of a ledger that was told the story; the settings mean its database."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.delenv("MIGRATION_DATABASE_URL", raising=False)
    with connected(database_url) as opened:
        append(opened, *STORY)
        yield opened


def command(*words: str) -> tuple[int, str, str]:
    """Run a command in this process; return its exit code, output, and errors."""
    done = CliRunner().invoke(app, words)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


def test_a_clean_read_model_is_said_to_be_so(owner: psycopg.Connection) -> None:
    assert command("verify") == (0, "", CLEAN)
    assert command("verify", "--json") == (0, "", CLEAN)
    told = "The tables of current_status are what the ledger says.\n"
    assert command("rebuild", "--check") == (0, "", told)
    told = "10 events folded, and the tables of current_status replaced.\n"
    assert command("rebuild", "current_status") == (0, "", told)


def test_each_differing_row_is_named_and_a_rebuild_mends_it(owner: psycopg.Connection) -> None:
    for table in CURRENT_STATUS.tables:
        damage.insert(owner, table)
        damage.edit(owner, table, "read_at")
    for words in (("verify",), ("rebuild", "--check")):
        code, told, complaints = command(*words)
        assert (code, complaints) == (1, "Rows that differ: 4.\n")
        for seen in (
            "message_status",
            "fell-back, sms",
            "nobody",
            "surplus",
            "differs",
            "read_at",
            "11:05:00",
        ):
            assert seen in told, told
    assert command("rebuild")[0] == 0
    assert command("verify") == (0, "", CLEAN)


def test_as_json_each_row_is_a_line(owner: psycopg.Connection) -> None:
    (edited,) = damage.edit(owner, CURRENT_STATUS.tables[0], "supplier_status")
    (deleted,) = damage.delete(owner, CURRENT_STATUS.tables[1])
    expected = [
        {**one._asdict(), "columns": {name: list(pair) for name, pair in one.columns.items()}}
        for one in (edited, deleted)
    ]
    for words in (("verify", "--json"), ("rebuild", "--check", "--json")):
        code, told, complaints = command(*words)
        assert (code, complaints) == (1, "Rows that differ: 2.\n")
        assert [json.loads(line) for line in told.splitlines()] == expected


def test_no_more_rows_are_shown_than_asked_for_and_all_are_counted(owner: psycopg.Connection) -> None:
    owner.execute("DELETE FROM message_status")
    code, told, complaints = command("verify", "--json", "--show", "2")
    assert (code, complaints) == (1, "Rows that differ: 5 (2 shown).\n")
    assert len(told.splitlines()) == 2
    code, told, complaints = command("rebuild", "--check", "--show", "1")
    assert (code, complaints) == (1, "Rows that differ: 5 (1 shown).\n")
    assert told.count("missing") == 1


def test_nothing_is_cut_off_however_long(owner: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    key = "m" * 64
    append(owner, event(key, message_status="created"))
    owner.execute(
        "UPDATE message_status SET message_reference = repeat('r', 255) WHERE message_id = %s", [key]
    )
    _, told, _ = command("verify")
    assert (told.count("m") >= 64, told.count("r") >= 255, "…" in told) == (True, True, False)


def test_a_foreseen_error_is_one_line(owner: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    def complaint(*words: str) -> str:
        code, told, complaints = command(*words)
        assert (code, told, complaints.count("\n")) == (1, "", 1)
        return complaints

    told = "status-ledger: There is no such projection: 'nosuch'; there is current_status\n"
    assert complaint("rebuild", "nosuch") == told

    owner.execute("SELECT pg_advisory_lock(%s)", [REBUILD_LOCK])
    for words in (("verify",), ("rebuild",), ("rebuild", "--check")):
        assert complaint(*words).startswith("status-ledger: A rebuild is running")
    owner.execute("SELECT pg_advisory_unlock(%s)", [REBUILD_LOCK])

    owner.execute("CREATE VIEW reports AS SELECT channel FROM message_status")
    assert "view reports" in complaint("rebuild")
    owner.execute("DROP VIEW reports")

    owner.execute("ALTER TABLE message_status DROP COLUMN read_at")
    told = "status-ledger: The database refuses: column live.read_at does not exist\n"
    assert complaint("verify") == told

    owner.execute("UPDATE alembic_version SET version_num = '0000'")
    for words in (("verify",), ("rebuild",)):
        assert "migrations are at 0000" in complaint(*words)

    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nowhere")
    for words in (("verify",), ("rebuild",)):
        assert "The database cannot be reached" in complaint(*words)


def test_a_database_that_goes_away_meanwhile_is_one_line(
    owner: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(*_: object) -> None:
        owner.execute("SELECT pg_terminate_backend(pid, 60000) FROM pg_locks WHERE locktype = 'advisory'")

    steps = Steps(monkeypatch)
    steps.after("fold_all_by", end)
    code, told, complaints = command("rebuild")
    assert (code, told, complaints.count("\n")) == (1, "", 1)
    assert complaints.startswith("status-ledger: The database cannot be reached: terminating connection")
