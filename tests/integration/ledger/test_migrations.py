"""Migrations go up, down and up again, one migrator at a time, and never wait long for a lock."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from ledger.migration import MigrationFailed, head, migrate
from ledger.preflight import SERVICE_ROLE
from projections.refold import REBUILD_LOCK
from tests.integration.conftest import OwnServer
from tests.support.database import at, cloned, count, execute
from tests.support.processes import wait_until
from tests.support.service import ROOT, command_environment

ROLES = ["ledger_auditor", "ledger_eraser", "ledger_operator", "ledger_reader", "ledger_service"]

STANDING = """
    SELECT 'relation', relname::text, relkind::text, relacl::text
    FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relname !~ '^alembic_version'
    UNION ALL
    SELECT 'function', oid::regprocedure::text, prosrc, proacl::text
    FROM pg_proc WHERE pronamespace = current_schema()::regnamespace
    UNION ALL
    SELECT 'type', typname::text, typtype::text, typacl::text
    FROM pg_type WHERE typnamespace = current_schema()::regnamespace AND typname !~ 'alembic_version'
    UNION ALL
    SELECT 'grant', nspname::text, privilege_type, grantee::regrole::text
    FROM pg_namespace, aclexplode(nspacl)
    WHERE nspname = current_schema() AND grantee::regrole::text ~ '^ledger_'
    ORDER BY 1, 2, 3, 4
