"""What the supplier has to tell: lives of messages, drawn from a seed, several messages to a callback."""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from tests.end_to_end.chaos.wire import post
from tests.support.supplier import body, item

LIFE = ("created", "sending", "delivered", "read")
"""The channel statuses of a message, as time goes on: the place of one is how far its message has come."""

REORDERED = 0.2
"""The part of lives that is told out of order."""

_BEGINNING = datetime(2026, 11, 1, tzinfo=UTC)


class Told(NamedTuple):
    """One callback: a step in the lives of a few messages."""

    body: bytes
    request: bytes
    keys: tuple[str, ...]
    """The idempotency keys of its items."""
    messages: tuple[str, ...]
    step: int


def lives(seed: int, most_items: int = 5) -> Iterator[Told]:
    """Yield callbacks without end: one item in half of them, up to `most_items` in the others."""
    chance = random.Random(seed)  # noqa: S311 - a reproducible load, no secret
    number = 0
    while True:
        under_way = []
        for _ in range(8):  # lives that are told side by side
            number += 1
            items = 1 if chance.random() < 0.5 else chance.randint(1, most_items)
            under_way.append([_step(seed, number, items, step) for step in range(len(LIFE))])
        order = [life for life in range(len(under_way)) for _ in LIFE]
        chance.shuffle(order)
        for life in under_way:
            if chance.random() < REORDERED:
                chance.shuffle(life)
        for place in order:
            yield under_way[place].pop(0)


def _step(seed: int, number: int, items: int, step: int) -> Told:
    told_at = _BEGINNING + timedelta(minutes=number, seconds=step // 2)  # in ties the rank decides
    messages = tuple(f"m{seed}-{number}-{place}" for place in range(items))
    keys = tuple(f"{message}-{LIFE[step]}" for message in messages)
    content = body(
        *(
            item(
                message,
                key=key,
                reference=f"r-{message}",
                timestamp=told_at.isoformat(timespec="milliseconds"),
                channel="nhsapp",
                channelStatus=LIFE[step],
                channelStatusDescription="The patient’s app",
            )
            for message, key in zip(messages, keys, strict=True)
        )
    )
    return Told(content, post(content), keys, messages, step)


def step_of(page: bytes) -> int | None:
    """Return how far the one message of a page has come; None where the page is empty."""
    records = json.loads(page)["data"]
    return LIFE.index(records[0]["channelStatus"]) if records else None
