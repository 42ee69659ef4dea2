"""A supplier: builds callbacks and signs their exact bytes."""

import json
from typing import Any

from ingest.signature import SigningSecrets

NOTIFY_API_KEY = "test-notify-key"
CLIENT_API_KEY = "test-client-key"
AUDITOR_API_KEY = "test-auditor-key"
HMAC_SECRET = "TEST_APPLICATION.test-api-key"
RECIPIENT_KEY = "test-recipient-key"
SEALING_KEY = "test-sealing-key-that-is-long-enough"
SESSION_SECRET = "test-session-secret, long enough for one"

SECRETS = SigningSecrets(HMAC_SECRET)


def item(
    message_id: str = "2WL3qFTEFM0qMY8xjRbt1LIKCzM",
    *,
    key: str = "key-1",
    kind: str = "ChannelStatus",
    reference: str = "1642109b-69eb-447f-8f97-ab70a74f5db4",
    timestamp: str | None = "2026-11-23T09:15:01.413Z",
    **stated: Any,
) -> dict[str, Any]:
    """Return one item of a callback; `stated` are further attributes, by the supplier's names."""
    attributes: dict[str, Any] = {"messageId": message_id, "messageReference": reference, **stated}
    if timestamp is not None:
        attributes["timestamp"] = timestamp
    return {"type": kind, "attributes": attributes, "meta": {"idempotencyKey": key}}


def delivered(message_id: str = "2WL3qFTEFM0qMY8xjRbt1LIKCzM", **changes: Any) -> dict[str, Any]:
    """Return an item that says that an SMS was delivered."""
    return item(
        message_id,
        **{"channel": "sms", "channelStatus": "delivered", "supplierStatus": "delivered"} | changes,
    )


def body(*items: dict[str, Any]) -> bytes:
    """Return the bytes of a callback as Notify writes them: compact, unescaped."""
    return json.dumps({"data": items}, ensure_ascii=False, separators=(",", ":")).encode()


def signed(content: bytes, **changes: str | None) -> dict[str, str]:
    """Return the headers of a callback; `changes` by name with underscores, None leaves one out."""
    headers: dict[str, str | None] = {
        "x-api-key": NOTIFY_API_KEY,
        "x-hmac-sha256-signature": SECRETS.sign(content),
        "content-type": "application/json",
    }
    headers |= {name.replace("_", "-"): value for name, value in changes.items()}
    return {name: value for name, value in headers.items() if value is not None}
