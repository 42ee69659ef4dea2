"""A projection is added as docs/projections.md says: a migration, a fold, a line, and a rebuild."""

from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.rows import dict_row
from typer.testing import CliRunner

from eventstore.appender import append_statement
from eventstore.events import Event
from ledger.cli import app
from projections.projection import PROJECTIONS, folds
from projections.rebuild import check, rebuild
from projections.refold import fold_all
from projections.verify import Difference, verify
from tests.support.appending import append, connected, numbered
from tests.support.counted import COUNTED
from tests.support.counted import MIGRATION as COUNTED_MIGRATION
from tests.support.database import count
from tests.support.events import EVENTS, RECEIVED, event
from tests.support.first_failure import DOWN, FIRST_FAILURE, MIGRATION, first_failure
from tests.support.rebuilds import Steps

SET = (*PROJECTIONS, FIRST_FAILURE)
APPEND = append_statement(folds(SET)).encode()
FAILURES = {"failed", "permanent_failure", "technical_failure", "temporary_failure", "rejected"}

Rows = dict[str, dict[str, Any]]


def failing(minute: int, **said: Any) -> Event:
    """Return an event, at a minute past eleven, that a channel failed."""
    stated = {"channel": "sms", "channel_status": "failed"} | said
    told = event("m", key=str(minute), occurred_at=RECEIVED.replace(hour=11, minute=minute), **stated)
    return told._replace(channel_failure_code=f"CFR_{minute}")


@pytest.fixture
def added(owner: psycopg.Connection) -> psycopg.Connection:
    """A connection as the owner of a ledger with a history, migrated just now."""
    append(owner, failing(20), failing(10), failing(30, channel_status="delivered"), numbered())
    owner.execute(MIGRATION.read_text())
    return owner


def first_failures(connection: psycopg.Connection) -> Rows:
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute("SELECT message_id, failed_at, channel, code FROM first_failure").fetchall()
    return {row.pop("message_id"): row for row in rows}


def plainly(events: list[Event]) -> Rows:
    """Return the first failure of each message, in plain Python."""
    rows: Rows = {}
    for one in sorted(events, key=lambda one: (one.effective_at, one.digest)):
        if one.message_status == "failed" or (one.channel and one.channel_status in FAILURES):
            code = one.channel_failure_code or one.message_failure_code
            rows.setdefault(
                one.message_id, {"failed_at": one.effective_at, "channel": one.channel, "code": code}
            )
    return rows


def found(connection: psycopg.Connection) -> list[Difference]:
    return list(verify(connection, SET))


# From the migration to the first read


def test_a_rebuild_fills_it_from_history(added: psycopg.Connection) -> None:
    (missing,) = found(added)
    assert (missing.table, missing.key, missing.kind) == ("first_failure", {"message_id": "m"}, "missing")
    assert rebuild(added, FIRST_FAILURE) == 4
    assert first_failures(added) == plainly([failing(10)])
    assert found(added) == []


def test_the_append_folds_it_from_then_on(added: psycopg.Connection, database_url: str) -> None:
    rebuild(added, FIRST_FAILURE)
    with connected(database_url) as service:
        service.execute("SET ROLE ledger_service")
        append(service, failing(15), statement=APPEND)
        assert first_failures(service) == plainly([failing(10)])
        append(service, failing(5, message_status="failed", channel=None), failing(7), statement=APPEND)
        assert first_failures(service) == plainly([failing(5, channel=None, message_status="failed")])
    assert found(added) == []


