"""Issued keys in the database: a salted hash and never the key, made by the owner alone, revoked for ever."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
from psycopg import errors

from eventstore.caller import Caller, Scope
from eventstore.database import Database
from ledger.api_keys import (
    ClientTaken,
    KeyUnknown,
    NameTaken,
    NewKey,
    NotTheOwner,
    all_keys,
    create_key,
    revoke_key,
)
from ledger.issued_keys import IssuedKeys, read_keys
from ledger.key_format import NameMalformed, salted_hash
from ledger.preflight import SERVICE_ROLE
from tests.support.database import execute

READ = [Scope.STATUSES_READ]


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url, connections=4) as database:
        yield database


def text_of(made: NewKey) -> str:
    return made.key.get_secret_value()


async def caller_of(database: Database, made: NewKey) -> Caller | None:
    """Return whose key it is, as a process that starts now sees it."""
    return await IssuedKeys(lambda: read_keys(database)).caller_of(text_of(made).encode())


# Issue


async def test_an_issued_key_is_known_to_the_service_with_its_client_and_scopes(
    owner: Database, database_url: str
) -> None:
    made = await create_key(owner, "clinic", [*Scope, *Scope])
    async with Database(database_url, role=SERVICE_ROLE) as service:
        caller = await caller_of(service, made)
    assert caller == Caller("clinic", frozenset(Scope), sees_all=False, key_id=made.key_id)
    assert text_of(made).startswith(f"slk_{made.key_id}_")


async def test_no_two_keys_are_alike(owner: Database) -> None:
    made = [await create_key(owner, f"key-{number}", READ) for number in range(20)]
    for parts in ({one.key_id for one in made}, {text_of(one)[-43:] for one in made}):
        assert len(parts) == 20


async def test_what_is_kept_is_a_salted_hash_and_the_key_is_nowhere(
    owner: Database, database_url: str
) -> None:
    made = await create_key(owner, "clinic", READ)
    ((salt, digest),) = execute(database_url, "SELECT salt, hash FROM api_keys")
    assert isinstance(salt, bytes)
    assert digest == salted_hash(salt, text_of(made).encode())
    tables = execute(
        database_url, "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relname !~ '^(pg|sql)_'"
    )
    assert ("api_keys",) in tables
    secret = text_of(made)[-43:]
    for (table,) in tables:
        kept = str(execute(database_url, f"SELECT t, t::text FROM {table} t"))  # noqa: S608 - our own names
        assert secret not in kept
        assert secret.encode().hex() not in kept
    assert secret not in f"{made!r} {made}"


async def test_a_key_that_is_shown_again_is_not_the_key(owner: Database) -> None:
    made = await create_key(owner, "clinic", READ)
    for shown in (str(await all_keys(owner)), str(await revoke_key(owner, made.key_id))):
        assert made.key_id in shown
        assert text_of(made)[-43:] not in shown


async def test_who_and_when_are_the_databases_own_words(owner: Database, database_url: str) -> None:
    made = await create_key(owner, "clinic", READ)
    await revoke_key(owner, made.key_id)
    (shown,) = await all_keys(owner)
    ((login, now),) = execute(database_url, "SELECT session_user::text, now()")
    assert (shown.created_by, shown.revoked_by) == (login, login)
    assert shown.revoked_at is not None
    assert shown.created_at <= shown.revoked_at <= now  # type: ignore[operator] # it is a time


async def test_the_list_is_in_order_of_issue_and_tells_the_revoked(owner: Database) -> None:
    made = [
        await create_key(owner, name, scopes, client)
        for name, scopes, client in (
            ("clinic", [Scope.STATUSES_READ, Scope.BATCHES_WRITE], None),
            ("auditors", [Scope.AUDIT_READ], None),
            ("clinic-2", READ, "clinic"),
        )
    ]
    await revoke_key(owner, made[0].key_id)
    shown = await all_keys(owner)
    assert [(one.key_id, one.name, one.client_id, one.scopes) for one in shown] == [
        (made[0].key_id, "clinic", "clinic", ["batches:write", "statuses:read"]),
        (made[1].key_id, "auditors", "auditors", ["audit:read"]),
        (made[2].key_id, "clinic-2", "clinic", ["statuses:read"]),
    ]
    assert [one.revoked_at is not None for one in shown] == [True, False, False]


@pytest.mark.parametrize(("name", "client"), [("Clinic", None), ("clinic", "a b"), ("clinic", "'")])
async def test_a_malformed_name_is_refused(owner: Database, name: str, client: str | None) -> None:
    with pytest.raises(NameMalformed):
        await create_key(owner, name, READ, client)
    assert await all_keys(owner) == []


async def test_a_name_is_given_once_even_where_its_key_was_revoked(owner: Database) -> None:
    await revoke_key(owner, (await create_key(owner, "clinic", READ)).key_id)
    with pytest.raises(NameTaken):
        await create_key(owner, "clinic", READ, "clinic")


@pytest.mark.parametrize("revoked", [False, True])
async def test_a_client_that_exists_is_given_another_key_only_where_it_is_meant(
    owner: Database, revoked: bool
) -> None:
    first = await create_key(owner, "clinic-2026", READ, "clinic")
    if revoked:
        await revoke_key(owner, first.key_id)
    with pytest.raises(ClientTaken, match="--client clinic means it"):
        await create_key(owner, "clinic", READ)
    second = await create_key(owner, "clinic", READ, "clinic")
    caller = await caller_of(owner, second)
    assert caller is not None
    assert caller.client_id == "clinic"


@pytest.mark.parametrize("name", ["notify", "auditor"])
@pytest.mark.parametrize("meant", [False, True])
async def test_the_names_of_the_services_own_are_nobodys(owner: Database, name: str, meant: bool) -> None:
    with pytest.raises(ClientTaken, match="the service's own"):
        await create_key(owner, "some-key" if meant else name, READ, name if meant else None)


async def test_the_client_of_the_environment_is_given_a_key_only_where_it_is_meant(owner: Database) -> None:
    with pytest.raises(ClientTaken, match="--client client means it"):
        await create_key(owner, "client", READ)
    caller = await caller_of(owner, await create_key(owner, "client", READ, "client"))
    assert caller is not None
    assert caller.sees_only == "client"


# Revoke


async def test_a_revoked_key_is_known_no_longer_and_the_others_are(owner: Database) -> None:
    old, new = [await create_key(owner, name, READ, "clinic") for name in ("old", "new")]
    before = await revoke_key(owner, old.key_id)
    assert (before.name, before.client_id, before.revoked_at) == ("old", "clinic", None)
    assert await caller_of(owner, old) is None
    assert await caller_of(owner, new) is not None


async def test_a_key_may_be_revoked_by_itself(owner: Database) -> None:
    made = await create_key(owner, "clinic", READ)
    assert (await revoke_key(owner, text_of(made))).key_id == made.key_id
    assert await caller_of(owner, made) is None


async def test_a_key_revoked_again_stays_revoked_as_it_was(owner: Database) -> None:
    made = await create_key(owner, "clinic", READ)
    await revoke_key(owner, made.key_id)
    (once,) = await all_keys(owner)
    assert await revoke_key(owner, made.key_id) == once
    assert await all_keys(owner) == [once]


async def test_a_key_revoked_by_two_at_once_is_revoked_once(owner: Database) -> None:
    made = await create_key(owner, "clinic", READ)
    told = await asyncio.gather(*(revoke_key(owner, made.key_id) for _ in range(8)))
    assert {one.key_id for one in told} == {made.key_id}
    (shown,) = await all_keys(owner)
    assert shown.revoked_at is not None


@pytest.mark.parametrize("key", ["0" * 16, "clinic", "", "slk_", "%", "\udcff", f"slk_{'0' * 16}_{'A' * 43}"])
async def test_an_unknown_key_cannot_be_revoked_and_is_not_repeated(owner: Database, key: str) -> None:
    await create_key(owner, "clinic", READ)
    with pytest.raises(KeyUnknown) as raised:
        await revoke_key(owner, key)
    assert str(raised.value) == "No key has this id."


# Who may


@pytest.mark.parametrize("role", ["ledger_service", "ledger_reader", "ledger_auditor", "ledger_eraser"])
async def test_nobody_but_the_owner_issues_lists_or_revokes(
    owner: Database, database_url: str, role: str
) -> None:
    made = await create_key(owner, "clinic", READ)
    async with Database(database_url, role=role) as other:
        for attempt in (
            create_key(other, "mine", READ),
            revoke_key(other, made.key_id),
            *([all_keys(other)] if role != "ledger_auditor" else []),
        ):
            with pytest.raises(NotTheOwner, match="MIGRATION_DATABASE_URL"):
                await attempt
    assert await caller_of(owner, made) is not None
    assert len(await all_keys(owner)) == 1


async def test_an_auditor_may_see_who_had_keys_but_not_what_knows_one(
    owner: Database, database_url: str
) -> None:
    await create_key(owner, "clinic", READ)
    async with Database(database_url, role="ledger_auditor") as auditor:
        assert [one.name for one in await all_keys(auditor)] == ["clinic"]
        async with auditor.connection() as connection:
            for column in ("salt", "hash"):
                with pytest.raises(errors.InsufficientPrivilege):
                    await connection.execute(f"SELECT {column} FROM api_keys")  # noqa: S608 - our own words


CHANGES = {
    "a key comes back": "UPDATE api_keys SET revoked_at = NULL, revoked_by = NULL WHERE name = 'old'",
    "a revocation is moved": "UPDATE api_keys SET revoked_at = now() WHERE name = 'old'",
    "a key changes hands": "UPDATE api_keys SET client_id = 'another'",
    "a key opens more": "UPDATE api_keys SET scopes = '{audit:read}'",
    "another hash": "UPDATE api_keys SET hash = sha256('mine')",
    "a key changes as it is revoked": "UPDATE api_keys SET revoked_at = now(), revoked_by = 'me', name = 'x'"
    " WHERE name = 'new'",
    "a key is forgotten": "DELETE FROM api_keys",
    "all are forgotten": "TRUNCATE api_keys",
}


@pytest.mark.parametrize("replicating", ["origin", "replica"])
@pytest.mark.parametrize("change", CHANGES)
async def test_all_that_ever_happens_to_a_key_is_one_revocation(
    owner: Database, database_url: str, change: str, replicating: str
) -> None:
    await revoke_key(owner, (await create_key(owner, "old", READ)).key_id)
    await create_key(owner, "new", READ)
    before = execute(database_url, "TABLE api_keys")
    with psycopg.connect(database_url) as connection:
        connection.execute(f"SET session_replication_role = {replicating}")
        with pytest.raises(errors.RestrictViolation, match="api_keys is append-only"):
            connection.execute(CHANGES[change])
    assert execute(database_url, "TABLE api_keys") == before


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("name", "'Clinic'"),
        ("name", "E'clinic\\n'"),
        ("client_id", "'notify'"),
        ("client_id", "'a''b'"),
        ("scopes", "'{}'"),
        ("scopes", "'{everything}'"),
        ("salt", "''"),
        ("hash", "'short'"),
        ("revoked_at", "now()"),
    ],
)
async def test_a_row_that_breaks_a_rule_is_refused_by_the_database(
    database_url: str, column: str, value: str
) -> None:
    row = {
        "key_id": "'0011223344556677'",
        "name": "'clinic'",
        "client_id": "'clinic'",
        "scopes": "'{statuses:read}'",
        "salt": "decode(repeat('5a', 16), 'hex')",
        "hash": "sha256('key')",
    }
    insert = "INSERT INTO api_keys ({}) VALUES ({})"
    broken = row | {column: value}
    with pytest.raises(errors.CheckViolation):
        execute(database_url, insert.format(", ".join(broken), ", ".join(broken.values())))
    execute(database_url, insert.format(", ".join(row), ", ".join(row.values())))


async def test_a_scope_of_another_version_opens_nothing_and_does_no_harm(
    owner: Database, database_url: str
) -> None:
    made = await create_key(owner, "clinic", READ)
    execute(
        database_url,
        "ALTER TABLE api_keys DROP CONSTRAINT api_keys_scopes_known",
        "ALTER TABLE api_keys DISABLE TRIGGER only_revoked",
        "UPDATE api_keys SET scopes = scopes || '{reports:read}'",
    )
    caller = await caller_of(owner, made)
    assert caller is not None
    assert caller.scopes == frozenset(READ)
