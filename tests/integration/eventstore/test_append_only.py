"""The ledger's lines are never changed: not by the service, not by the owner, not as a replica."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import errors

from eventstore.appender import append_statement, parameters_of
from eventstore.arrays import Array, ArrayDumper
from eventstore.tables import APPEND_ONLY
from projections.projection import kept_in_step
from tests.support.database import cloned
from tests.support.events import deliver, event

TABLES = [table.name for table in APPEND_ONLY]

COLUMN = {
    table.name: next(column.name for column in table.primary_key.columns if column.computed is None)
    for table in APPEND_ONLY
}
"""A column that every row of a table has."""

WRITTEN = {
    table.name: ", ".join(f'"{column.name}"' for column in table.columns if column.computed is None)
    for table in APPEND_ONLY
}

CHANGES = {
    "UPDATE": "UPDATE {table} SET {column} = {column}",
    "UPDATE of no row": "UPDATE {table} SET {column} = {column} WHERE false",
    "UPDATE by an INSERT": "INSERT INTO {table} ({written}) SELECT {written} FROM {table}"
    " ON CONFLICT ON CONSTRAINT {table}_pkey DO UPDATE SET {column} = excluded.{column}",
    "DELETE": "DELETE FROM {table}",
    "DELETE of no row": "DELETE FROM {table} WHERE false",
    "TRUNCATE": "TRUNCATE {table}",
    "TRUNCATE of all": "TRUNCATE entries, events, repeats, message_status CASCADE",
}


@pytest.fixture(scope="module")
def filled(postgres: str) -> Iterator[str]:
    """The URL of a database with rows in each of the tables, as its owner and superuser."""
    with cloned(postgres) as url, psycopg.connect(url) as connection:
        connection.adapters.register_dumper(Array, ArrayDumper)
        for number in range(2):
            told = deliver(event(message_status="sending"), number=number)
            connection.execute(append_statement(kept_in_step()).encode(), parameters_of([told]))
        connection.execute(
            "INSERT INTO registrations SELECT now(), entry_id, 'client', 'batch', 'reference', 'plan', 'key',"
            " sha256('token'), decode(repeat('5a', 16), 'hex') FROM entries LIMIT 1"
        )
        connection.execute(
            "INSERT INTO acts (act_id, actor, act, subject, outcome, detail)"
            " SELECT entry_id, 'somebody', 'key.create', 'subject', 'created', '{}' FROM entries LIMIT 1"
        )
        connection.execute(
            "INSERT INTO access_log (access_id, actor, access, detail)"
            " SELECT entry_id, 'somebody', 'GET /', '{}' FROM entries LIMIT 1"
        )
        connection.execute(
            "INSERT INTO erased_messages (erasure_id, tombstone)"
            " SELECT entry_id, sha256('') FROM entries LIMIT 1"
        )
        connection.execute(
            "INSERT INTO leaves SELECT 0, entry_id, sha256(''), sha256('') FROM entries LIMIT 1"
        )
        connection.execute(
            "INSERT INTO tiles VALUES (0, 0, sha256(''), decode(repeat('5a', 256 * 32), 'hex'))"
        )
        connection.execute("INSERT INTO checkpoints VALUES (now(), 1, 'incarnation', sha256(''), 'note')")
        connection.commit()
        yield url


@pytest.fixture
def owner(filled: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(filled) as connection:
        yield connection
        connection.rollback()


def rows(connection: psycopg.Connection) -> list[object]:
    return [connection.execute(f"SELECT * FROM {table}").fetchall() for table in TABLES]  # noqa: S608 - our own names


@pytest.mark.parametrize("replicating", ["origin", "local", "replica"])
@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("change", CHANGES)
def test_the_owner_is_refused_every_change(
    owner: psycopg.Connection, replicating: str, table: str, change: str
) -> None:
    before = rows(owner)
    assert all(before)
    owner.commit()
    owner.execute(f"SET session_replication_role = {replicating}")
    with pytest.raises(
        errors.RestrictViolation, match=f"is append-only, {change.partition(' ')[0]} is refused"
    ):
        owner.execute(CHANGES[change].format(table=table, column=COLUMN[table], written=WRITTEN[table]))
    owner.rollback()
    assert rows(owner) == before


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("change", CHANGES)
def test_the_service_may_not_even_try(owner: psycopg.Connection, table: str, change: str) -> None:
    owner.execute("SET ROLE ledger_service")
    with pytest.raises(errors.InsufficientPrivilege, match="permission denied for table"):
        owner.execute(CHANGES[change].format(table=table, column=COLUMN[table], written=WRITTEN[table]))


def test_the_service_may_not_pose_as_a_replica(owner: psycopg.Connection) -> None:
    owner.execute("SET ROLE ledger_service")
    with pytest.raises(errors.InsufficientPrivilege):
        owner.execute("SET session_replication_role = replica")


@pytest.mark.parametrize("table", TABLES)
def test_the_service_may_not_switch_the_guard_off(owner: psycopg.Connection, table: str) -> None:
    owner.execute("SET ROLE ledger_service")
    with pytest.raises(errors.InsufficientPrivilege, match="must be owner"):
        owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER append_only")


def test_what_is_appended_is_frozen_by_the_first_vacuum(owner: psycopg.Connection) -> None:
    """But for the tables of one row, and of a row an erasure."""
    told: list[tuple[str]] = owner.execute(
        "SELECT relname FROM pg_class WHERE 'autovacuum_freeze_min_age=0' = ANY(reloptions)"
    ).fetchall()
    assert {name for (name,) in told} == {*TABLES} - {"tombstone_salt", "erased_messages"}
