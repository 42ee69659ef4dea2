"""Whoever changes the ledger behind its back is told of on the pages that show what was changed."""

import shutil

import httpx
import psycopg
import pytest

from eventstore.database import Database
from eventstore.sealing import Sealing
from ledger.preflight import SERVICE_ROLE
from ledger.seals import seals_of
from ledger.settings import Settings
from tests.support.database import execute
from tests.support.pages import sign_in, text_of
from tests.support.sealing import leaves, tampered, write
from tests.support.supplier import body, delivered, signed

BEHIND_ITS_BACK = "Somebody changed the ledger behind its back."


@pytest.fixture
async def browser(
    client: httpx.AsyncClient, service_settings: Settings, database_url: str
) -> httpx.AsyncClient:
    """An auditor's browser, signed in to a ledger with a sealed past: m twice, then another."""
    for one in (delivered("m"), delivered("m"), delivered("another", key="key-2")):
        content = body(one)
        answer = await client.post("/api/status/create", content=content, headers=signed(content))
        assert answer.status_code == 200
        async with Database(database_url, role=SERVICE_ROLE, connections=1) as database:
            await Sealing(database, seals_of(service_settings)).once(now=True)
    assert (await sign_in(client)).status_code == 303
    return client


async def said(browser: httpx.AsyncClient, path: str, code: int = 200) -> str:
    answer = await browser.get(path)
    assert answer.status_code == code, answer.text
    return text_of(answer.text)


async def test_a_clean_ledger_is_told_to_be_one(browser: httpx.AsyncClient, database_url: str) -> None:
    assert BEHIND_ITS_BACK not in await said(browser, "/audit/messages/m")
    for index, entry_id in enumerate(leaves(database_url)):
        page = await said(browser, f"/audit/entries/{entry_id}")
        assert f"Proof proven It is number {index} of the 3 entries that were signed at" in page
        assert BEHIND_ITS_BACK not in page
    ledger = await said(browser, "/audit/ledger")
    assert "Held against that checkpoint the same, at 3 entries" in ledger
    assert BEHIND_ITS_BACK not in ledger


CHANGE_A_BYTE = (
    "UPDATE entries SET body = set_byte(body, 0, 32)"
    " FROM leaves WHERE leaves.entry_id = entries.entry_id AND index = 0"
)
CHANGE_A_TIME = (
    "UPDATE entries SET received_at = received_at - interval '1 second'"
    " FROM leaves WHERE leaves.entry_id = entries.entry_id AND index = 0"
)
CHANGE_AN_EVENT = "UPDATE events SET channel_status = 'failed' WHERE idempotency_key = 'key-1'"
DELETE_AN_ENTRY = "DELETE FROM entries USING leaves WHERE leaves.entry_id = entries.entry_id AND index = 0"


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        (CHANGE_A_BYTE, "entry.changed"),
        (CHANGE_A_TIME, "entry.changed"),
        (CHANGE_AN_EVENT, "event.changed"),
        (DELETE_AN_ENTRY, "entry.gone"),
    ],
)
async def test_what_was_changed_is_named_on_the_timeline_and_on_the_entry(
    browser: httpx.AsyncClient, database_url: str, statement: str, named: str
) -> None:
    entry_id, _, other = leaves(database_url)
    tampered(database_url, statement)
    timeline = await said(browser, "/audit/messages/m")
    assert BEHIND_ITS_BACK in timeline
    assert f"{named} : entry {entry_id}" in timeline
    assert f"altered not what was sealed: {named}" in timeline
    entry = await said(browser, f"/audit/entries/{entry_id}", 404 if named == "entry.gone" else 200)
    assert f"{named} : entry {entry_id}" in entry
    assert BEHIND_ITS_BACK not in await said(browser, "/audit/messages/another")
    assert BEHIND_ITS_BACK not in await said(browser, f"/audit/entries/{other}")


async def test_an_edited_row_of_the_read_model_is_named(
    browser: httpx.AsyncClient, database_url: str
) -> None:
    execute(database_url, "UPDATE channel_status SET read_at = now() WHERE message_id = 'm'")
    page = await said(browser, "/audit/messages/m")
    assert "status.differs : channel_status sms : clients are shown what the ledger does not say" in page
    execute(database_url, "DELETE FROM message_status WHERE message_id = 'another'")
    page = await said(browser, "/audit/messages/another")
    assert "status.differs : message_status : clients are shown what the ledger does not say" in page


