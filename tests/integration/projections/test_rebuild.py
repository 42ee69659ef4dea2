"""`rebuild` gives the rows that the ledger says, whatever was done to the old, and changes nothing else."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psycopg
import pytest

from projections.projection import CURRENT_STATUS
from projections.rebuild import TableInUse, check, rebuild
from projections.verify import Difference
from tests.support import damage
from tests.support.appending import STORY, append
from tests.support.rebuilds import found, left_behind, numbers_of
from tests.support.service import ROOT, command_environment

DAMAGES: dict[str, Callable[[psycopg.Connection], list[Difference]]] = {}
for damaged in CURRENT_STATUS.tables:
    DAMAGES[f"a row of {damaged.name} deleted"] = partial(damage.delete, table=damaged)
    DAMAGES[f"a row inserted into {damaged.name}"] = partial(damage.insert, table=damaged)
    for edited in damaged.columns:
        DAMAGES[f"{edited} edited"] = partial(damage.edit, table=damaged, column=edited.name)


# What is mended


@pytest.mark.parametrize("harm", DAMAGES.values(), ids=DAMAGES)
def test_whatever_is_done_to_a_row_is_named_and_mended(
    shared: psycopg.Connection, harm: Callable[[psycopg.Connection], list[Difference]]
) -> None:
    expected = harm(shared)
    before = numbers_of(shared)
    assert found(shared) == expected
    assert list(check(shared, CURRENT_STATUS)) == expected
    assert numbers_of(shared) == before
    assert left_behind(shared) == []
    assert found(shared) == expected, "a check leaves the tables as they are"
    rebuild(shared, CURRENT_STATUS)
    assert found(shared) == []
    assert not set(numbers_of(shared)) & set(before)
    assert left_behind(shared) == []


def test_of_an_empty_ledger_the_tables_are_empty(owner: psycopg.Connection) -> None:
    append(owner, *STORY)
    owner.execute("ALTER TABLE events DISABLE TRIGGER USER; TRUNCATE events")
    assert rebuild(owner, CURRENT_STATUS) == 0
    assert owner.execute("SELECT FROM message_status").rowcount == 0
    assert found(owner) == []


# What stays as it was


STANDING = """
    SELECT 'table', relname, relkind::text, relowner::regrole::text, reloptions::text
    FROM pg_class WHERE relnamespace = current_schema()::regnamespace
    UNION ALL
    SELECT 'column', attrelid::regclass::text, attnum::text, attname,
        concat_ws(' ', format_type(atttypid, atttypmod), attnotnull, attcollation::regcollation)
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
    WHERE relnamespace = current_schema()::regnamespace AND attnum > 0
    UNION ALL
    SELECT 'grant', attrelid::regclass::text, attname, grantee::regrole::text, privilege_type || is_grantable
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid, aclexplode(attacl)
    WHERE relnamespace = current_schema()::regnamespace
    UNION ALL
    SELECT 'grant', relname, grantor::regrole::text, grantee::regrole::text, privilege_type || is_grantable
    FROM pg_class, aclexplode(relacl) WHERE relnamespace = current_schema()::regnamespace
    UNION ALL
    SELECT 'index', schemaname, tablename, indexname, indexdef
    FROM pg_indexes WHERE schemaname = current_schema()
    UNION ALL
    SELECT 'constraint', conrelid::regclass::text, conname, convalidated::text, pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = current_schema()::regnamespace
    UNION ALL
    SELECT 'comment', relname, objsubid::text, description, NULL
    FROM pg_description JOIN pg_class ON objoid = pg_class.oid
    WHERE relnamespace = current_schema()::regnamespace
    ORDER BY 1, 2, 3, 4, 5
"""
"""All that tables are beside their rows."""


@pytest.fixture
def plain_owner(owner: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """A connection to a ledger told the story, as an owner who is no superuser; a DBA was at work on it."""
    append(owner, *STORY)
    owner.execute("CREATE ROLE plain_owner IN ROLE ledger_service")
    try:
        ((database,),) = owner.execute("SELECT quote_ident(current_database())").fetchall()
        owner.execute(f"ALTER DATABASE {database} OWNER TO plain_owner")
        for (table,) in owner.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"):
            owner.execute(f"ALTER TABLE {table} OWNER TO plain_owner")
        owner.execute(
            "ALTER TABLE message_status SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.01);"
            "GRANT SELECT, DELETE ON channel_status TO ledger_eraser WITH GRANT OPTION;"
            "GRANT SELECT (message_id, channel) ON message_status TO PUBLIC;"
            "GRANT UPDATE (read_at) ON message_status TO ledger_eraser WITH GRANT OPTION"
        )
        owner.execute("SET ROLE plain_owner")
        yield owner
        owner.execute("RESET ROLE")
    finally:
        owner.execute("REASSIGN OWNED BY plain_owner TO CURRENT_USER; DROP ROLE plain_owner")


def test_all_but_the_rows_is_as_before(plain_owner: psycopg.Connection) -> None:
    before = plain_owner.execute(STANDING).fetchall()
    rebuild(plain_owner, CURRENT_STATUS)
    assert plain_owner.execute(STANDING).fetchall() == before
    assert found(plain_owner) == []


def test_the_rebuilt_tables_are_those_of_the_migrations(shared: psycopg.Connection, shared_url: str) -> None:
    rebuild(shared, CURRENT_STATUS)
    checked = subprocess.run(  # noqa: S603 - our own command
        [str(Path(sys.executable).with_name("alembic")), "check"],
        cwd=ROOT,
        env=command_environment(DATABASE_URL=shared_url),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (checked.returncode, checked.stdout.strip()) == (0, "No new upgrade operations detected.")


HANGING = {
    "constraint notes_about_fkey on table notes": (
        'CREATE TABLE notes (about text COLLATE "C" REFERENCES message_status)'
    ),
    "index by_hand": "CREATE INDEX by_hand ON message_status (read_at)",
    "policy own on table message_status": "CREATE POLICY own ON message_status",
    "publication of table message_status in publication outward": (
        "CREATE PUBLICATION outward FOR TABLE message_status"
    ),
    "rule _RETURN on view reports": "CREATE VIEW reports AS SELECT channel FROM message_status",
    "statistics object counted": "CREATE STATISTICS counted ON channel, read_at FROM message_status",
    "trigger told on table message_status": (
        "CREATE TRIGGER told BEFORE UPDATE ON message_status EXECUTE FUNCTION refuse_change()"
    ),
}


def test_what_hangs_on_a_table_is_not_lost_with_it(owner: psycopg.Connection) -> None:
    for hang in HANGING.values():
        owner.execute(hang)
    before = numbers_of(owner)
    with pytest.raises(TableInUse) as refused:
        rebuild(owner, CURRENT_STATUS)
    assert refused.value.detail == ", ".join(HANGING)
    assert numbers_of(owner) == before
    assert left_behind(owner) == []
    assert list(check(owner, CURRENT_STATUS)) == [], "which replaces nothing"
