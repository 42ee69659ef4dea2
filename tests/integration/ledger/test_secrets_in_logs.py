"""No key, secret, signature or NHS number reaches a log or an answer, whatever is asked, whatever fails."""

import base64
import io
import json
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import structlog
from asgi_lifespan import LifespanManager

from ingest.signature import SigningSecrets
from ledger.app import create_app
from ledger.settings import Settings
from query.cursors import Position, encode
from tests.support.client import BATCH, batch, message
from tests.support.database import execute
from tests.support.supplier import body, delivered, item

NHS_NUMBER = "9990548609"

KEYS = {
    "NOTIFY_API_KEY": "marked-notify-key",
    "NOTIFY_API_KEY_PREVIOUS": "marked-old-notify-key",
    "CLIENT_API_KEY": "marked-client-key",
    "CLIENT_API_KEY_PREVIOUS": "marked-old-client-key",
    "AUDITOR_API_KEY": "marked-auditor-key",
    "HMAC_SECRET": "MARKED_APPLICATION.marked-api-key",
    "HMAC_SECRET_PREVIOUS": "MARKED_OLD_APPLICATION.marked-old-api-key",
    "RECIPIENT_KEY": "marked-recipient-key",
    "RECIPIENT_KEY_PREVIOUS": "marked-old-recipient-key",
    "METRICS_API_KEY": "marked-metrics-key",
}
WRONG_KEY = "marked-wrong-key"
WRONG_SIGNATURE = "f00dfeed" * 8
MALFORMED_SIGNATURE = "marked-malformed-signature"
DATABASE_PASSWORD = "marked-database-password"

SECRETS = SigningSecrets(KEYS["HMAC_SECRET"])
CLIENT = {"x-api-key": KEYS["CLIENT_API_KEY"]}
AUDITOR = {"x-api-key": KEYS["AUDITOR_API_KEY"]}

PERSONAL = delivered(
    "m",
    channelStatusDescription=f"sent to {NHS_NUMBER}",
    nhsNumber=NHS_NUMBER,
    metadata=[{"recipient": NHS_NUMBER}],
    routingPlan={NHS_NUMBER: NHS_NUMBER},
)
"""A callback's item that says an NHS number wherever the ledger does not look."""


