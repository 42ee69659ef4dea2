"""A batch is registered once and durably, whatever becomes of the connection, the commit, or its twin."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from eventstore.database import Database, DatabaseUnavailable
from eventstore.durable import ATTEMPTS
from eventstore.recipients import RecipientKeys
from ingest.batches import InvalidBatch, read
from ingest.recorder import new_request_id
from ingest.registering import Sender, UnknownRecipientKey, register
from tests.support.breaking import WARNING, Breaking, warning_at_each_statement, warning_at_the_commit
from tests.support.client import ANOTHER, NHS_NUMBER, REFERENCE, ROUTING_PLAN, batch, message
from tests.support.database import execute
from tests.support.events import RECEIVED

KEYS = RecipientKeys("recipient key")
ROTATED = RecipientKeys("another key", "recipient key")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url, role="ledger_service") as opened:
        yield opened


def sender(client_id: str = "client") -> Sender:
    """Return who sends, with a new entry id."""
    return Sender(new_request_id(RECEIVED), client_id, RECEIVED)


async def registered(database: Database, *references: str, keys: RecipientKeys = KEYS, **changes: str) -> int:
    """Register messages of one recipient; return how many are new."""
    body = batch(*(message(reference) for reference in references), **changes)
    return await register(database, keys, sender(), read(body))


def rows(url: str) -> list[Any]:
    return execute(
        url,
        "SELECT client_id, batch_reference, message_reference, routing_plan_id FROM registrations"
        " ORDER BY client_id, batch_reference, message_reference",
    )


def counts(url: str) -> tuple[object, ...]:
    """Return how many entries and registrations there are."""
    return execute(url, "SELECT (SELECT count(*) FROM entries), (SELECT count(*) FROM registrations)")[0]


def assert_entries_state_the_rows(url: str) -> None:
    """Recompute every entry's body from the rows that name it, as an offline verifier does."""
    stated: dict[Any, list[str]] = {}
    for entry_id, reference, salt, token in execute(
        url, "SELECT entry_id, message_reference, salt, recipient_token FROM registrations"
    ):
        assert isinstance(salt, bytes)
        assert isinstance(token, bytes)
        hashed = hashlib.sha256(salt + str(reference).encode("utf-8") + token).hexdigest()
        stated.setdefault(entry_id, []).append(hashed)
    entries = execute(url, "SELECT entry_id, body FROM entries WHERE kind = 'registration'")
    assert {entry_id for entry_id, _ in entries} == stated.keys()
    for entry_id, body in entries:
        assert isinstance(body, bytes)
        told = json.loads(body)
        assert sorted(told["messages"]) == sorted(stated[entry_id])
        assert body == json.dumps(told, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


async def test_a_batch_is_an_entry_and_a_row_a_message(database: Database, database_url: str) -> None:
    who = sender()
    body = batch(message("2", ANOTHER), message("1"), message("’"))
    assert await register(database, KEYS, who, read(body)) == 3
    assert rows(database_url) == [
        ("client", REFERENCE, reference, ROUTING_PLAN) for reference in ("1", "2", "’")
    ]
    tokens = execute(
        database_url,
        "SELECT recipient_token, recipient_key_id, octet_length(salt) FROM registrations"
        " ORDER BY message_reference",
    )
    assert tokens == [
        (KEYS.token(KEYS.ids[0], number), KEYS.ids[0], 16) for number in (NHS_NUMBER, ANOTHER, NHS_NUMBER)
    ]
    assert len(execute(database_url, "SELECT DISTINCT salt FROM registrations")) == 3
    assert execute(
        database_url,
        "SELECT entry_id, kind, client_id, received_at, rules, rejection, signature, salt FROM entries",
    ) == [(who.entry_id, "registration", "client", RECEIVED, 1, None, None, None)]
    assert_entries_state_the_rows(database_url)
    (told,) = execute(database_url, "SELECT convert_from(body, 'UTF8')::json FROM entries")[0]
    assert isinstance(told, dict)
    assert (told["messageBatchReference"], told["routingPlanId"]) == (REFERENCE, ROUTING_PLAN)
    assert told["recipientKeyId"] == KEYS.ids[0]


async def test_the_same_batch_again_changes_nothing(database: Database, database_url: str) -> None:
    assert await registered(database, "1", "2") == 2
    before = execute(database_url, "TABLE registrations")
    assert await registered(database, "2", "1") == 0
    assert execute(database_url, "TABLE registrations") == before
    assert counts(database_url) == (1, 2)


async def test_of_a_batch_that_grew_only_what_is_new_is_stated_by_the_new_entry(
    database: Database, database_url: str
) -> None:
    await registered(database, "2", "4")
    assert await registered(database, "1", "2", "3", "4", "5") == 3
    assert counts(database_url) == (2, 5)
    assert_entries_state_the_rows(database_url)


async def test_a_reference_may_be_registered_in_several_batches_and_by_several_clients(
    database: Database, database_url: str
) -> None:
    for client_id in ("one", "other"):
        for reference, number in (("a", NHS_NUMBER), ("b", ANOTHER)):
            body = read(batch(message("1", number), reference=reference))
            assert await register(database, KEYS, sender(client_id), body) == 1
    assert counts(database_url) == (4, 4)


async def test_another_recipient_or_routing_plan_is_refused_and_nothing_is_written(
    database: Database, database_url: str
) -> None:
    await registered(database, "2", "4")
    body = read(batch(*(message(str(number)) for number in range(4)), message("4", ANOTHER)))
    place = r"data\.attributes\.messages\[4\]: registered in this batch for another recipient"
    with pytest.raises(InvalidBatch, match=place):
        await register(database, KEYS, sender(), body)
    with pytest.raises(InvalidBatch, match=r"messages\[1\]: registered in this batch with another routing"):
        await registered(database, "1", "2", routing_plan="another")
    assert counts(database_url) == (1, 2)


async def test_with_another_key_a_registered_batch_stays_as_it_is_and_is_still_compared(
    database: Database, database_url: str
) -> None:
    await registered(database, "1")
    assert await registered(database, "1", keys=ROTATED) == 0
    assert await registered(database, "1", "2", keys=ROTATED) == 1
    with pytest.raises(InvalidBatch, match="another recipient"):
        await register(database, ROTATED, sender(), read(batch(message("1", ANOTHER))))
    used = execute(database_url, "SELECT message_reference, recipient_key_id FROM registrations ORDER BY 1")
    assert used == [("1", KEYS.ids[0]), ("2", ROTATED.ids[0])]
    assert_entries_state_the_rows(database_url)


async def test_what_cannot_be_compared_for_want_of_its_key_is_an_error_and_no_success(
    database: Database, database_url: str
) -> None:
    await registered(database, "1")
    with pytest.raises(UnknownRecipientKey, match=KEYS.ids[0]):
        await registered(database, "1", keys=RecipientKeys("another key"))
    assert counts(database_url) == (1, 1)


async def test_batches_that_overlap_and_come_at_once_register_each_message_once(
    database: Database, database_url: str
) -> None:
    overlapping = [[str(number) for number in range(start, start + 60)] for start in range(0, 60, 10)]
    new = await asyncio.gather(*(registered(database, *references) for references in overlapping))
    assert sum(new) == 110
    assert counts(database_url)[1] == 110
    assert_entries_state_the_rows(database_url)


# Run again ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lose", ["before", "after"])
async def test_a_lost_connection_is_replaced_and_the_batch_registered_once(
    database_url: str, lose: str
) -> None:
    async with Breaking(database_url, lose, times=ATTEMPTS - 1) as database:
        await registered(database, "1", "2")
        assert database.mended == ATTEMPTS - 1
    assert counts(database_url) == (1, 2)
    assert_entries_state_the_rows(database_url)


async def test_a_database_that_stays_lost_is_said(database_url: str) -> None:
    async with Breaking(database_url, "before", times=ATTEMPTS) as database:
        with pytest.raises(DatabaseUnavailable):
            await registered(database, "1")
        assert await registered(database, "1") == 1


async def test_a_commit_with_a_warning_is_never_a_success(database: Database, database_url: str) -> None:
    execute(database_url, WARNING, warning_at_each_statement("registrations"))
    with pytest.raises(DatabaseUnavailable, match="canceling wait for synchronous replication"):
        await registered(database, "1")
    execute(database_url, "DROP TRIGGER warns ON registrations")
    assert await registered(database, "1") == 0, "committed, though nobody was told so"
    assert counts(database_url) == (1, 1)


async def test_after_a_commit_with_a_warning_one_without_is_the_answer(
    database: Database, database_url: str
) -> None:
    # A row that is there already warns no more.
    execute(database_url, WARNING, warning_at_the_commit("registrations"))
    await registered(database, "1")
    assert counts(database_url) == (1, 1)


async def test_what_is_there_already_is_waited_for_like_any_other_commit(
    database: Database, database_url: str
) -> None:
    def written() -> Any:
        return execute(database_url, "SELECT pg_current_wal_insert_lsn() - '0/0'")[0][0]

    await registered(database, "1")
    before = written()
    assert await registered(database, "1") == 0
    assert written() > before, "a commit that writes nothing waits for nothing"
