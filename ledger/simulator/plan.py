"""Plans a whole simulation from a seed: the same arguments give the same bytes in the same order. Pure."""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import NamedTuple
from uuid import UUID

from ledger.simulator.callbacks import Callback, Message, callback
from ledger.simulator.disorder import repeated, shuffled
from ledger.simulator.lifecycles import draw, facts

STORIES = 1
"""Version of the lives that seeds stand for; it grows when a seed begins to tell another story."""

UNTIL = datetime(2025, 11, 23, 12, tzinfo=UTC)
"""When the simulated days end unless somebody says otherwise: fixed, so that a seed is enough to repeat one.

It lies in the past, where no service counts a timestamp as a clock that runs ahead (contract §3)."""

DAYS = 14
"""How many days before the end messages are born; the lives of late ones are still under way then."""


class Plan(NamedTuple):
    """What is going to be told."""

    messages: int
    callbacks: tuple[Callback, ...]
    """Every callback once, in the order of their timestamps."""
    deliveries: tuple[Callback, ...]
    """The same as they are sent: some of them twice, some out of order."""


def plan(
    messages: int,
    seed: int,
    *,
    until: datetime = UNTIL,
    duplicates: float = 0,
    shuffle: float = 0,
) -> Plan:
    """Return the plan of so many messages; `duplicates` and `shuffle` are shares from 0 to 1.

    A message depends on the seed, its number and `until` alone: more messages, another order or more
    duplicates of one seed tell nothing that contradicts what a service was told before.
    """
    told = [one for number in range(messages) for one in _life(number, seed, until)]
    told.sort(key=lambda one: one.fact.at)  # a stable sort: what shares a time stays in the order of its life
    chance = _chance(seed, until, "order")
    deliveries = shuffled(repeated(told, duplicates, chance), shuffle, chance)
    return Plan(messages, tuple(told), tuple(deliveries))


def _life(number: int, seed: int, until: datetime) -> list[Callback]:
    chance = _chance(seed, until, number)
    born_at = until - timedelta(milliseconds=chance.randrange(DAYS * 24 * 3_600_000))
    message = Message(
        ksuid(born_at, chance.randbytes(16)), str(UUID(bytes=chance.randbytes(16), version=4)), born_at
    )
    told = facts(draw(chance), chance, born_at)
    return [callback(message, fact) for fact in told if fact.at <= until]


def _chance(seed: int, until: datetime, what: object) -> Random:
    return Random(f"{STORIES} {seed} {until.isoformat()} {what}")  # noqa: S311 - reproducible, no secret


_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def ksuid(moment: datetime, payload: bytes) -> str:
    """Return a KSUID, the form of Notify's message ids: 27 digits of base 62 that sort by second.

    Four bytes of seconds since 13 May 2014, 16:53:20 UTC, then 16 of payload.
    """
    number = int.from_bytes((int(moment.timestamp()) - 1_400_000_000).to_bytes(4, "big") + payload, "big")
    digits = ""
    while number:
        number, digit = divmod(number, 62)
        digits = _BASE62[digit] + digits
    return digits.rjust(27, "0")
