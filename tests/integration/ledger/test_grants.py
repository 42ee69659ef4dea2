"""Each role may do exactly what it needs: the whole matrix of role, table and statement."""

from collections.abc import Iterator
from contextlib import suppress

import psycopg
import pytest
from psycopg import errors

from tests.support.database import cloned

ROLES = ["ledger_service", "ledger_operator", "ledger_reader", "ledger_auditor", "ledger_eraser"]

STATEMENTS = ["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE"]

EXPECTED = {
    # table: what ledger_service, ledger_operator, ledger_reader, ledger_auditor and ledger_eraser may
    "entries": ("SELECT INSERT", "SELECT INSERT", "", "SELECT", ""),
    "events": ("SELECT INSERT", "SELECT INSERT", "", "SELECT", ""),
    "repeats": ("SELECT INSERT", "SELECT INSERT", "", "SELECT", ""),
    "registrations": ("SELECT INSERT", "SELECT", "", "SELECT", ""),
    "listed_messages": ("SELECT INSERT UPDATE", "SELECT INSERT UPDATE", "", "SELECT", ""),
    "unlisted_registrations": ("SELECT INSERT DELETE", "", "", "SELECT", ""),
    "listing": ("SELECT", "", "", "SELECT", ""),
    "message_status": ("SELECT INSERT UPDATE", "SELECT INSERT UPDATE", "SELECT", "SELECT", ""),
    "channel_status": ("SELECT INSERT UPDATE", "SELECT INSERT UPDATE", "SELECT", "SELECT", ""),
    "quarantine": ("SELECT INSERT", "SELECT UPDATE", "", "", ""),
    "quarantine_usage": ("SELECT UPDATE", "SELECT UPDATE", "", "", ""),
    "api_keys": ("SELECT", "", "", "SELECT", ""),
    "acts": ("", "SELECT INSERT", "", "SELECT", ""),
    "access_log": ("INSERT", "INSERT", "", "SELECT", ""),
    "tombstone_salt": ("SELECT", "SELECT", "", "SELECT", ""),
    "erased_messages": ("SELECT", "SELECT", "", "SELECT", ""),
    "alembic_version": ("SELECT", "SELECT", "", "SELECT", "SELECT"),
    "ledger_grants": ("", "", "", "SELECT", ""),
    "leaves": ("SELECT INSERT", "", "", "SELECT", ""),
    "tiles": ("SELECT INSERT", "", "", "SELECT", ""),
    "checkpoints": ("SELECT INSERT", "", "", "SELECT", ""),
    "sealer": ("SELECT UPDATE", "", "", "SELECT", ""),
}

NOT_THE_WRITERS = {
    # (table, statement): columns that the database alone fills, that never change, or that wait for settling
    ("entries", "INSERT"): {"recorded_at", "transaction_id"},
    ("events", "INSERT"): {"recorded_at", "key_hash"},
    ("registrations", "INSERT"): {"recorded_at"},
    ("quarantine", "INSERT"): {"recorded_at", "settled_at", "freed_bytes", "settlement"},
    ("quarantine", "UPDATE"): {"recorded_at", "received_at", "quarantine_id", "answer", "secret_id"},
    ("quarantine_usage", "UPDATE"): {"one_row"},
    ("acts", "INSERT"): {"acted_at", "database_login"},
    ("access_log", "INSERT"): {"accessed_at", "database_login"},
    ("sealer", "UPDATE"): {"one_row"},
}


@pytest.fixture(scope="module")
def owner(postgres: str) -> Iterator[psycopg.Connection]:
    with cloned(postgres) as url, psycopg.connect(url) as connection:
        yield connection


