"""Every statement in a `.sql` file is one statement, fits the migrated schema, and is allowed to its role."""

import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import pq

from eventstore.appender import append_statement
from eventstore.statements import Numbered, statement
from ledger.preflight import AUDITOR_ROLE, ERASER_ROLE, OPERATOR_ROLE, SERVICE_ROLE
from projections.projection import folds, kept_in_step
from query.history import asking
from tests.support.database import cloned

ROOT = Path(__file__).parents[3]

FILES = sorted(
    f"{file.parents[1].name}/{file.stem}"
    for file in ROOT.glob("*/sql/*.sql")
    if file.parents[1].name not in ("migrations", "benchmarks")
)

OWNER = "NONE"
"""As `SET ROLE` has it: the login's own, here the owner's."""

RUN_BY_ANOTHER: dict[str, str] = dict.fromkeys(
    [
        "eventstore/acts",
        "eventstore/acts_on",
        "ingest/quarantine_lock",
        "ingest/quarantine_usage",
        "ingest/refusals",
        "ingest/refusals_kept",
        "ingest/settle",
    ],
    OPERATOR_ROLE,
) | dict.fromkeys(["ledger/all_keys", "ledger/create_key", "ledger/revoke_key", "projections/unlist"], OWNER)
RUN_BY_ANOTHER |= {"eventstore/accesses": AUDITOR_ROLE}
RUN_BY_ANOTHER |= dict.fromkeys(("eventstore/erase", "eventstore/hold_off_vacuum"), ERASER_ROLE)
"""Who runs a statement, where it is not the service itself."""

AT_A_CUT = ("message_at", "channels_at", "differing", "timeline")
"""What is asked of one message at a cut: `query/sql/cut.sql` and a file of its own are one statement."""

OVER_EVENTS = {name: text for name, text in folds().items() if not name.startswith("fold_")}
"""The relations over `delivered` that the folds share."""


@pytest.fixture(scope="module")
def connection(postgres: str) -> Iterator[psycopg.Connection]:
    with cloned(postgres) as url, psycopg.connect(url, autocommit=True) as opened:
        yield opened


def prepare(connection: psycopg.Connection, role: str, text: str) -> None:
    """Prepare one statement as a role, and plan it, which is when the server looks at privileges."""
    connection.execute(f"SET ROLE {role}")
    result = connection.pgconn.prepare(b"tried", Numbered(text).text)
    assert result.status == pq.ExecStatus.COMMAND_OK, result.error_message.decode()
    expected = connection.pgconn.describe_prepared(b"tried").nparams
    nothing = f"({', '.join(['NULL'] * expected)})" if expected else ""
    try:
        connection.execute(f"EXPLAIN EXECUTE tried {nothing}")
    finally:
        connection.execute("DEALLOCATE tried")


def text_of(file: str) -> str:
    """Return the statement; a fold or a view of one stands on all events, and on those before it."""
    package, name = file.split("/")
    text = statement(package, name)
    if package == "query" and name in ("cut", *AT_A_CUT):
        return asking("timeline" if name == "cut" else name)
    if package != "projections" or name not in {part.removeprefix("fold_") for part in kept_in_step()}:
        return text
    parts = {"delivered": "SELECT * FROM events"}
    for part, sql in kept_in_step().items():
        if part.removeprefix("fold_") == name:
            break
        parts[part] = sql
    return f"WITH {', '.join(f'{part} AS ({sql})' for part, sql in parts.items())}\n{text}"


def test_the_statements_are_found() -> None:
    assert {"eventstore/append", "ingest/quarantine", "projections/message_status", "query/timeline"} <= {
        *FILES
    }
    assert set(RUN_BY_ANOTHER) <= {*FILES}


@pytest.mark.parametrize("file", FILES)
def test_a_statement_fits_the_schema_and_its_role(connection: psycopg.Connection, file: str) -> None:
    prepare(connection, RUN_BY_ANOTHER.get(file, SERVICE_ROLE), text_of(file))


@pytest.mark.parametrize("role", [SERVICE_ROLE, OPERATOR_ROLE])
def test_the_statement_that_appends_fits_with_its_folds(connection: psycopg.Connection, role: str) -> None:
    text = append_statement(kept_in_step())
    assert text.count("AS held") == len(kept_in_step()) - len(OVER_EVENTS) > 0
    prepare(connection, role, text)


@pytest.mark.parametrize("file", ["ingest/settle", "ingest/quarantine_lock", "eventstore/acts"])
def test_the_service_may_not_settle(connection: psycopg.Connection, file: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        prepare(connection, SERVICE_ROLE, text_of(file))


def test_what_a_leaf_says_is_written_into_the_seal(connection: psycopg.Connection) -> None:
    """PostgreSQL calls a function for every leaf where it may not write it into the query: half of a seal."""
    connection.execute(f"SET ROLE {SERVICE_ROLE}")
    connection.pgconn.prepare(b"sealing", Numbered(statement("eventstore", "seal")).text)
    plan: list[tuple[str]] = connection.execute(
        "EXPLAIN (VERBOSE) EXECUTE sealing (NULL, NULL, NULL, NULL, NULL, NULL)"
    ).fetchall()
    connection.execute("DEALLOCATE sealing")
    told = "\n".join(line for (line,) in plan)
    assert "sha256(" in told
    assert "convert_to(" in told
    assert "leaf_field(" not in told
    assert "leaf_content(" not in told


def test_every_projected_tables_fold_is_a_part_of_the_append() -> None:
    """A file that inserts is a fold, and every fold is registered."""
    folding = {file for file in FILES if "INSERT INTO" in statement(*file.split("/")).partition("(")[0]}
    of_projections = {file for file in folding if file.startswith("projections/")}
    kept = {f"projections/{name.removeprefix('fold_')}" for name in kept_in_step() if name not in OVER_EVENTS}
    assert of_projections - kept == {"projections/unlist"}
    assert kept < of_projections


@pytest.mark.parametrize("file", FILES)
def test_a_statement_begins_with_a_sentence_on_what_it_does(file: str) -> None:
    assert re.match(r"-- [A-Z].*?\.$", statement(*file.split("/")), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("role", ["ledger_reader", "ledger_auditor", "ledger_eraser"])
def test_nobody_else_may_append(connection: psycopg.Connection, role: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        prepare(connection, role, append_statement(kept_in_step()))


def test_the_pages_show_the_verifier_what_a_bundle_does_of_an_entry() -> None:
    def derived(name: str) -> str:
        found = re.search(
            r"row_to_json\(leaves\) AS leaf.*\) AS repeats", statement("ledger", name), re.DOTALL
        )
        assert found is not None
        return found[0].replace("wanted.entry_id", "entries.entry_id")

    assert derived("inspected") == derived("bundle_entries")
