"""`GET /api/entries/{entry_id}`: one entry as evidence."""

import base64
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from asgi_lifespan import LifespanManager
from pydantic import SecretStr

from ingest.signature import SigningSecrets, secret_id
from ledger.app import create_app
from ledger.settings import Settings
from tests.support.client import BATCH, NHS_NUMBER, REFERENCE, batch, message
from tests.support.client import KEY as CLIENT
from tests.support.database import execute
from tests.support.supplier import (
    AUDITOR_API_KEY,
    CLIENT_API_KEY,
    HMAC_SECRET,
    NOTIFY_API_KEY,
    body,
    delivered,
    item,
    signed,
)

KEY = {"x-api-key": AUDITOR_API_KEY}
OLD_SECRET = "TEST_APPLICATION.retired"


async def post(client: httpx.AsyncClient, content: bytes, answered: int = 200, **headers: Any) -> str:
    """Post a callback and return the id of its entry."""
    answer = await client.post("/api/status/create", content=content, headers=signed(content, **headers))
    assert answer.status_code == answered
    return answer.headers["x-request-id"]


async def entry(client: httpx.AsyncClient, entry_id: str) -> dict[str, Any]:
    answer = await client.get(f"/api/entries/{entry_id}", headers=KEY)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["data"]
    return found


@asynccontextmanager
async def served(settings: Settings, **changes: Any) -> AsyncIterator[httpx.AsyncClient]:
    application = create_app(settings.model_copy(update=changes))
    transport = httpx.ASGITransport(application)
    async with (
        LifespanManager(application, startup_timeout=30, shutdown_timeout=30),
        httpx.AsyncClient(transport=transport, base_url="http://ledger.test") as session,
    ):
        yield session


async def test_an_entry_is_the_request_as_received_with_what_came_of_it(client: httpx.AsyncClient) -> None:
    repeated = delivered("m", key="1")
    first = await post(client, body(repeated))
    content = body(repeated, delivered("n", key="2", channel="email"))
    found = await entry(client, await post(client, content))
    assert base64.b64decode(found["body"]) == content
    assert found["sha256"] == hashlib.sha256(content).hexdigest()
    assert found["signature"] == SigningSecrets(HMAC_SECRET).sign(content)
    assert found["secretId"] == secret_id(HMAC_SECRET)
    assert (found["kind"], found["clientId"], found["rules"]) == ("callback", "notify", 1)
    assert (found["verification"], found["rejection"], found["ledgerIndex"]) == ("verified", None, None)
    assert found["receivedAt"] <= found["recordedAt"]
    assert [
        (one["kind"], one["item"], one["messageId"], one["channel"], one["firstEntryId"])
        for one in found["stated"]
    ] == [("repeat", 0, "m", "sms", first), ("event", 1, "n", "email", found["entryId"])]


async def test_a_refused_entry_tells_why_and_what_replays_it(
    client: httpx.AsyncClient, database_url: str
) -> None:
    refused = await post(client, body(item("m", channel="sms", channelStatus="teleported")), 422)
    found = await entry(client, refused)
    assert found["rejection"].startswith("data[0].attributes.channelStatus")
    assert (found["verification"], found["stated"], found["replayedBy"]) == ("verified", [], None)
    replay = await post(client, body(delivered("m")))
    execute(
        database_url,
        "ALTER TABLE entries DISABLE TRIGGER append_only",
        f"UPDATE entries SET replays = '{refused}' WHERE entry_id = '{replay}'",  # noqa: S608 - the test's own words
    )
    assert (await entry(client, refused))["replayedBy"] == replay
    found = await entry(client, replay)
    assert (found["replays"], found["replaysKind"]) == (refused, "entry")


async def test_a_registration_is_shown_without_an_nhs_number(
    client: httpx.AsyncClient, database_url: str
) -> None:
    answer = await client.post(BATCH, content=batch(message("r")), headers=CLIENT)
    assert answer.status_code == 201
    ((entry_id,),) = execute(database_url, "SELECT entry_id::text FROM entries")
    found = await entry(client, str(entry_id))
    kept = base64.b64decode(found["body"])
    assert json.loads(kept)["messageBatchReference"] == REFERENCE
    assert NHS_NUMBER not in kept.decode() + json.dumps(found)
    assert (found["kind"], found["verification"], found["secretId"]) == ("registration", "unsigned", None)


async def test_an_unknown_entry_is_404(client: httpx.AsyncClient) -> None:
    for entry_id in ("00000000-0000-7000-8000-000000000000", "nonsense", "1", "%00", "é"):
        answer = await client.get(f"/api/entries/{entry_id}", headers=KEY)
        assert (answer.status_code, answer.json()) == (404, {"status": "Not Found"}), entry_id


async def test_without_the_auditors_key_there_is_no_answer(client: httpx.AsyncClient) -> None:
    known = await post(client, body(delivered("m")))
    for key in ({}, {"x-api-key": CLIENT_API_KEY}, {"x-api-key": NOTIFY_API_KEY}):
        for path in (f"/api/entries/{known}", "/api/entries/unknown", "/api/messages?reference=r"):
            assert (await client.get(path, headers=key)).status_code == 401


# Verification


async def test_a_retired_secret_verifies_what_it_signed_and_lets_no_callback_pass(
    service_settings: Settings,
) -> None:
    content, later = body(delivered("m", key="1")), body(delivered("m", key="2"))
    old: dict[str, Any] = {"x_hmac_sha256_signature": SigningSecrets(OLD_SECRET).sign(content)}
    async with served(service_settings, hmac_secret_previous=(SecretStr(OLD_SECRET),)) as client:
        signed_then = await post(client, content, **old)
        assert (await entry(client, signed_then))["verification"] == "verified"
    async with served(service_settings) as client:
        assert (await entry(client, signed_then))["verification"] == "secret unknown"
    async with served(service_settings, hmac_secrets_archive=(SecretStr(OLD_SECRET),)) as client:
        found = await entry(client, signed_then)
        assert (found["verification"], found["secretId"]) == ("verified", secret_id(OLD_SECRET))
        await post(client, content, 403, **old)
        await post(client, later, 403, x_hmac_sha256_signature=SigningSecrets(OLD_SECRET).sign(later))
        assert OLD_SECRET not in json.dumps(found)


@pytest.mark.parametrize(
    ("tampering", "verification"),
    [
        ("body = overlay(body placing 'M'::bytea from 60)", "wrong"),
        ("signature = sha256('forged')", "wrong"),
        ("secret_id = 'another'", "secret unknown"),
        ("body = NULL", "erased"),
        ("signature = NULL", "erased"),
    ],
)
async def test_what_was_done_behind_the_ledgers_back_shows_in_the_verification(
    client: httpx.AsyncClient, database_url: str, tampering: str, verification: str
) -> None:
    entry_id = await post(client, body(delivered("m")))
    execute(
        database_url,
        "ALTER TABLE entries DISABLE TRIGGER append_only",
        f"UPDATE entries SET {tampering}",  # noqa: S608 - the test's own words
    )
    assert (await entry(client, entry_id))["verification"] == verification