async def test_an_entry_that_was_changed_with_its_leaf_is_not_proven(
    browser: httpx.AsyncClient, database_url: str
) -> None:
    tampered(
        database_url,
        CHANGE_A_BYTE,
        "UPDATE entries SET commitment = entry_commitment(salt, body, signature, rejection)",
        "UPDATE leaves SET commitment = entries.commitment FROM entries"
        " WHERE leaves.entry_id = entries.entry_id AND index = 0",
        "UPDATE leaves SET hash = sha256('\\x00'::bytea || leaf_content(entries.entry_id, kind, client_id,"
        " received_at, recorded_at, secret_id, rules, replays, entries.commitment)) FROM entries"
        " WHERE leaves.entry_id = entries.entry_id AND index = 0",
    )
    for entry_id in leaves(database_url):
        assert "Proof not proven The proof that the ledger gives does not hold" in await said(
            browser, f"/audit/entries/{entry_id}"
        )
    page = await said(browser, "/audit/ledger")
    assert "the root of the first 3 entries is not the one that is anchored" in page


CUT_OFF = (
    "DELETE FROM events WHERE idempotency_key = 'key-2'",
    "DELETE FROM entries USING leaves WHERE leaves.entry_id = entries.entry_id AND index = 2",
    "DELETE FROM leaves WHERE index = 2",
    "DELETE FROM checkpoints WHERE size = 3",
    "UPDATE sealer SET size = 2, signed_size = 2, published_size = 2",
)
DELETE_A_LEAF = ("DELETE FROM leaves WHERE index = 1",)
SWAP = (
    "UPDATE leaves SET index = index + 9 WHERE index < 2",
    "UPDATE leaves SET index = 10 - index WHERE index > 2",
)
REPLACE_A_CHECKPOINT = (
    "UPDATE checkpoints SET note = other.note FROM checkpoints AS other"
    " WHERE checkpoints.size = 3 AND other.size = 2",
)
DELETE_A_CHECKPOINT = ("DELETE FROM checkpoints WHERE size = 3",)

NOT_SIGNED = "the checkpoint of 3 entries is not the one that was signed"
NOT_ANCHORED = "the root of the first 3 entries is not the one that is anchored"


@pytest.mark.parametrize(
    ("statements", "told"),
    [
        (CUT_OFF, "3 entries are anchored, the log has 2"),
        (DELETE_A_LEAF, "of the 256 hashes of tile 0, level 0, some are gone"),
        (SWAP, NOT_ANCHORED),
        (REPLACE_A_CHECKPOINT, NOT_SIGNED),
        (DELETE_A_CHECKPOINT, NOT_SIGNED),
    ],
)
async def test_a_log_that_is_not_what_was_anchored_is_told_on_the_ledgers_page(
    browser: httpx.AsyncClient, database_url: str, statements: tuple[str, ...], told: str
) -> None:
    tampered(database_url, *statements)
    page = await said(browser, "/audit/ledger")
    assert f"log.inconsistent : the sealed ledger : {told}" in page
    assert "Held against that checkpoint not the same" in page


async def test_anchors_that_are_gone_are_told(browser: httpx.AsyncClient, service_settings: Settings) -> None:
    shutil.rmtree(service_settings.anchors)
    assert "3 entries were published, but" in await said(browser, "/audit/ledger")


async def test_what_is_not_sealed_yet_is_counted_with_its_lag(
    browser: httpx.AsyncClient, database_url: str
) -> None:
    assert "Entries 3 " in await said(browser, "/audit/ledger")
    with psycopg.connect(database_url) as connection:
        write(connection, 2)
    page = await said(browser, "/audit/ledger")
    assert "Entries 5 " in page
    assert "Waiting for a seal 2, the first for 0." in page
    assert "Sealed 3 entries" in page


async def test_a_backdated_row_is_named(browser: httpx.AsyncClient, database_url: str) -> None:
    ((entry_id,),) = execute(
        database_url,
        "INSERT INTO entries (entry_id, kind, client_id, received_at, recorded_at, rules, rejection, body)"
        " SELECT gen_random_uuid(), 'callback', 'notify', now() - interval '1 hour',"
        " now() - interval '1 hour', 1, 'refused', '{}' RETURNING entry_id",
    )
    assert "entry.backdated : entry" in await said(browser, f"/audit/entries/{entry_id}")
