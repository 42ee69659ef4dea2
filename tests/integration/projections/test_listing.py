"""The listing gives each page of a batch or a recipient exactly, whatever arrives at the same moment."""

import asyncio
import itertools
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.sql import Select

from eventstore.database import Database
from eventstore.recipients import RecipientKeys
from projections.listing import LISTING_LOCK, Listing
from projections.projection import CURRENT_STATUS, PROJECTIONS
from projections.rebuild import rebuild
from projections.verify import Difference, verify
from query.export import exported_statuses
from query.filters import Query, from_parameters
from query.page import page_of
from query.selects import statuses
from tests.support.appending import append, connected
from tests.support.client import nhs_numbers
from tests.support.database import count
from tests.support.events import RECEIVED, event
from tests.support.rebuilds import wait_for_waiting

RECIPIENTS = RecipientKeys("current", "previous")
ALL_PATIENTS = nhs_numbers(3003)
PATIENTS = ALL_PATIENTS[:3]

NUMBERS = itertools.count(1)


def tell(
    connection: psycopg.Connection,
    *messages: str,
    reference: str | None = None,
    after: timedelta = timedelta(0),
) -> None:
    """Append an event of each message, newer than any before, as one callback; its reference is its id."""
    append(
        connection,
        *(
            event(
                message,
                key=f"key-{number}",
                reference=reference or message,
                occurred_at=RECEIVED - timedelta(days=1) + timedelta(milliseconds=number) + after,
                channel="sms",
                channel_status="sending",
            )
            for message, number in zip(messages, NUMBERS, strict=False)
        ),
    )


def register(
    connection: psycopg.Connection,
    *references: str,
    client: str = "clinic",
    batch: str = "batch",
    patient: str = PATIENTS[0],
    key: int = 0,
) -> None:
    """Register messages in one registration, as the service does."""
    key_id = RECIPIENTS.ids[key]
    connection.execute(
        "WITH entry AS MATERIALIZED (SELECT gen_random_uuid() AS id)"
        " INSERT INTO registrations (entry_id, client_id, batch_reference, message_reference,"
        " routing_plan_id, recipient_key_id, recipient_token, salt)"
        " SELECT id, %s, %s, reference, 'plan', %s, %s, %s FROM unnest(%s::text[]) AS reference, entry"
        " ON CONFLICT DO NOTHING",
        (client, batch, key_id, RECIPIENTS.token(key_id, patient), bytes(16), list(references)),
    )


async def list_all(url: str) -> int:
    async with Database(url, role="ledger_service", connections=1) as database:
        return await Listing(database).once()


def listed(url: str) -> int:
    return asyncio.run(list_all(url))


def answer(connection: psycopg.Connection, composed: Select[Any]) -> list[dict[str, Any]]:
    compiled = composed.compile(
        dialect=PGDialect_psycopg(),  # type: ignore[no-untyped-call]
        compile_kwargs={"render_postcompile": True},
    )
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(str(compiled).encode(), compiled.params).fetchall()


def asked(client: str | None = None, **filters: str) -> Query:
    return from_parameters(filters.items(), RECIPIENTS, client)


def found(connection: psycopg.Connection, client: str | None = None, **filters: str) -> list[str]:
    """Return the ids of a page, which is the same by the listing as when each message is looked up."""
    query = asked(client, **filters)
    page = answer(connection, page_of(query))
    assert page == answer(connection, statuses(query))
    for streamed in (query, asked(client, **{"limit": "3"} | filters)):
        told = answer(connection, exported_statuses(streamed).select)
        assert [(one["message_id"], one["created_at"]) for one in told] == [
            (one["message_id"], one["created_at"]) for one in page[: streamed.filters.limit]
        ]
    return [record["message_id"] for record in page]


def wrong(connection: psycopg.Connection) -> list[Difference]:
    return list(verify(connection, PROJECTIONS))


@pytest.fixture
def another(database_url: str) -> Iterator[psycopg.Connection]:
    with connected(database_url) as opened:
        yield opened


