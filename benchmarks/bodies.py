"""Makes distinct, signed, realistic callbacks of one item, reproducible by seed."""

import json
import random
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from ingest.signature import SigningSecrets

LIFECYCLE = (
    ("nhsapp", "created", "created"),
    ("nhsapp", "sending", "sending"),
    ("nhsapp", "sending", "delivered"),
    ("nhsapp", "sending", "notified"),
    ("nhsapp", "delivered", "received"),
    ("nhsapp", "delivered", "read"),
)
"""Six events a message, as NHS App tells them: channel, channelStatus, supplierStatus."""


def bodies(count: int, seed: int) -> Iterator[bytes]:
    """Yield `count` bodies of about 600 bytes, in the order of the lifecycle of interleaved messages."""
    chance = random.Random(seed)  # noqa: S311 - a reproducible load, no secret
    start = datetime(2026, 11, 1, tzinfo=UTC) + timedelta(seconds=seed)
    group = 100
    for first in range(0, count, group * len(LIFECYCLE)):
        names = [(_ksuid(chance), str(uuid.UUID(int=chance.getrandbits(128)))) for _ in range(group)]
        for step, (channel, channel_status, supplier_status) in enumerate(LIFECYCLE):
            for place, (message_id, reference) in enumerate(names):
                if first + step * group + place >= count:
                    return
                told_at = start + timedelta(milliseconds=first + step * 1000 + place)
                names_it = {"messageId": message_id, "messageReference": reference}
                says = {
                    "channel": channel,
                    "channelStatus": channel_status,
                    "supplierStatus": supplier_status,
                }
                yield _body(names_it | says, told_at, key=f"{chance.getrandbits(256):064x}")


def _ksuid(chance: random.Random) -> str:
    alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    return "".join(chance.choices(alphabet, k=27))


def _body(said: dict[str, str], told_at: datetime, key: str) -> bytes:
    attributes = said | {
        "cascadeType": "primary",
        "cascadeOrder": 1,
        "channelStatusDescription": "The patient’s app has it",
        "timestamp": f"{told_at:%Y-%m-%dT%H:%M:%S}.{told_at.microsecond // 1000:03d}Z",
        "retryCount": 0,
    }
    item = {
        "type": "ChannelStatus",
        "attributes": attributes,
        "links": {"message": f"https://api.service.nhs.uk/comms/v1/messages/{said['messageId']}"},
        "meta": {"idempotencyKey": key},
    }
    return json.dumps({"data": [item]}, ensure_ascii=False, separators=(",", ":")).encode()


def signed_lines(count: int, seed: int, secrets: SigningSecrets) -> Iterator[bytes]:
    """Yield a line for `wrk.lua` for each body: its signature, a space, the body."""
    for body in bodies(count, seed):
        yield secrets.sign(body).encode() + b" " + body + b"\n"