@pytest.fixture
def service(owner: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """A connection that works as the service."""
    owner.execute("SET ROLE ledger_service")
    yield owner
    owner.rollback()


def tables(owner: psycopg.Connection) -> set[str]:
    """Return every table, view and sequence of the schema."""
    found = owner.execute(
        "SELECT relname::text FROM pg_class"
        " WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')"
    )
    return {name for (name,) in found}


def test_every_table_has_its_line_in_the_matrix(owner: psycopg.Connection) -> None:
    assert tables(owner) == set(EXPECTED)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("table", EXPECTED)
def test_a_role_may_do_with_a_table_what_the_matrix_says(
    owner: psycopg.Connection, role: str, table: str
) -> None:
    asked = (
        "SELECT has_table_privilege(%(role)s, %(table)s, %(statement)s)"
        " OR CASE WHEN %(statement)s IN ('SELECT', 'INSERT', 'UPDATE')"
        " THEN has_any_column_privilege(%(role)s, %(table)s, %(statement)s) ELSE false END"
    )
    may = [
        statement
        for statement in STATEMENTS
        for (allowed,) in owner.execute(asked, {"role": role, "table": table, "statement": statement})
        if allowed
    ]
    assert may == EXPECTED[table][ROLES.index(role)].split()


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("table", EXPECTED)
@pytest.mark.parametrize("statement", ["SELECT count(*) FROM {}", "DELETE FROM {}", "TRUNCATE {}"])
def test_what_the_matrix_does_not_say_is_refused(
    owner: psycopg.Connection, role: str, table: str, statement: str
) -> None:
    owner.execute(f"SET ROLE {role}")
    if statement.partition(" ")[0] in EXPECTED[table][ROLES.index(role)]:
        owner.execute(statement.format(table))
    else:
        with pytest.raises(errors.InsufficientPrivilege):
            owner.execute(statement.format(table))
    owner.rollback()


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("table", EXPECTED)
@pytest.mark.parametrize("statement", ["INSERT", "UPDATE"])
def test_what_the_matrix_does_not_say_is_not_written_column_by_column(
    owner: psycopg.Connection, role: str, table: str, statement: str
) -> None:
    columns = [
        column
        for (column,) in owner.execute(
            "SELECT attname::text FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
            " AND NOT attisdropped AND attgenerated = '' ORDER BY attnum",
            [table],
        )
    ]
    kept_back = NOT_THE_WRITERS.get((table, statement), set())
    allowed = statement in EXPECTED[table][ROLES.index(role)].split()
    owner.execute(f"SET ROLE {role}")
    for column in columns:
        written = {
            "INSERT": f"INSERT INTO {table} ({column}) SELECT NULL WHERE false",
            "UPDATE": f"UPDATE {table} SET {column} = NULL WHERE false",  # noqa: S608 - our own words
        }[statement]
        refused = False
        with suppress(psycopg.Error), owner.transaction():
            try:
                owner.execute(written)
            except errors.InsufficientPrivilege:
                refused = True
                raise
        assert refused == (not allowed or column in kept_back), column
    owner.rollback()


NOBODY = [
    "CREATE TABLE another ()",
    "CREATE SCHEMA another",
    "CREATE ROLE another",
    "CREATE FUNCTION another() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    "CREATE INDEX ON entries (kind)",
    "CREATE RULE another AS ON INSERT TO entries DO INSTEAD NOTHING",
    "CREATE TRIGGER another BEFORE INSERT ON entries EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "ALTER TABLE entries DISABLE TRIGGER ALL",
    "ALTER TABLE entries OWNER TO current_user",
    "ALTER TABLE entries ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE entries ALTER recorded_at DROP DEFAULT",
    "ALTER FUNCTION is_erased(text) SECURITY DEFINER",
    "DROP TABLE entries",
    "DROP FUNCTION is_erased(text) CASCADE",
    "SET session_replication_role = replica",
    "COPY entries TO '/tmp/entries'",
    "COPY entries TO PROGRAM 'cat'",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT lo_import('/etc/passwd')",
    "SELECT pg_ls_dir('.')",
    "SELECT rolpassword FROM pg_authid",
    "SELECT grant_ledger_roles()",
    "LOCK TABLE entries IN ACCESS EXCLUSIVE MODE",
    *(f"SET ROLE {role}" for role in ROLES),
]
"""What no role of the service's may do, by whatever grant or membership: its guards are the owner's alone."""


@pytest.mark.parametrize("role", ROLES)
def test_no_role_gets_round_the_guards(owner: psycopg.Connection, role: str) -> None:
    owner.execute(f"SET SESSION AUTHORIZATION {role}")
    for statement in NOBODY:
        if statement == f"SET ROLE {role}":
            continue
        with pytest.raises(psycopg.Error) as refused, owner.transaction():  # noqa: PT012 - rolled back to go on
            owner.execute(statement)
            raise AssertionError(statement)
        assert isinstance(refused.value, errors.InsufficientPrivilege), (statement, refused.value)
    owner.rollback()


@pytest.mark.parametrize(
    ("role", "table", "statement"),
    [
        (role, table, word)
        for table, may in EXPECTED.items()
        for role in ("ledger_service", "ledger_operator")
        for word in may[ROLES.index(role)].split()
        if word in ("INSERT", "UPDATE")
    ],
)
def test_who_writes_may_write_every_column_but_these(
    owner: psycopg.Connection, role: str, table: str, statement: str
) -> None:
    columns = owner.execute(
        "SELECT attname::text, has_column_privilege(%s, attrelid, attnum, %s) FROM pg_attribute"
        " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped",
        [role, statement, table],
    )
    refused = {column for column, allowed in columns if not allowed}
    assert refused == NOT_THE_WRITERS.get((table, statement), set())


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("entries", "recorded_at", "now()"),
        ("entries", "transaction_id", "pg_current_xact_id()"),
        ("events", "recorded_at", "now()"),
        ("registrations", "recorded_at", "now()"),
        ("quarantine", "recorded_at", "now()"),
    ],
)
def test_the_service_cannot_say_when_something_was_recorded(
    service: psycopg.Connection, table: str, column: str, value: str
) -> None:
    with pytest.raises(errors.InsufficientPrivilege, match=f"permission denied for table {table}"):
        service.execute(f"INSERT INTO {table} ({column}) VALUES ({value})")  # noqa: S608 - our own words