def test_what_comes_before_and_after_a_registration_is_listed(
    owner: psycopg.Connection, database_url: str
) -> None:
    tell(owner, "a", "b", "stranger")
    register(owner, "a", "b", "c", "never")
    assert count(owner, "unlisted_registrations") == 1
    assert found(owner, batchReference="batch") == ["a", "b"]
    tell(owner, "c")
    assert found(owner, batchReference="batch") == ["c", "a", "b"]
    assert listed(database_url) == 1
    assert count(owner, "unlisted_registrations") == 0
    assert found(owner, batchReference="batch") == ["c", "a", "b"]
    tell(owner, "b")
    assert found(owner, batchReference="batch") == ["b", "c", "a"]
    assert found(owner, nhsNumber=PATIENTS[0]) == ["b", "c", "a"]
    assert count(owner, "listed_messages") == 3
    assert wrong(owner) == []


def test_an_append_in_flight_when_its_message_was_registered_is_waited_for(
    owner: psycopg.Connection, another: psycopg.Connection, database_url: str
) -> None:
    another.execute("BEGIN")
    tell(another, "m")
    register(owner, "m")
    listing_now = threading.Thread(target=listed, args=(database_url,))
    listing_now.start()
    held = sql.SQL("SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = {} AND granted")
    while not owner.execute(held.format(LISTING_LOCK & 0xFFFFFFFF)).fetchall():
        time.sleep(0.01)  # nothing tells of it
    tell(owner, "n")  # which nobody waits for
    for _ in range(20):
        assert count(owner, "unlisted_registrations") == 1
        time.sleep(0.01)
    another.execute("COMMIT")
    listing_now.join(60)
    assert count(owner, "unlisted_registrations") == 0
    assert found(owner, batchReference="batch") == ["m"]
    assert wrong(owner) == []


def test_a_message_that_an_older_append_moves_after_a_newer_one_listed_it_is_put_right(
    owner: psycopg.Connection, another: psycopg.Connection, database_url: str
) -> None:
    with connected(database_url) as third:
        third.execute("BEGIN")
        tell(third, "a")
        newest = {"after": timedelta(hours=1)}
        older = threading.Thread(target=tell, args=(another, "a", "m"), kwargs=newest)
        older.start()  # has its snapshot, and waits for `a`
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        while owner.execute(waiting).fetchone() == (0,):
            time.sleep(0.01)  # nothing tells of it
        register(owner, "m")
        tell(owner, "m")
        assert count(owner, "listed_messages") == 1
        third.execute("COMMIT")
        older.join(60)
    assert found(owner, batchReference="batch") == ["m"]
    assert listed(database_url) == 1
    assert found(owner, batchReference="batch") == ["m"]
    assert wrong(owner) == []


def test_an_erasure_under_way_leaves_nothing_to_list(
    owner: psycopg.Connection, another: psycopg.Connection, database_url: str
) -> None:
    tell(owner, "m", "n")
    register(owner, "m", "n")
    another.execute("BEGIN")
    another.execute("LOCK TABLE entries IN SHARE ROW EXCLUSIVE MODE")  # as erase_message does
    listing_now = threading.Thread(target=listed, args=(database_url,))
    listing_now.start()
    wait_for_waiting(owner, 1)
    another.execute("DELETE FROM message_status WHERE message_id = 'm'")
    another.execute("COMMIT")
    listing_now.join(60)
    assert owner.execute("SELECT message_id FROM listed_messages").fetchall() == [("n",)]


def test_a_message_of_several_registrations_is_one_record_and_each_sees_its_own(
    owner: psycopg.Connection, database_url: str
) -> None:
    register(owner, "a", "b", batch="one")
    register(owner, "a", batch="two")
    register(owner, "b", batch="three", key=1)
    register(owner, "b", "c", client="hospital", batch="one", patient=PATIENTS[1])
    tell(owner, "a")
    tell(owner, "b", "c")
    for _ in range(2):
        assert found(owner, batchReference="one") == ["b", "c", "a"]
        assert found(owner, batchReference="two") == ["a"]
        assert found(owner, nhsNumber=PATIENTS[0]) == ["b", "a"]
        assert found(owner, nhsNumber=PATIENTS[0], batchReference="two") == ["a"]
        assert found(owner, nhsNumber=PATIENTS[1], batchReference="two") == []
        assert found(owner, "clinic", batchReference="one") == ["a"]
        assert found(owner, "hospital", batchReference="one") == ["c"]
        assert found(owner, "stranger", batchReference="one") == []
        listed(database_url)
    tell(owner, "b")
    assert found(owner, batchReference="one", limit="1") == ["b", "c"]  # one more tells of another page
    assert wrong(owner) == []


