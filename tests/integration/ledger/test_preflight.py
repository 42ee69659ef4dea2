"""A database is refused for each thing that could lose or falsify a callback, and the reason is said."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from eventstore.database import DatabaseUnavailable
from eventstore.recipients import RecipientKeys, recipient_key_id
from eventstore.statements import statement
from eventstore.tables import APPEND_ONLY
from ledger import preflight
from ledger.commands.opened import RoleMissing, opened_database
from ledger.migration import head
from ledger.preflight import OPERATOR_ROLE, SERVICE_ROLE, Fitness, UnfitDatabase, ensure_fit, inspect
from ledger.settings import DatabaseSettings
from tests.integration.conftest import OwnServer
from tests.support.database import at, cloned, execute, make_template

TABLES = [table.name for table in APPEND_ONLY]


async def inspected(url: str, *, deployed: bool = False, allow_unsafe: bool = False) -> Fitness:
    """Inspect as a service at this version does."""
    return await inspect(url, head=head(), deployed=deployed, allow_unsafe=allow_unsafe)


async def test_a_migrated_database_is_fit(database_url: str) -> None:
    assert await inspected(database_url) == Fitness(role="ledger_service", faults=[], doubts=[])


async def test_a_database_that_cannot_be_reached_is_unavailable(database_url: str) -> None:
    with pytest.raises(DatabaseUnavailable, match=r"cannot be reached: .*no_such_database"):
        await inspected(at(database_url, "no_such_database"))


async def test_all_that_is_wrong_is_told_at_once(database_url: str) -> None:
    execute(database_url, *(f"DROP TRIGGER append_only ON {table}" for table in TABLES))
    with pytest.raises(UnfitDatabase) as raised:
        await ensure_fit(database_url, head=head(), deployed=True, allow_unsafe=False)
    told = str(raised.value)
    assert told.startswith("The database is not fit for the ledger: ")
    for expected in [*(f"append_only of {table} is missing" for table in TABLES), "is a superuser"]:
        assert expected in told


# The schema --------------------------------------------------------------------------------------------


async def test_a_database_without_the_schema_is_refused(postgres: str) -> None:
    with cloned(postgres, "template0") as url:
        assert (await inspected(url)).faults == [
            f"migrations are at nothing, not at {head()}: run `status-ledger migrate`"
        ]


@pytest.mark.parametrize("revision", ["0001", "9999"], ids=["older", "newer"])
async def test_another_revision_is_refused(database_url: str, revision: str) -> None:
    execute(database_url, f"UPDATE alembic_version SET version_num = '{revision}'")  # noqa: S608 - our own word
    assert (await inspected(database_url)).faults == [
        f"migrations are at {revision}, not at {head()}: run `status-ledger migrate`"
    ]


async def test_a_service_comes_back_to_a_schema_that_a_deployment_has_migrated_further(
    database_url: str,
) -> None:
    execute(database_url, "UPDATE alembic_version SET version_num = '9999'")
    fitness = await ensure_fit(database_url, head=head(), deployed=False, allow_unsafe=False, serves=True)
    assert fitness == Fitness(
        role="ledger_service",
        faults=[],
        doubts=[f"migrations are at 9999, not at {head()}: run `status-ledger migrate`"],
    )


@pytest.mark.parametrize(("seconds", "way"), [(86_400, "ahead of"), (-86_400, "behind")])
async def test_a_clock_that_is_not_the_databases_is_told(
    database_url: str, monkeypatch: pytest.MonkeyPatch, seconds: int, way: str
) -> None:
    monkeypatch.setattr(preflight, "utc_now", lambda: datetime.now(UTC) + timedelta(seconds=seconds))
    fitness = await inspected(database_url)
    told = f"this machine's clock is 86400 s {way} the database's: entries will say so for ever"
    assert (fitness.faults, fitness.doubts) == ([], [told])


async def test_a_service_does_not_start_on_an_older_schema(database_url: str) -> None:
    execute(database_url, "UPDATE alembic_version SET version_num = '0001'")
    with pytest.raises(UnfitDatabase, match="migrations are at 0001"):
        await ensure_fit(database_url, head=head(), deployed=False, allow_unsafe=False, serves=True)


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE {} DISABLE TRIGGER append_only",
        "ALTER TABLE {} ENABLE TRIGGER append_only",
        "ALTER TABLE {} ENABLE REPLICA TRIGGER append_only",
        "DROP TRIGGER append_only ON {}",
    ],
    ids=["disabled", "origin only", "replica only", "dropped"],
)
async def test_tables_without_their_guard_are_refused_by_name(database_url: str, change: str) -> None:
    for unguarded in range(1, len(TABLES) + 1):
        execute(database_url, change.format(TABLES[unguarded - 1]))
        assert (await inspected(database_url, allow_unsafe=True)).faults == [
            f"the trigger append_only of {table} is missing or not ENABLE ALWAYS"
            for table in TABLES[:unguarded]
        ]


# Recipient keys ----------------------------------------------------------------------------------------


async def inspected_with(url: str, *keys: str) -> list[str]:
    """Return the faults that a service with this ring of recipient keys finds."""
    ring = RecipientKeys(*keys)
    fitness = await inspect(url, head=head(), deployed=False, allow_unsafe=True, recipients=ring)
    return fitness.faults


async def test_a_recipient_key_that_registrations_use_must_be_in_the_ring(database_url: str) -> None:
    assert await inspected_with(database_url) == []
    used = ("one key", "another", "a third")
    for key in used:
        execute(
            database_url,
            "INSERT INTO registrations (entry_id, client_id, batch_reference, message_reference,"  # noqa: S608 - our own words
            " routing_plan_id, recipient_key_id, recipient_token, salt)"
            f" SELECT gen_random_uuid(), 'client', '{key}', number, 'plan', '{recipient_key_id(key)}',"
            " sha256(number::text::bytea), substr(sha256(number::text::bytea), 1, 16)"
            " FROM generate_series(1, 500) AS number",
        )
    assert await inspected_with(database_url, *used) == []
    assert await inspected_with(database_url, "a new one", *used) == []
    for missing in used:
        (fault,) = await inspected_with(database_url, *(key for key in used if key != missing))
        assert fault.startswith(f"registrations use the recipient key {recipient_key_id(missing)}, which is ")
    assert len(await inspected_with(database_url)) == 3
    assert (await inspected(database_url)).faults == [], "a command that needs no key asks for none"


async def test_the_keys_in_use_are_found_without_reading_the_table(database_url: str) -> None:
    query = statement("eventstore", "recipient_keys_in_use")
    plan = execute(database_url, "SET enable_seqscan = off", f"EXPLAIN {query}")
    assert "Seq Scan" not in str(plan)
    assert str(plan).count("registrations_recipient_idx") == 2


# The server --------------------------------------------------------------------------------------------


async def test_an_encoding_that_is_not_utf8_is_refused(postgres: str) -> None:
    url = at(postgres, "in_ascii")
    execute(postgres, "CREATE DATABASE in_ascii TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'")
    try:
        fitness = await inspected(url, allow_unsafe=True)
        assert fitness.faults[0] == "its encoding is SQL_ASCII, not UTF8"
    finally:
        execute(postgres, "DROP DATABASE in_ascii")


async def test_a_server_that_is_too_old_is_refused(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.preflight.OLDEST_POSTGRES", 99)
    assert (await inspected(database_url)).faults == ["PostgreSQL 99 or later is needed"]


def commit_as(url: str, synchronous: str) -> None:
    """Set `synchronous_commit` for a database."""
    set_it = f"'ALTER DATABASE %I SET synchronous_commit = {synchronous}', current_database()"
    execute(url, f"DO $$ BEGIN EXECUTE format({set_it}); END $$")


async def test_a_database_that_does_not_wait_for_its_commits_is_refused(database_url: str) -> None:
    commit_as(database_url, "off")
    told = "synchronous_commit is off (ALLOW_UNSAFE_DATABASE=true for experiments)"
    assert await inspected(database_url) == Fitness("ledger_service", faults=[told], doubts=[])
    assert await inspected(database_url, allow_unsafe=True) == Fitness("ledger_service", [], doubts=[told])


@pytest.mark.parametrize("synchronous", ["local", "remote_write", "remote_apply"])
async def test_a_database_that_waits_in_another_way_is_fit(database_url: str, synchronous: str) -> None:
    commit_as(database_url, synchronous)
    assert (await inspected(database_url)).faults == []


@pytest.mark.parametrize(
    ("name", "unsafe", "safe"),
    [("fsync", "off", "on"), ("full_page_writes", "off", "on"), ("data_sync_retry", "on", "off")],
)
async def test_a_server_that_could_lose_a_commit_is_refused(
    own_ledger: OwnServer, name: str, unsafe: str, safe: str
) -> None:
    own_ledger.set(name, unsafe)
    try:
        told = f"{name} is {unsafe} (ALLOW_UNSAFE_DATABASE=true for experiments)"
        assert await inspected(own_ledger.url) == Fitness("ledger_service", faults=[told], doubts=[])
        assert await inspected(own_ledger.url, allow_unsafe=True) == Fitness("ledger_service", [], [told])
    finally:
        own_ledger.set(name, safe)


# The login ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def own_ledger(own_server: OwnServer) -> OwnServer:
    """A server of the module's own, migrated."""
    make_template(own_server.url)
    return OwnServer(own_server.holder, at(own_server.url, "migrated"))


