"""No key, secret, signature or NHS number reaches a log or an answer, whatever is asked, whatever fails."""

import base64
import io
import json
import re
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from asgi_lifespan import LifespanManager
from pydantic import SecretStr

from ingest.signature import SigningSecrets
from ledger.app import StatusLedger, create_app
from ledger.settings import Settings
from query.cursors import Position, encode
from tests.support.client import BATCH, batch, message
from tests.support.collector import collecting
from tests.support.database import execute
from tests.support.pages import OURS, sign_in
from tests.support.routes import routes_of
from tests.support.supplier import body, delivered, item

NHS_NUMBER = "9990548609"

KEYS = {
    "NOTIFY_API_KEY": "marked-notify-key",
    "NOTIFY_API_KEY_PREVIOUS": "marked-old-notify-key",
    "CLIENT_API_KEY": "marked-client-key",
    "CLIENT_API_KEY_PREVIOUS": "marked-old-client-key",
    "AUDITOR_API_KEY": "marked-auditor-key",
    "AUDITOR_API_KEY_PREVIOUS": "marked-old-auditor-key",
    "HMAC_SECRET": "MARKED_APPLICATION.marked-api-key",
    "HMAC_SECRET_PREVIOUS": "MARKED_OLD_APPLICATION.marked-old-api-key",
    "HMAC_SECRETS_ARCHIVE": "MARKED_ARCHIVED.marked-archived-api-key",
    "SEALING_KEY": "marked-sealing-key-that-is-long-enough",
    "SEALING_KEY_PREVIOUS": "marked-old-sealing-key",
    "SESSION_SECRET": "marked-session-secret-that-is-long-enough",
    "SESSION_SECRET_PREVIOUS": "marked-old-session-secret",
    "METRICS_API_KEY": "marked-metrics-key",
    "METRICS_API_KEY_PREVIOUS": "marked-old-metrics-key",
    "RECIPIENT_KEY": "marked-recipient-key",
    "RECIPIENT_KEY_PREVIOUS": "marked-old-recipient-key",
}
WRONG_KEY = "marked-wrong-key"
ISSUED_LIKE = f"slk_{'a1' * 8}_{'Marked' * 7}M"
"""What looks like a key that was issued, and is none."""
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