"""
"""All that a migration may have left in the schema, and who may do what with it."""


@pytest.fixture
def empty(postgres: str) -> Iterator[str]:
    """The URL of a database that was never migrated, as its owner."""
    with cloned(postgres, "template0") as url:
        yield url


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository, as far as Alembic needs it."""
    copy = tmp_path_factory.mktemp("repository")
    shutil.copy(ROOT / "pyproject.toml", copy)
    for package in ("eventstore", "ingest", "ledger", "migrations", "projections", "query"):
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def alembic(repository: Path, url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `alembic` as it is typed in the repository's folder."""
    environment = command_environment(DATABASE_URL=url)
    del environment["PYTHONPATH"]
    command = [str(Path(sys.executable).with_name("alembic")), *arguments]
    return subprocess.run(  # noqa: S603 - our own command
        command, cwd=repository, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def started_migration(url: str) -> subprocess.Popen[str]:
    """Start `status-ledger migrate`."""
    command = [sys.executable, "-m", "ledger", "migrate"]
    environment = command_environment(DATABASE_URL=url)
    return subprocess.Popen(command, env=environment, cwd="/", stderr=subprocess.PIPE, text=True)  # noqa: S603 - ours


def revision_of(url: str) -> object:
    return execute(url, "SELECT version_num FROM alembic_version")[0][0]


# Up and down -------------------------------------------------------------------------------------------


def test_up_down_to_nothing_and_up_again(repository: Path, empty: str) -> None:
    roles = "SELECT rolname::text FROM pg_roles WHERE rolname ~ '^ledger_' ORDER BY 1"
    assert execute(empty, STANDING) == []

    assert alembic(repository, empty, "upgrade", "head").returncode == 0
    first = execute(empty, STANDING)
    assert {"entries", "events", "message_status"} <= {name for _, name, *_ in first}

    assert alembic(repository, empty, "downgrade", "base").returncode == 0
    assert execute(empty, STANDING) == []
    assert execute(empty, roles) == [(role,) for role in ROLES], "which may serve another database"

    migrate(empty)
    assert execute(empty, STANDING) == first


def test_the_core_tables_are_those_of_the_migrations(repository: Path, database_url: str) -> None:
    checked = alembic(repository, database_url, "check")
    assert (checked.returncode, checked.stdout.strip()) == (0, "No new upgrade operations detected.")

    execute(
        database_url, "DROP INDEX message_status_reference_idx", "ALTER TABLE events DROP COLUMN retry_count"
    )
    checked = alembic(repository, database_url, "check")
    assert checked.returncode != 0
    assert {"message_status_reference_idx", "retry_count"} <= {*checked.stdout.replace("'", " ").split()}


def test_a_draft_for_a_schema_at_head_is_empty(repository: Path, database_url: str) -> None:
    drafted = alembic(repository, database_url, "revision", "--autogenerate", "-m", "add nothing")
    assert drafted.returncode == 0, drafted.stderr
    (draft,) = repository.glob("migrations/versions/*_add_nothing.py")
    try:
        text = draft.read_text()
        assert f"down_revision = {head()!r}" in text
        assert text.count("    pass\n") == 2, "up and down"
        assert "op." not in text.replace("import op", "")
        assert alembic(repository, database_url, "upgrade", "head").returncode == 0
        assert draft.name.startswith(f"{revision_of(database_url)}_")
    finally:
        draft.unlink()


def test_printed_as_sql_it_is_the_same_schema(repository: Path, empty: str, database_url: str) -> None:
    printed = alembic(repository, empty, "upgrade", "head", "--sql")
    assert printed.returncode == 0, printed.stderr
    execute(empty, printed.stdout)
    assert execute(empty, STANDING) == execute(database_url, STANDING)
    assert revision_of(empty) == head()


def test_again_does_no_harm(database_url: str) -> None:
    before = execute(database_url, STANDING)
    assert migrate(database_url) == []
    assert execute(database_url, STANDING) == before


def test_an_older_revision_may_be_asked_for(empty: str) -> None:
    migrate(empty, "0001")
    assert revision_of(empty) == "0001"
    migrate(empty)
    assert revision_of(empty) == head()


def test_an_unknown_revision_is_said(empty: str) -> None:
    with pytest.raises(MigrationFailed, match="no_such_revision"):
        migrate(empty, "no_such_revision")


# One at a time, and no long waits ----------------------------------------------------------------------


def waiting(connection: psycopg.Connection) -> int:
    """Return how many wait for an advisory lock."""
    return count(connection, "pg_locks WHERE locktype = 'advisory' AND NOT granted")


@pytest.mark.slow
def test_two_migrators_at_once_wait_for_each_other_and_both_succeed(empty: str) -> None:
    named = re.search(r"^MIGRATION_LOCK = (\w+)$", (ROOT / "migrations" / "env.py").read_text(), re.MULTILINE)
    assert named is not None
    with psycopg.connect(empty) as third:
        third.execute("SELECT pg_advisory_lock(%s)", [int(named[1], 0)])
        migrators = [started_migration(empty) for _ in range(2)]
        wait_until(lambda: waiting(third) == 2 or any(migrator.poll() is not None for migrator in migrators))
        assert [migrator.poll() for migrator in migrators] == [None, None]
        assert execute(empty, STANDING) == []
    for migrator in migrators:
        _, told = migrator.communicate(timeout=120)
        assert migrator.returncode == 0, told
    assert revision_of(empty) == head()


def test_a_migrator_waits_for_a_rebuild(empty: str) -> None:
    migrate(empty, "0001")
    with ThreadPoolExecutor(1) as pool, psycopg.connect(empty) as rebuild:
        rebuild.execute("SELECT pg_advisory_lock(%s)", [REBUILD_LOCK])
        migrator = pool.submit(migrate, empty)
        wait_until(lambda: waiting(rebuild) == 1 or migrator.done())
        assert not migrator.done()
        assert revision_of(empty) == "0001"
        rebuild.execute("SELECT pg_advisory_unlock(%s)", [REBUILD_LOCK])
        migrator.result(120)
    assert revision_of(empty) == head()


@pytest.fixture
def one_more(repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Adds a revision that alters `entries`, and lets migrations wait 50 ms for a lock."""
    migrations = tmp_path / "migrations"
    shutil.copytree(repository / "migrations", migrations)
    environment = migrations / "env.py"
    text = environment.read_text()
    assert 'LOCK_TIMEOUT = "5s"' in text
    environment.write_text(text.replace('LOCK_TIMEOUT = "5s"', 'LOCK_TIMEOUT = "50ms"'))
    (migrations / "versions" / "one_more.py").write_text(
        f"from alembic import op\nrevision, down_revision = 'one_more', {head()!r}\n"
        "def upgrade(): op.execute('ALTER TABLE entries ADD COLUMN one_more text')\n"
    )
    monkeypatch.setattr("ledger.migration._HERE", tmp_path)  # where an installed package has them


@contextmanager
def appending(url: str) -> Iterator[psycopg.Connection]:
    """Hold the lock that an append holds until it commits."""
    with psycopg.connect(url) as connection:
        connection.execute("LOCK TABLE entries IN ROW EXCLUSIVE MODE")
        yield connection
        connection.commit()


@pytest.mark.usefixtures("one_more")
def test_a_migration_that_cannot_have_its_lock_gives_up_and_can_be_run_again(database_url: str) -> None:
    before = execute(database_url, STANDING)
    with appending(database_url):
        with pytest.raises(MigrationFailed, match="canceling statement due to lock timeout"):
            migrate(database_url)
        assert revision_of(database_url) != "one_more"
        assert execute(database_url, STANDING) == before
        assert execute(database_url, "SELECT count(*) FROM entries") == [(0,)], "nobody queues behind it"
    migrate(database_url)
    assert revision_of(database_url) == "one_more"


@pytest.mark.usefixtures("one_more")
def test_a_migration_that_gave_up_leaves_the_way_free_for_the_next(database_url: str) -> None:
    with appending(database_url), pytest.raises(MigrationFailed):
        migrate(database_url)
    locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = ("
    locks += "SELECT oid FROM pg_database WHERE datname = current_database())"
    assert execute(database_url, locks) == [(0,)]


# Roles -------------------------------------------------------------------------------------------------


@pytest.fixture
def roleless(own_server: OwnServer) -> Iterator[OwnServer]:
    """A server that has none of the ledger's roles."""
    yield own_server
    for (database,) in execute(own_server.url, "SELECT datname FROM pg_database WHERE datname ~ '^theirs'"):
        execute(own_server.url, f"DROP DATABASE {database} WITH (FORCE)")
    execute(own_server.url, *(f"DROP ROLE IF EXISTS {role}" for role in [*ROLES, "plain_owner"]))


def owned(server: OwnServer, database: str, *, may: str = "") -> str:
    """Return the URL of a new database as its owner, who is no superuser."""
    execute(
        server.url, f"CREATE ROLE plain_owner LOGIN {may}", f"CREATE DATABASE {database} OWNER plain_owner"
    )
    return server.as_login("plain_owner", at(server.url, database))


def test_without_the_right_to_create_roles_it_warns_and_goes_on(roleless: OwnServer) -> None:
    url = owned(roleless, "theirs")
    warnings = migrate(url)
    assert len(warnings) == len(ROLES)
    for role in ROLES:
        expected = f"role {role} does not exist and may not be created by plain_owner"
        assert any(warning.startswith(expected) for warning in warnings)
    assert revision_of(url) == head()

    execute(roleless.url, *(f"CREATE ROLE {role}" for role in ROLES))
    assert migrate(url) == []
    granted = f"SELECT has_table_privilege('{SERVICE_ROLE}', 'message_status', 'INSERT, UPDATE')"
    assert execute(url, granted) == [(True,)], "roles that came later get their grants"


def test_with_that_right_alone_it_creates_them_and_may_act_as_each(roleless: OwnServer) -> None:
    url = owned(roleless, "theirs", may="CREATEROLE")
    assert migrate(url) == []
    for role in ROLES:
        assert execute(url, f"SET ROLE {role}", "SELECT 1") == [(1,)]


def test_roles_created_are_no_logins_and_may_nothing_more(roleless: OwnServer) -> None:
    migrate(owned(roleless, "theirs", may="CREATEROLE"))
    powers = (
        "SELECT DISTINCT rolcanlogin, rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls"
        " FROM pg_roles WHERE rolname ~ '^ledger_'"
    )
    assert execute(roleless.url, powers) == [(False,) * 6]


@pytest.mark.slow
def test_two_databases_of_one_server_may_be_migrated_at_once(roleless: OwnServer) -> None:
    urls = []
    for database in ("theirs_1", "theirs_2"):
        execute(roleless.url, f"CREATE DATABASE {database}")
        urls.append(at(roleless.url, database))
    migrators = [started_migration(url) for url in urls]
    for migrator, url in zip(migrators, urls, strict=True):
        _, told = migrator.communicate(timeout=120)
        assert migrator.returncode == 0, told
        assert execute(url, STANDING) == execute(urls[0], STANDING)
