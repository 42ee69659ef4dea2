"""Secrets, signatures and an NHS number that are known wherever they appear, and are told everywhere."""

import base64
import json
import re
from datetime import UTC, datetime
from typing import Any

import httpx

from ingest.signature import SigningSecrets
from ledger.app import StatusLedger
from query.cursors import Position, encode
from tests.support.client import BATCH, batch, message
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
