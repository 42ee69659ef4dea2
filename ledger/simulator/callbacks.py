"""Writes facts as NHS Notify does: one item a callback, compact, unescaped UTF-8. Pure.

The form is that of Notify's published examples (NHSDigital/communications-manager-api, `specification/`).
"""

from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple

import orjson

from ingest.canonical import canonical, digest
from ledger.simulator.lifecycles import Fact

ROUTING_PLAN = {
    "id": "5bd8d4ae-f00d-4a11-9d75-51a1a7ed0001",
    "name": "Simulated routing plan",
    "version": "1",
    "createdDate": "2023-11-17T14:27:51.413Z",
}
"""The plan that every simulated message names: who finds one in a ledger knows it by that."""


class Message(NamedTuple):
    """What names a message, and when its life began."""

    message_id: str
    message_reference: str
    born_at: datetime


class Callback(NamedTuple):
    """One callback: what it says of which message, and the exact bytes to sign and send."""

    message_id: str
    message_reference: str
    fact: Fact
    digest: bytes
    """The digest of its item: the last part of a version (contract §3)."""
    body: bytes


def callback(message: Message, fact: Fact) -> Callback:
    """Return the callback that tells a fact."""
    stated = _of_message(message, fact) if fact.channel is None else _of_channel(fact)
    kind = "MessageStatus" if fact.channel is None else "ChannelStatus"
    attributes = {
        "messageId": message.message_id,
        "messageReference": message.message_reference,
        **{name: value for name, value in stated.items() if value is not None},
    }
    # Notify's key hashes the content without its timestamp: what is said again later bears the same key.
    key = sha256(canonical({"type": kind, "attributes": attributes})).hexdigest()
    item = {
        "type": kind,
        "attributes": attributes | {"timestamp": timestamp(fact.at)},
        "links": {"message": f"https://api.service.nhs.uk/comms/v1/messages/{message.message_id}"},
        "meta": {"idempotencyKey": key},
    }
    return Callback(
        message.message_id, message.message_reference, fact, digest(item), orjson.dumps({"data": [item]})
    )


def timestamp(moment: datetime) -> str:
    """Return a time as Notify writes it: UTC, with milliseconds."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def _of_message(message: Message, fact: Fact) -> dict[str, Any]:
    looked_up = fact.message_status not in ("created", "pending_enrichment")
    return {
        "messageStatus": fact.message_status,
        "messageStatusDescription": fact.failure.description if fact.failure else None,
        "messageFailureReasonCode": fact.failure.code if fact.failure else None,
        "channels": [{"type": channel, "channelStatus": status} for channel, status in fact.ended],
        "routingPlan": ROUTING_PLAN,
        "metadata": [{"queriedAt": timestamp(message.born_at), "source": "pds", "version": "2"}]
        if looked_up
        else None,
    }


def _of_channel(fact: Fact) -> dict[str, Any]:
    return {
        "cascadeType": "primary" if fact.cascade_order == 1 else "secondary",
        "cascadeOrder": fact.cascade_order,
        "channel": fact.channel,
        "channelStatus": fact.channel_status,
        "channelStatusDescription": fact.failure.description if fact.failure else None,
        "channelFailureReasonCode": fact.failure.code if fact.failure else None,
        "supplierStatus": fact.supplier_status,
        "retryCount": fact.retry_count,
    }
