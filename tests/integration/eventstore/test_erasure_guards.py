"""No deletion without its entry: what the guards of an erasure let through, and whom."""

import httpx
import psycopg
import pytest
from psycopg import errors

from eventstore import erasure
from eventstore.database import Database
from eventstore.tables import ERASABLE
from tests.integration.eventstore.test_erasure import OTHER, REFERENCE, M, request_for, story
from tests.support.clients import register
from tests.support.database import execute

# No deletion without its entry


@pytest.fixture
async def story_told(client: httpx.AsyncClient, database_url: str) -> str:
    """The URL of a ledger that holds two messages, for its owner."""
    await story(client)
    register(database_url, "clinic", REFERENCE)
    return database_url


ERASURE = """
    INSERT INTO entries (received_at, entry_id, rules, kind, client_id, body)
    SELECT now(), gen_random_uuid(), 1, 'erasure', 'operator', convert_to(jsonb_build_object(
        'entries', (SELECT jsonb_agg(entry_id) FROM events WHERE message_id = %(message)s),
        'registrations', '[]'::jsonb,
        'tombstone', encode(message_tombstone(%(message)s), 'hex')
    )::text, 'UTF8')
"""


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM events WHERE message_id = %(other)s",
        "DELETE FROM events",
        "DELETE FROM repeats",  # of an entry that is not named
        "DELETE FROM registrations",
        "DELETE FROM entries WHERE kind = 'callback'",
        "UPDATE events SET message_id = 'x' WHERE message_id = %(message)s",
        "UPDATE entries SET body = NULL, salt = NULL, signature = NULL, rejection = NULL",
        "UPDATE entries SET body = 'x'"
        " WHERE entry_id IN (SELECT entry_id FROM events WHERE message_id = %(message)s)",
        "UPDATE entries SET body = NULL, signature = NULL, received_at = now()"
        " WHERE entry_id IN (SELECT entry_id FROM events WHERE message_id = %(message)s)",
        "UPDATE entries SET body = NULL, signature = NULL, entry_id = gen_random_uuid()"
        " WHERE entry_id IN (SELECT entry_id FROM events WHERE message_id = %(message)s)",
        "UPDATE entries SET body = NULL WHERE kind = 'erasure'",
        "TRUNCATE events",
    ],
)
async def test_beside_an_erasure_entry_the_owner_may_touch_only_what_it_names(
    story_told: str, change: str
) -> None:
    names = {"message": M, "other": OTHER}
    with psycopg.connect(story_told) as owner:
        owner.execute(ERASURE.encode(), names)
        with pytest.raises(errors.RestrictViolation):
            owner.execute(change.encode(), names)


async def test_once_the_transaction_of_an_erasure_is_over_nothing_may_be_touched(story_told: str) -> None:
    names = {"message": M}
    with psycopg.connect(story_told) as owner:
        owner.execute(ERASURE.encode(), names)
        owner.execute("DELETE FROM events WHERE message_id = %(message)s", names)
        owner.rollback()
        owner.execute(ERASURE.encode(), names)
        owner.commit()
        with pytest.raises(errors.RestrictViolation, match="events is append-only, DELETE is refused"):
            owner.execute("DELETE FROM events WHERE message_id = %(message)s", names)


@pytest.mark.parametrize("table", [table.name for table in ERASABLE])
async def test_a_table_of_the_guards_name_that_somebody_made_deceives_none(
    story_told: str, table: str
) -> None:
    with psycopg.connect(story_told) as owner:
        owner.execute("CREATE TEMPORARY TABLE entries AS SELECT * FROM entries")
        owner.execute(
            "INSERT INTO pg_temp.entries (transaction_id, kind, body)"
            " VALUES (pg_current_xact_id(), 'erasure', '{\"entries\": []}')"
        )
        with pytest.raises(errors.RestrictViolation):
            owner.execute(f"DELETE FROM public.{table}")  # noqa: S608 - our own words


async def test_an_erasure_that_could_miss_what_is_committed_meanwhile_is_refused(
    client: httpx.AsyncClient, database_url: str
) -> None:
    await story(client)
    with psycopg.connect(database_url) as late:
        late.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        with pytest.raises(errors.InvalidTransactionState, match="READ COMMITTED"):
            late.execute("SELECT erase_message(%s, 'a', 'r', 'b', true, false, gen_random_uuid())", [M])


async def test_what_a_crashed_rebuild_left_is_reached(
    client: httpx.AsyncClient, eraser: Database, database_url: str
) -> None:
    await story(client)
    execute(
        database_url,
        "CREATE SCHEMA ledger_replaced",
        "CREATE TABLE ledger_replaced.message_status AS SELECT * FROM message_status",
    )
    await erasure.erase(eraser, request_for())
    assert execute(database_url, "SELECT message_id FROM ledger_replaced.message_status") == [(OTHER,)]


async def test_the_eraser_itself_may_not_read_the_ledger(eraser: Database) -> None:
    async with eraser.connection() as connection:
        with pytest.raises(errors.InsufficientPrivilege):
            await connection.execute("SELECT * FROM entries")