def test_the_commands_know_it_by_its_line(
    added: psycopg.Connection, database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", database_url)
    for module in ("projections.projection", "ledger.commands.projections"):
        monkeypatch.setattr(f"{module}.PROJECTIONS", SET)
    assert CliRunner().invoke(app, ["verify"]).exit_code == 1
    assert CliRunner().invoke(app, ["rebuild", "first_failure"]).exit_code == 0
    assert CliRunner().invoke(app, ["verify"]).exit_code == 0
    assert count(added, "first_failure") == 1


def test_the_migration_goes_up_down_and_up_again(added: psycopg.Connection) -> None:
    granted = "ledger_grants WHERE privilege ~ 'first_failure'"
    assert count(added, granted) == 3
    added.execute(DOWN.read_text())
    assert count(added, granted) == 0
    added.execute(MIGRATION.read_text())
    assert count(added, granted) == 3


@pytest.mark.parametrize("column", [column.name for column in first_failure.columns])
def test_an_edit_of_it_is_found_and_mended(added: psycopg.Connection, column: str) -> None:
    rebuild(added, FIRST_FAILURE)
    change = "- interval '1 day'" if column == "failed_at" else "|| '0'"
    added.execute(f"UPDATE first_failure SET {column} = {column} {change}")  # noqa: S608 - its own columns
    differences = found(added)
    assert {one.table for one in differences} == {"first_failure"}
    assert all(column in one.columns for one in differences)
    assert list(check(added, FIRST_FAILURE)) == differences
    rebuild(added, FIRST_FAILURE)
    assert found(added) == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_it_is_a_function_of_the_set_of_events(added: psycopg.Connection, data: st.DataObject) -> None:
    codes = st.sampled_from([None, "CFR_1", "CFR_2"])
    coded = st.builds(
        lambda one, channel, message: one._replace(
            channel_failure_code=channel, message_failure_code=message
        ),
        EVENTS,
        codes,
        codes,
    )
    events = data.draw(st.lists(coded, max_size=8, unique_by=lambda one: (one.idempotency_key, one.digest)))
    for _ in range(2):
        with added.transaction(force_rollback=True):
            order = data.draw(st.permutations([*events, *events[:3]]))
            cut = data.draw(st.integers(0, len(order)))
            for callback in (order[:cut], order[cut:]):
                append(added, *callback, statement=APPEND)
            assert first_failures(added) == plainly(events)


# Beside live traffic: what may be folded twice, and what may not


@pytest.fixture
def long_ago(owner: psycopg.Connection) -> psycopg.Connection:
    """A connection as the owner of a ledger of fifty failures, with both projections, empty."""
    for _ in range(50):
        append(owner, numbered(channel_status="failed"))
    owner.execute(MIGRATION.read_text())
    owner.execute(COUNTED_MIGRATION)
    return owner


def test_a_minimum_may_be_backfilled_beside_live_traffic(
    long_ago: psycopg.Connection, database_url: str
) -> None:
    with connected(database_url) as service:

        def arrive(_: int) -> None:
            append(service, numbered(channel_status="rejected"), statement=APPEND)

        fold_all(long_ago, (FIRST_FAILURE,), arrive, 10)
    assert list(verify(long_ago, (FIRST_FAILURE,))) == []
    fold_all(long_ago, (FIRST_FAILURE,), lambda _: None, 7)
    assert list(verify(long_ago, (FIRST_FAILURE,))) == [], "twice does no harm"


def test_a_count_needs_the_swap(long_ago: psycopg.Connection, database_url: str, steps: Steps) -> None:
    counting = append_statement(folds((*SET, COUNTED))).encode()
    with connected(database_url) as service:

        def arrive(_: int) -> None:
            append(service, numbered(), statement=counting)

        fold_all(long_ago, (COUNTED,), arrive, 10)
        (wrong,) = verify(long_ago, (COUNTED,))
        told, due = wrong.columns["events"]
        assert told > due, "what arrived meanwhile was counted by the append, and again by the backfill"

        for step in ("count_events", "fold_all_by", "_catch_up"):
            steps.after(step, arrive)
        rebuild(long_ago, COUNTED)
        arrive(0)
    assert list(verify(long_ago, (COUNTED,))) == []
    assert count(long_ago, "events") == long_ago.execute("SELECT sum(events) FROM counted").fetchall()[0][0]
