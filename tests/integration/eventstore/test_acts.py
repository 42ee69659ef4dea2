"""An act stands with what was done, or falls with it, and says who did it however he calls himself."""

from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest

from eventstore.acts import Act, ActDone, acts_on, append_acts, new_act_id
from eventstore.database import Database, LedgerConnection
from eventstore.durable import transact
from tests.support.database import execute


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url, role="ledger_operator") as opened:
        yield opened


def act(subject: str = "key-1", **said: Any) -> Act:
    return Act(new_act_id(), "alice", "key.create", subject, "created")._replace(**said)


async def append(database: Database, *acts: Act) -> None:
    await transact(database, lambda connection: append_acts(connection, acts))


async def on(database: Database, subject: str) -> list[ActDone]:
    async with database.connection() as connection:
        return await acts_on(connection, subject)


async def test_acts_on_a_subject_are_read_back_oldest_first(database: Database) -> None:
    first = act(reason="the client’s", detail={"scopes": ["statuses:read"]})
    second = act(act="key.revoke", outcome="revoked")
    for one in (first, second, act("key-2")):
        await append(database, one)
    done = await on(database, "key-1")
    assert [(one.act_id, one.act, one.outcome) for one in done] == [
        (first.act_id, "key.create", "created"),
        (second.act_id, "key.revoke", "revoked"),
    ]
    assert (done[0].actor, done[0].reason, done[0].detail) == ("alice", first.reason, first.detail)
    assert done[0].database_login == "postgres", "whatever the actor calls himself"


async def test_an_act_appended_again_stays_as_it_is(database: Database) -> None:
    once = act()
    for outcome in ("created", "another"):
        await append(database, once._replace(outcome=outcome))
    (done,) = await on(database, "key-1")
    assert done.outcome == "created"


async def test_an_act_falls_with_what_was_to_be_done(database: Database, database_url: str) -> None:
    async def fail(connection: LedgerConnection) -> None:
        await append_acts(connection, [act()])
        raise ValueError("something else went wrong")

    with pytest.raises(ValueError, match="something else"):
        await transact(database, fail)
    assert execute(database_url, "SELECT count(*) FROM acts") == [(0,)]


async def test_no_acts_are_no_statement(database: Database) -> None:
    await append(database)


@pytest.mark.parametrize("name", ["", "key", "Key.create", "key.create.again", "key create"])
async def test_an_act_is_a_thing_and_a_verb(database: Database, name: str) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="acts_act_is_thing_and_verb"):
        await append(database, act(act=name))