def test_the_service_cannot_change_what_it_may_do(service: psycopg.Connection) -> None:
    with pytest.raises(errors.InsufficientPrivilege, match="grant_ledger_roles"):
        service.execute("SELECT grant_ledger_roles()")


def test_what_a_role_was_given_beside_its_lines_is_taken_back(owner: psycopg.Connection) -> None:
    owner.execute("GRANT DELETE, UPDATE (body) ON entries TO ledger_reader")
    owner.execute("SELECT grant_ledger_roles()")
    asked = "SELECT has_table_privilege('ledger_reader', 'entries', 'DELETE')"
    asked += " OR has_any_column_privilege('ledger_reader', 'entries', 'UPDATE')"
    assert owner.execute(asked).fetchall() == [(False,)]
    owner.rollback()


EXECUTABLE_BY_ONE = {"erase_message": "ledger_eraser", "hold_off_vacuum": "ledger_eraser"}
"""The functions that not everybody may run, each with the one role that may; the owner's own are not here."""


def test_what_works_with_its_owners_rights_is_run_by_one_role_and_finds_our_tables_alone(
    owner: psycopg.Connection,
) -> None:
    functions = owner.execute(
        "SELECT proname::text, oid, proconfig, current_schema() FROM pg_proc"
        " WHERE pronamespace = current_schema()::regnamespace AND prosecdef"
    ).fetchall()
    assert {name for name, *_ in functions} == set(EXECUTABLE_BY_ONE)
    for name, oid, settings, schema in functions:
        assert f"search_path=pg_catalog, {schema}, pg_temp" in settings
        asked = "SELECT rolname FROM pg_roles WHERE has_function_privilege(rolname, %s, 'EXECUTE')"
        asked += " AND NOT rolsuper AND rolname !~ '^pg_'"
        assert owner.execute(asked, [oid]).fetchall() == [(EXECUTABLE_BY_ONE[name],)]


@pytest.mark.parametrize("role", [role for role in ROLES if role != "ledger_eraser"])
def test_nobody_but_the_eraser_may_erase(owner: psycopg.Connection, role: str) -> None:
    owner.execute(f"SET ROLE {role}")
    with pytest.raises(errors.InsufficientPrivilege, match="permission denied for function erase_message"):
        owner.execute("SELECT erase_message('m', 'me', 'why', 'basis', true, true, gen_random_uuid())")
    owner.rollback()


@pytest.mark.parametrize("role", ["ledger_service", "ledger_operator"])
def test_who_appends_cannot_claim_that_something_was_erased(owner: psycopg.Connection, role: str) -> None:
    owner.execute(f"SET ROLE {role}")
    with pytest.raises(errors.RestrictViolation, match="written by erase_message alone"):
        owner.execute(
            "INSERT INTO entries (received_at, entry_id, rules, kind, client_id)"
            " VALUES (now(), gen_random_uuid(), 1, 'erasure', 'operator')"
        )
    owner.rollback()


def test_a_function_that_a_role_was_given_is_taken_back(owner: psycopg.Connection) -> None:
    function = "erase_message(text, text, text, text, boolean, boolean, uuid)"
    owner.execute(f"GRANT EXECUTE ON FUNCTION {function} TO ledger_operator")
    owner.execute("SELECT grant_ledger_roles()")
    asked = "SELECT has_function_privilege('ledger_operator', %s, 'EXECUTE')"
    assert owner.execute(asked, [function]).fetchall() == [(False,)]
    owner.rollback()


def test_everybody_else_may_do_nothing(owner: psycopg.Connection) -> None:
    granted = owner.execute(
        "SELECT relname FROM pg_class, aclexplode(relacl)"
        " WHERE relnamespace = current_schema()::regnamespace AND grantee = 0"
    )
    assert granted.fetchall() == []


def test_no_role_is_another_one_too(owner: psycopg.Connection) -> None:
    members = owner.execute("SELECT 1 FROM pg_auth_members WHERE member::regrole::text ~ '^ledger_'")
    assert members.fetchall() == []
