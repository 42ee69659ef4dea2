"""Derives again what a callback states: the events of its items, by rules 1, from its bytes alone.

The parser of the service is not used: its mistakes would be made twice. Whether a callback should have been
accepted is not asked again; one that was accepted has the structure that is read here.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import rfc8785

from ledger.audit.notes import NotProven

TOLERANCE = timedelta(minutes=5)
"""How far ahead of its receipt an event may take effect."""

_FROM_ATTRIBUTES = {
    "message_id": "messageId",
    "message_reference": "messageReference",
    "channel": "channel",
    "message_status": "messageStatus",
    "channel_status": "channelStatus",
    "supplier_status": "supplierStatus",
    "message_failure_code": "messageFailureReasonCode",
    "channel_failure_code": "channelFailureReasonCode",
    "cascade_type": "cascadeType",
    "cascade_order": "cascadeOrder",
    "retry_count": "retryCount",
}

_SAFE = 2**53 - 1


def derive(body: bytes, received_at: datetime) -> list[dict[str, Any]]:
    """Return the events that a callback states, by the names of the columns; raises `NotProven`."""
    try:
        items = json.loads(body, parse_int=_number, parse_float=float)["data"]
        return [_event(place, item, received_at) for place, item in enumerate(items)]
    except (KeyError, TypeError, ValueError, AttributeError):
        raise NotProven("its body is not that of a callback") from None


def _event(place: int, item: Mapping[str, Any], received_at: datetime) -> dict[str, Any]:
    attributes = item["attributes"]
    occurred_at = _instant(attributes.get("timestamp"))
    effective_at = received_at if occurred_at is None else min(occurred_at, received_at + TOLERANCE)
    content = sha256(_canonical(item, "metadata", "timestamp")).digest()
    return {
        "item": place,
        "idempotency_key": item["meta"]["idempotencyKey"],
        "digest": sha256(_canonical(item, "metadata")).hexdigest(),
        "content_hash": int.from_bytes(content[:8], "big", signed=True),
        "event_type": item["type"],
        **{column: attributes.get(name) for column, name in _FROM_ATTRIBUTES.items()},
        "occurred_at": occurred_at,
        "effective_at": effective_at,
    }


def _canonical(item: Mapping[str, Any], *without: str) -> bytes:
    kept = {name: value for name, value in item["attributes"].items() if name not in without}
    return rfc8785.dumps({**item, "attributes": kept})


def _instant(text: str | None) -> datetime | None:
    """Return an RFC 3339 time in UTC, cut to microseconds; a leap second is the next minute's first."""
    if text is None:
        return None
    leap = re.match(r"(.{17})60(.*)", text, re.DOTALL)
    if leap is not None:
        return datetime.fromisoformat(f"{leap[1]}59{leap[2]}".upper()).astimezone(UTC) + timedelta(seconds=1)
    return datetime.fromisoformat(text.upper()).astimezone(UTC)


def _number(digits: str) -> int | float:
    return int(digits) if len(digits) < 18 and -_SAFE <= int(digits) <= _SAFE else float(digits)