@pytest.fixture
def login(own_ledger: OwnServer) -> Iterator[str]:
    """The URL of a login that may nothing yet."""
    execute(own_ledger.url, "CREATE ROLE some_login LOGIN")
    yield own_ledger.as_login("some_login", own_ledger.url)
    execute(own_ledger.url, "REASSIGN OWNED BY some_login TO CURRENT_USER", "DROP ROLE some_login")


@pytest.mark.parametrize("inherits", ["INHERIT", "NOINHERIT"])
async def test_a_plain_login_that_may_act_as_the_service_is_fit_where_deployed(
    own_ledger: OwnServer, login: str, inherits: str
) -> None:
    execute(own_ledger.url, f"ALTER ROLE some_login {inherits}", "GRANT ledger_service TO some_login")
    assert await inspected(login, deployed=True) == Fitness("ledger_service", faults=[], doubts=[])


async def test_a_superuser_is_refused_where_deployed(own_ledger: OwnServer) -> None:
    fitness = await inspected(own_ledger.url, deployed=True)
    assert fitness.faults == ["the service's login is a superuser"]


@pytest.mark.parametrize(
    "ownership",
    [
        "ALTER TABLE entries OWNER TO some_login",
        "ALTER TABLE repeats OWNER TO some_login",
        "CREATE ROLE some_owner; ALTER TABLE events OWNER TO some_owner; GRANT some_owner TO some_login",
    ],
    ids=["of the entries", "of the repeats", "as a member"],
)
async def test_an_owner_is_refused_where_deployed(own_ledger: OwnServer, login: str, ownership: str) -> None:
    execute(own_ledger.url, "GRANT ledger_service TO some_login", *ownership.split("; "))
    try:
        assert (await inspected(login, deployed=True)).faults == [
            "the service's login owns the ledger's tables, or may act as their owner"
        ]
        assert (await inspected(login)).faults == [], "locally it may be"
    finally:
        execute(own_ledger.url, *(f"ALTER TABLE {table} OWNER TO CURRENT_USER" for table in TABLES))
        execute(own_ledger.url, "DROP ROLE IF EXISTS some_owner")


