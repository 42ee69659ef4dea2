"""Makes distinct, signed, realistic callbacks, reproducible by seed."""

import random
import uuid
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice

from ingest.signature import SigningSecrets
from ledger.simulator.plan import ksuid

LIFECYCLE = (
    ("nhsapp", "created", "created"),
    ("nhsapp", "sending", "sending"),
    ("nhsapp", "sending", "delivered"),
    ("nhsapp", "sending", "notified"),
    ("nhsapp", "delivered", "received"),
    ("nhsapp", "delivered", "read"),
)
"""Six events a message, as NHS App tells them: channel, channelStatus, supplierStatus."""

GROUP = 100
"""Messages whose lives are interleaved."""


def bodies(count: int, seed: int) -> Iterator[bytes]:
    """Yield `count` bodies of one item and about 600 bytes."""
    for item in items(count, seed):
        yield b'{"data":[%b]}' % item


def deliveries(count: int, size: int, seed: int) -> Iterator[bytes]:
    """Yield `count` bodies of `size` items each."""
    made = items(count * size, seed)
    for _ in range(count):
        yield b'{"data":[%b]}' % b",".join(islice(made, size))


def items(count: int, seed: int) -> Iterator[bytes]:
    """Yield `count` items, in the order of the lifecycle of interleaved messages."""
    chance = random.Random(seed)  # noqa: S311 - a reproducible load, no secret
    start = datetime(2026, 11, 1, tzinfo=UTC) + timedelta(milliseconds=seed)
    for first in range(0, count, GROUP * len(LIFECYCLE)):
        born_at = start + timedelta(milliseconds=first)
        names = [
            (ksuid(born_at, chance.randbytes(16)), str(uuid.UUID(int=chance.getrandbits(128))))
            for _ in range(GROUP)
        ]
        for step, statuses in enumerate(LIFECYCLE):
            for place, (message_id, reference) in enumerate(names):
                if first + step * GROUP + place >= count:
                    return
                told_at = start + timedelta(milliseconds=first + step * 1000 + place)
                key = f"{chance.getrandbits(256):064x}"
                yield _item(message_id, reference, statuses, told_at, key)


def _item(
    message_id: str, reference: str, statuses: tuple[str, str, str], told_at: datetime, key: str
) -> bytes:
    """Return an item as Notify writes it: compact, unescaped. Written by hand, for there are millions."""
    channel, channel_status, supplier_status = statuses
    return (
        f'{{"type":"ChannelStatus","attributes":{{"messageId":"{message_id}","messageReference":"{reference}",'
        f'"channel":"{channel}","channelStatus":"{channel_status}","supplierStatus":"{supplier_status}",'
        '"cascadeType":"primary","cascadeOrder":1,"channelStatusDescription":"The patient’s app has it",'
        f'"timestamp":"{told_at:%Y-%m-%dT%H:%M:%S}.{told_at.microsecond // 1000:03d}Z","retryCount":0}},'
        f'"links":{{"message":"https://api.service.nhs.uk/comms/v1/messages/{message_id}"}},'
        f'"meta":{{"idempotencyKey":"{key}"}}}}'
    ).encode()


def signed_lines(made: Iterable[bytes], secrets: SigningSecrets) -> Iterator[bytes]:
    """Yield a line for `wrk.lua` for each body: its signature, a space, the body."""
    for body in made:
        yield secrets.sign(body).encode() + b" " + body + b"\n"