def test_a_message_is_listed_under_the_reference_that_it_bears(
    owner: psycopg.Connection, database_url: str
) -> None:
    register(owner, "first", "second")
    tell(owner, "m", reference="first")
    listed(database_url)
    tell(owner, "m", reference="unknown")
    assert found(owner, batchReference="batch") == []
    tell(owner, "m", reference="second")
    assert found(owner, batchReference="batch") == ["m"]
    tell(owner, "m", reference="first")
    assert found(owner, batchReference="batch") == ["m"]
    assert wrong(owner) == []


def test_nothing_is_listed_before_a_rebuild_where_an_older_service_may_append(
    owner: psycopg.Connection, database_url: str
) -> None:
    owner.execute("UPDATE listing SET begun_at = NULL")
    tell(owner, "a")
    register(owner, "a")
    assert listed(database_url) == 0
    assert found(owner, batchReference="batch") == ["a"]
    rebuild(owner, CURRENT_STATUS)
    assert listed(database_url) == 1
    assert found(owner, batchReference="batch") == ["a"]


def test_a_rebuild_empties_the_listing_and_waits_for_who_fills_it(
    owner: psycopg.Connection, another: psycopg.Connection, database_url: str
) -> None:
    register(owner, "a", "b")
    tell(owner, "a", "b")
    listed(database_url)
    owner.execute("UPDATE listed_messages SET recorded_at = '2001-01-01' WHERE message_id = 'a'")
    owner.execute("UPDATE message_status SET recorded_at = '2001-01-01' WHERE message_id = 'a'")
    another.execute("SELECT pg_advisory_lock(%s)", [LISTING_LOCK])
    assert listed(database_url) == 0  # one at a time
    rebuilding = threading.Thread(target=rebuild, args=(owner, CURRENT_STATUS))
    rebuilding.start()
    with connected(database_url) as third:
        while third.execute("SELECT FROM pg_locks WHERE NOT granted").fetchall() == []:
            time.sleep(0.01)  # nothing tells of it
        assert count(third, "listed_messages") == 2
    another.execute("SELECT pg_advisory_unlock(%s)", [LISTING_LOCK])
    rebuilding.join(60)
    assert (count(owner, "listed_messages"), count(owner, "unlisted_registrations")) == (0, 1)
    assert found(owner, batchReference="batch") == ["a", "b"]
    listed(database_url)
    assert found(owner, batchReference="batch") == ["a", "b"]
    assert wrong(owner) == []


@pytest.mark.parametrize(
    ("damage", "kind"),
    [
        ("UPDATE listed_messages SET recorded_at = '2001-01-01' WHERE message_id = 'a'", "differs"),
        ("UPDATE listed_messages SET recipient_token = sha256('x') WHERE message_id = 'a'", "differs"),
        ("DELETE FROM listed_messages WHERE message_id = 'a'", "missing"),
        (
            "INSERT INTO listed_messages SELECT recorded_at, message_id, client_id, 'another',"
            " message_reference, recipient_token FROM listed_messages WHERE message_id = 'a'",
            "surplus",
        ),
        (
            "INSERT INTO listed_messages SELECT recorded_at, 'gone', client_id, batch_reference,"
            " message_reference, recipient_token FROM listed_messages WHERE message_id = 'a'",
            "surplus",
        ),
    ],
)
def test_a_row_of_the_listing_that_is_not_due_is_found(
    owner: psycopg.Connection, database_url: str, damage: str, kind: str
) -> None:
    register(owner, "a", "b")
    tell(owner, "a", "b")
    listed(database_url)
    assert wrong(owner) == []
    owner.execute(damage.encode())
    assert [(one.table, one.kind) for one in wrong(owner)] == [("listed_messages", kind)]