@pytest.mark.parametrize("deployed", [True, False])
async def test_a_login_that_may_read_but_not_act_as_the_service_is_a_doubt(
    own_ledger: OwnServer, login: str, deployed: bool
) -> None:
    execute(own_ledger.url, "GRANT SELECT ON alembic_version TO some_login")
    try:
        assert await inspected(login, deployed=deployed) == Fitness(
            role=None,
            faults=[],
            doubts=["the login may not act as ledger_service: it works under its own grants"],
        )
    finally:
        execute(own_ledger.url, "REVOKE ALL ON alembic_version FROM some_login")


async def test_a_login_that_is_no_operator_may_not_do_what_operators_do(
    own_ledger: OwnServer, login: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # no .env of the developer's
    settings = DatabaseSettings(database_url=SecretStr(login))
    execute(own_ledger.url, "GRANT ledger_service TO some_login")
    with pytest.raises(RoleMissing, match="grant it ledger_operator"):
        async with opened_database(settings, role=OPERATOR_ROLE):
            pass
    execute(own_ledger.url, "GRANT ledger_operator TO some_login")
    for role in (SERVICE_ROLE, OPERATOR_ROLE):
        async with opened_database(settings, role=role) as database, database.connection() as connection:
            cursor = await connection.execute("SELECT current_role::text")
            assert await cursor.fetchall() == [(role,)]


@pytest.mark.parametrize("deployed", [True, False])
async def test_a_stranger_is_refused(login: str, deployed: bool) -> None:
    assert (await inspected(login, deployed=deployed)).faults == [
        "it may not be read: grant the login ledger_service, and run `status-ledger migrate`"
    ]


async def test_a_service_without_its_grants_is_refused(database_url: str) -> None:
    execute(database_url, "REVOKE ALL ON alembic_version FROM ledger_service")
    assert (await inspected(database_url)).faults == [
        "it may not be read: grant the login ledger_service, and run `status-ledger migrate`"
    ]