@pytest.fixture
def marked(service_settings: Settings, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings all of whose secrets can be told apart from anything else, at log level debug."""
    del service_settings  # it cleared the environment
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DATABASE_URL", f"{database_url}&password={DATABASE_PASSWORD}")
    monkeypatch.setenv("LOG_LEVEL", "debug")
    monkeypatch.setenv("QUARANTINE_MAX_REQUESTS", "3")
    for name, module in list(sys.modules.items()):  # loggers keep the level that they were first used at
        if name.partition(".")[0] in ("eventstore", "ingest", "ledger", "projections", "query"):
            monkeypatch.setattr(module, "log", structlog.get_logger(), raising=False)
    return Settings.load()


@pytest.fixture
async def client(marked: Settings) -> AsyncIterator[httpx.AsyncClient]:
    application = create_app(marked)
    transport = httpx.ASGITransport(application, raise_app_exceptions=False)
    async with (
        LifespanManager(application),
        httpx.AsyncClient(transport=transport, base_url="http://ledger.test") as session,
    ):
        yield session


async def post(client: httpx.AsyncClient, content: bytes, **changes: str | None) -> httpx.Response:
    headers: dict[str, str | None] = {
        "x-api-key": KEYS["NOTIFY_API_KEY"],
        "x-hmac-sha256-signature": SECRETS.sign(content),
    }
    headers |= {name.replace("_", "-"): value for name, value in changes.items()}
    sent = {name: value for name, value in headers.items() if value is not None}
    return await client.post("/api/status/create", content=content, headers=sent)


async def callbacks(client: httpx.AsyncClient) -> list[httpx.Response]:
    """Return the answers to callbacks of every kind."""
    good = body(PERSONAL)
    conflicting = body(PERSONAL | {"attributes": PERSONAL["attributes"] | {"channelStatus": "failed"}})
    unprocessable = [
        f"not JSON: {NHS_NUMBER}".encode(),
        f'{{"{NHS_NUMBER}": 1, "{NHS_NUMBER}": 2}}'.encode(),
        body(PERSONAL, PERSONAL | {"meta": {NHS_NUMBER: NHS_NUMBER}}),
        body(PERSONAL, item(messageStatus="deliverd", kind="MessageStatus", nhsNumber=NHS_NUMBER)),
        body(item(NHS_NUMBER * 7, channelStatus="sent")),
        body(item("m", reference=NHS_NUMBER * 26, channelStatus="sent")),
        body(delivered("m", timestamp=NHS_NUMBER)),
        body(delivered("m", cascadeOrder=NHS_NUMBER)),
        body(delivered("m", retryCount=int(NHS_NUMBER))),
        body(delivered("m", channelFailureReasonCode=f"{NHS_NUMBER}\0")),
    ]
    old_key, old_secret = KEYS["NOTIFY_API_KEY_PREVIOUS"], SigningSecrets(KEYS["HMAC_SECRET_PREVIOUS"])
    return [
        await post(client, good),
        await post(client, good),
        await post(client, conflicting),
        await post(client, good, x_api_key=old_key, x_hmac_sha256_signature=old_secret.sign(good)),
        *[await post(client, refused) for refused in unprocessable],
        await post(client, good, content_encoding=f"gzip;{NHS_NUMBER}"),
        await post(client, good * 10_000),
        await post(client, good, x_api_key=WRONG_KEY),
        await post(client, good, x_api_key=WRONG_KEY, x_hmac_sha256_signature=None),
        await post(client, good, x_hmac_sha256_signature=WRONG_SIGNATURE),
        await post(client, good, x_hmac_sha256_signature=MALFORMED_SIGNATURE),
        await post(
            client, good, x_hmac_sha256_signature=MALFORMED_SIGNATURE
        ),  # more than the quarantine holds
    ]


async def batches(client: httpx.AsyncClient) -> list[httpx.Response]:
    """Return the answers to a batch; of all that may be wrong with one tells test_personal_data.py."""
    content = batch(message("m", NHS_NUMBER))
    return [
        await client.post(BATCH, content=content, headers=CLIENT),
        await client.post(BATCH, content=content, headers={"x-api-key": WRONG_KEY}),
        await client.post(BATCH, content=content[:-1], headers=CLIENT),
    ]


async def queries(client: httpx.AsyncClient) -> list[httpx.Response]:
    """Return the answers to questions of every kind."""
    cursors = [
        NHS_NUMBER,
        encode(Position(datetime(2026, 11, 23, tzinfo=UTC), NHS_NUMBER), {}),
        encode(Position(datetime(2026, 11, 23, tzinfo=UTC), NHS_NUMBER), {"channel": "sms"}),
        base64.urlsafe_b64encode(json.dumps([NHS_NUMBER]).encode()).decode(),
    ]
    asked: list[dict[str, Any]] = [
        {},
        {"limit": "1"},
        *({"cursor": cursor} for cursor in cursors),
        *(
            {name: NHS_NUMBER}
            for name in (
                "channel",
                "supplierStatus",
                "channelStatus",
                "messageStatus",
                "messageId",
                "messageReference",
                "batchReference",
                "nhsNumber",
                "created_at",
                "createdAfter",
                "createdBefore",
                "limit",
                "nhsNumberr",
            )
        ),
        {"messageId": f"{NHS_NUMBER}\0"},
        {"messageId": [NHS_NUMBER, NHS_NUMBER]},
    ]
    answers = []
    for filters in asked:
        for headers in (CLIENT, {"x-api-key": WRONG_KEY}):
            answers.append(await client.get("/api/statuses", params=filters, headers=headers))
            answers.append(await client.post("/api/statuses/search", json=filters, headers=headers))
    answers += [
        await client.post("/api/statuses/search", content=content, headers=CLIENT)
        for content in (NHS_NUMBER.encode(), f"[{NHS_NUMBER}".encode(), NHS_NUMBER.encode() * 10_000)
    ]
    answers += [
        await client.get(f"/api/messages/{message_id}/timeline", headers=headers)
        for message_id in ("m", NHS_NUMBER)
        for headers in (AUDITOR, CLIENT)
    ]
    for key in (KEYS["METRICS_API_KEY"], WRONG_KEY):
        answers.append(await client.get("/metrics", headers={"x-api-key": key}))
        answers.append(await client.get("/metrics", headers={"authorization": f"Bearer {key}"}))
    answers.append(await client.get(f"/{NHS_NUMBER}", headers=CLIENT))
    answers.append(await client.put("/api/statuses", content=NHS_NUMBER, headers=CLIENT))
    answers.append(await client.get("/api/healthcheck/ready", headers=CLIENT))
    return answers


def assert_tells_nothing(text: str) -> None:
    secrets = [*KEYS.values(), WRONG_KEY, WRONG_SIGNATURE, MALFORMED_SIGNATURE, DATABASE_PASSWORD, NHS_NUMBER]
    secrets += [SECRETS.sign(body(PERSONAL)), "marked-"]
    for secret in secrets:
        assert secret not in text


def break_database(url: str) -> None:
    execute(
        url,
        *(
            f"ALTER TABLE {table} RENAME TO {table}_elsewhere"
            for table in ("message_status", "entries", "events", "quarantine_usage")
        ),
    )


async def test_no_secret_and_no_nhs_number_is_told(
    client: httpx.AsyncClient, database_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    answers = await callbacks(client) + await batches(client) + await queries(client)
    break_database(database_url)
    answers += await callbacks(client) + await batches(client) + await queries(client)
    told = capfd.readouterr()

    assert {answer.status_code for answer in answers} == {
        *(200, 201, 401, 403, 404, 405, 413, 415, 422, 429, 500)
    }
    events = {json.loads(line)["event"] for line in told.err.splitlines()}
    assert events >= {
        "callback.recorded",
        "callback.conflicted",
        "callback.refused",
        "callback.quarantined",
        "callback.turned_away",
        "callback.failed",
        "quarantine.full",
        "request.failed",
    }
    assert_tells_nothing(told.out + told.err)
    for answer in answers:
        assert_tells_nothing(f"{answer.text} {answer.headers}")


async def test_a_failing_start_tells_no_secret(
    marked: Settings, database_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    execute(database_url, "DROP TABLE alembic_version")
    with pytest.raises(Exception, match="migrations") as failed:
        async with LifespanManager(create_app(marked)):
            pass
    told = capfd.readouterr()
    assert_tells_nothing(f"{told.out}{told.err}{failed.value!r}{marked!r}{marked}")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


async def test_a_developers_terminal_shows_no_more(
    marked: Settings, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    application = create_app(marked)
    transport = httpx.ASGITransport(application, raise_app_exceptions=False)
    async with (
        LifespanManager(application),
        httpx.AsyncClient(transport=transport, base_url="http://ledger.test") as client,
    ):
        await callbacks(client)
        await batches(client)
        break_database(database_url)
        await callbacks(client)
        await batches(client)
        await queries(client)
    assert "callback.failed" in terminal.getvalue()
    assert "request.failed" in terminal.getvalue()
    assert "Traceback" in terminal.getvalue()
    assert_tells_nothing(terminal.getvalue())