@asynccontextmanager
async def serving(application: StatusLedger) -> AsyncIterator[httpx.AsyncClient]:
    """Serve, and export every trace and metric when the block ends."""
    transport = httpx.ASGITransport(application, raise_app_exceptions=False)
    async with (
        LifespanManager(application, shutdown_timeout=30),
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


STRANGE = {
    "accept": f"text/csv, {NHS_NUMBER}",
    "authorization": "Bearer marked-bearer",
    "content-type": NHS_NUMBER,
    "cookie": f"audit={NHS_NUMBER}.marked-cookie; another=marked-another",
    "referer": f"https://elsewhere.test/?nhsNumber={NHS_NUMBER}",
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "tracestate": f"vendor={NHS_NUMBER}",
    "user-agent": f"marked-agent {NHS_NUMBER}",
    "x-forwarded-for": NHS_NUMBER,
    "x-hmac-sha256-signature": MALFORMED_SIGNATURE,
    "x-request-id": NHS_NUMBER,
}
"""Headers that nobody looks at, or that mean nothing as they are."""


async def everywhere(client: httpx.AsyncClient, application: StatusLedger) -> list[httpx.Response]:
    """Return the answers of every route that there is to markers in every place, with every kind of key."""
    answers = []
    opening = [*CLIENT.values(), *AUDITOR.values()]
    for route in sorted(routes_of(application.router.routes)):
        method, path = route.split(" ")
        filled = re.sub(r"\{\w+(:path)?\}", NHS_NUMBER, path)
        answers += [
            await client.request(
                method,
                f"{filled}?nhsNumberr={NHS_NUMBER}&messageId={NHS_NUMBER}",
                content=f'{{"unheard-of":"{NHS_NUMBER}"}}',
                headers=STRANGE | {"x-api-key": key},
            )
            for key in (*opening, KEYS["NOTIFY_API_KEY"], KEYS["METRICS_API_KEY"], WRONG_KEY, ISSUED_LIKE)
        ]
        answers += [
            await client.request(method, filled, headers={"x-api-key": key, "accept": "text/csv"})
            for key in opening
        ]
    return answers


async def signed_in(client: httpx.AsyncClient) -> list[httpx.Response]:
    """Return the answers to somebody who signs in to the pages, wrongly and rightly, and mistypes there."""
    answers = [
        await sign_in(client, WRONG_KEY),
        await sign_in(client, KEYS["CLIENT_API_KEY"], next=f"//{NHS_NUMBER}"),
        await sign_in(client, KEYS["AUDITOR_API_KEY"]),
    ]
    paths = ("overview", f"overview?from={NHS_NUMBER}", f"entries/{NHS_NUMBER}", NHS_NUMBER, "ledger")
    answers += [await client.get(f"/audit/{path}") for path in paths]
    answers += [
        await client.post("/audit/search", data={"form_token": token, "messageId": NHS_NUMBER}, headers=OURS)
        for token in ("marked-token", NHS_NUMBER)
    ]
    client.cookies.clear()
    return answers


def assert_tells_no_secret(text: str) -> None:
    for secret in (*KEYS.values(), WRONG_KEY, ISSUED_LIKE, WRONG_SIGNATURE, MALFORMED_SIGNATURE, "marked-"):
        assert secret not in text
    assert SECRETS.sign(body(PERSONAL)) not in text


def assert_tells_nothing(text: str) -> None:
    assert_tells_no_secret(text)
    for number in (NHS_NUMBER, NHS_NUMBER.encode().hex()):
        at = text.find(number)
        assert at < 0, text[max(0, at - 300) : at + 100]


LED_ON = re.compile(r'name="next" value="[^"]*"')
"""Where somebody was about to go, in the page that asks him to sign in first."""


TYPED = re.compile(r'type="text" value="[^"]*"')
"""What somebody typed, in the form that is shown again because it was wrong; a key is never shown again."""


def assert_answers_tell_nothing(answers: Iterable[httpx.Response]) -> None:
    """Look through answers; one that gives what was asked for may repeat a number, an error may not."""
    for answer in answers:
        headers = {name: value for name, value in answer.headers.items() if name != "set-cookie"}
        told = f"{LED_ON.sub('', answer.text)} {headers}"
        assert_tells_no_secret(told)
        if answer.status_code >= 400:
            assert_tells_nothing(TYPED.sub("", told))


def server_log(url: str) -> Path:
    """Return where this test's server writes its log."""
    ((cluster,),) = execute(url, "SHOW data_directory")
    return Path(str(cluster), "server.log")


REFUSED_BY_THE_DATABASE = body(delivered(NHS_NUMBER, key=NHS_NUMBER, reference=NHS_NUMBER))
"""A callback whose columns are all personal: what an error of PostgreSQL's quotes."""


def refuse_rows(url: str) -> None:
    """Let the database refuse rows, which it then quotes to whoever wanted to insert them."""
    execute(
        url,
        f"ALTER TABLE events ADD CONSTRAINT refused CHECK (message_reference <> '{NHS_NUMBER}') NOT VALID",
        "ALTER TABLE quarantine ADD CONSTRAINT refused CHECK (answer <> 401) NOT VALID",
        "ALTER TABLE access_log ADD CONSTRAINT refused CHECK (actor <> 'auditor') NOT VALID",
    )


def break_database(url: str) -> None:
    execute(
        url,
        *(
            f"ALTER TABLE {table} RENAME TO {table}_elsewhere"
            for table in ("message_status", "entries", "events", "quarantine_usage", "api_keys", "leaves")
        ),
    )


def test_every_secret_of_the_settings_is_marked() -> None:
    secret = {name for name, field in Settings.model_fields.items() if "SecretStr" in repr(field.annotation)}
    addresses = {"DATABASE_URL", "MIGRATION_DATABASE_URL", "APPLICATIONINSIGHTS_CONNECTION_STRING"}
    assert {name.upper() for name in secret} == {*KEYS, *addresses}
    assert all("marked-" in value for value in KEYS.values())


async def test_no_secret_and_no_nhs_number_is_told(
    marked: Settings, database_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Nowhere: not in a log, an answer, a metric, a trace, the log of who looked, PostgreSQL's own log."""
    log = server_log(database_url)
    begun = log.stat().st_size
    answers: list[httpx.Response] = []

    with collecting() as collector:
        exporting = {
            "otel_exporter_otlp_endpoint": collector.url,
            "applicationinsights_connection_string": SecretStr(collector.connection_string),
            "traces_sampled": 1.0,
        }
        application = create_app(marked.model_copy(update=exporting))
        async with serving(application) as client:

            async def ask_everything() -> None:
                answers.extend(await everywhere(client, application))
                answers.extend(await signed_in(client))
                answers.extend(await callbacks(client))
                answers.extend(await batches(client))
                answers.extend(await queries(client))

            await ask_everything()
            refuse_rows(database_url)
            answers.append(await post(client, REFUSED_BY_THE_DATABASE))
            assert answers[-1].status_code == 500
            answers.append(await client.get("/api/messages/m/timeline", headers=AUDITOR))
            assert answers[-1].status_code == 500
            looks = str(execute(database_url, "SELECT one::text FROM access_log AS one"))
            break_database(database_url)
            await ask_everything()
    told = capfd.readouterr()

    assert {answer.status_code for answer in answers} >= {
        *(200, 201, 303, 401, 403, 404, 405, 413, 415, 422, 429, 500)
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
    assert_answers_tell_nothing(answers)
    assert "GET /api/messages/{message_id}/timeline" in looks
    assert_tells_nothing(looks)
    assert {span.name for span in collector.spans} >= {"POST /api/status/create", "GET /api/statuses"}
    assert collector.metrics
    assert collector.envelopes
    assert_tells_nothing(collector.everything.decode(errors="replace"))
    with log.open() as file:
        file.seek(begun)
        of_the_server = file.read()
    assert 'violates check constraint "refused"' in of_the_server
    assert_tells_nothing(of_the_server)


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
