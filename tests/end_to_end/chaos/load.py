"""A supplier and two clients, at work while a fault happens: they send, retry, repeat, read, and note it all.

The supplier keeps to a rate, tells some callbacks out of order and some twice at once, and sends again what
was not acknowledged, as Notify does over two hours, here within seconds. It runs on an event loop of its own
in a thread, so that a test reads as what is done to the service meanwhile.
"""

import asyncio
import heapq
import itertools
import random
import threading
import time
from collections import Counter, deque
from enum import Enum
from typing import NamedTuple

import uvloop

from tests.end_to_end.chaos.lives import LIFE, Told, lives, step_of
from tests.end_to_end.chaos.wire import Answer, Wire, get
from tests.support.supplier import CLIENT_API_KEY

CONNECTIONS = 24
TWICE = 0.03
"""The part of callbacks that is sent a second time while the first is in flight."""

REQUESTS_A_CONNECTION = 200
"""About as many requests go over one connection before it is opened anew."""

PATIENCE = 4.0
"""Seconds after which the supplier stops to wait for an answer."""

RETRY_AFTER = 0.25
RETRY_AT_MOST = 1.0
"""Seconds until what failed is sent again, first, and doubled up to."""


class Outcome(Enum):
    """What a supplier knows after an attempt."""

    OK = "ok"
    FAILED = "failed"
    """A definite no: 4xx."""
    UNKNOWN = "unknown"
    """It may be recorded or not: 5xx, reset, no answer."""


class Attempt(NamedTuple):
    """One request and what came of it."""

    told: Told
    began: float
    """By `time.monotonic`, as all times here."""
    ended: float
    outcome: Outcome
    code: int
    """0 where there was no answer."""
    entry_id: str


class Load:
    """The supplier and the clients, at work while the block lasts."""

    def __init__(self, *ports: int, seed: int, rate: float, readers: int = 2) -> None:
        """Take where the service listens, and how many events a second to tell."""
        self.attempts: list[Attempt] = []
        self.outcomes: Counter[Outcome] = Counter()
        """How many attempts came to what."""
        self.codes: set[int] = set()
        """The answers that came, 0 where none did."""
        self.backwards: list[str] = []
        """Reads that showed less of a message than was acknowledged, or read, before."""
        self.reads = 0
        self.began = time.monotonic()
        self.ports = list(ports)
        """Where new connections go, in turn; may change under way."""
        self._rate = rate
        self._readers = readers
        self._chance = random.Random(seed)  # noqa: S311 - a reproducible load, no secret
        self._lives = lives(seed)
        self._twins: deque[Told] = deque()
        self._again: list[tuple[float, int, int, Told]] = []
        self._numbers = itertools.count()
        self._under_way = 0
        self._due = 0.0
        self._known: dict[str, int] = {}
        self._recent: deque[str] = deque(maxlen=200)
        self._stopping = False
        self._give_up_at = float("inf")
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="load")

    def __enter__(self) -> "Load":
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Tell nothing new, and send again what failed until it is acknowledged, for 30 s at most."""
        self.finish(30)

    def finish(self, seconds: float) -> None:
        """Tell nothing new, and stop when all is acknowledged or so many seconds have passed."""
        self._give_up_at = time.monotonic() + seconds
        self._stopping = True
        self._thread.join(seconds + 3 * PATIENCE)
        assert not self._thread.is_alive(), "the load does not end"
        if self._error is not None:
            raise self._error

    def go_on(self, seconds: float, *, at_least: int = 0) -> None:
        """Return after so many seconds, and so many more acknowledged requests."""
        until, wanted = time.monotonic() + seconds, self.acknowledged + at_least
        while time.monotonic() < until or self.acknowledged < wanted:
            assert self._thread.is_alive(), self._error
            assert time.monotonic() < until + 60, "nothing is acknowledged"
            time.sleep(0.01)

    @property
    def acknowledged(self) -> int:
        """How many requests were acknowledged."""
        return self.outcomes[Outcome.OK]

    @property
    def acknowledged_events(self) -> int:
        """How many items were in the requests that were acknowledged."""
        return sum(len(one.told.keys) for one in list(self.attempts) if one.outcome is Outcome.OK)

    @property
    def acknowledged_bodies(self) -> set[bytes]:
        """The callbacks that were acknowledged at least once."""
        return {one.told.body for one in list(self.attempts) if one.outcome is Outcome.OK}

    @property
    def acknowledged_entries(self) -> set[str]:
        """The ids of the requests that were acknowledged."""
        return {one.entry_id for one in list(self.attempts) if one.outcome is Outcome.OK}

    @property
    def failed_first(self) -> set[bytes]:
        """The callbacks of which an attempt was not acknowledged."""
        return {one.told.body for one in list(self.attempts) if one.outcome is not Outcome.OK}

    def first_ok(self, after: float) -> float | None:
        """Return the moment of the first acknowledgement after `after`; None where there is none."""
        return min(
            (one.ended for one in self.attempts if one.outcome is Outcome.OK and one.ended > after),
            default=None,
        )

    def acknowledged_between(self, begin: float, end: float) -> int:
        """Return how many requests that were sent after `begin` were acknowledged before `end`."""
        return sum(
            one.outcome is Outcome.OK and one.began >= begin and one.ended <= end
            for one in list(self.attempts)
        )

    # Inside the thread ---------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            uvloop.run(self._work())
        except BaseException as error:
            self._error = error
            raise

    async def _work(self) -> None:
        readers = [asyncio.create_task(self._read(number)) for number in range(self._readers)]
        await asyncio.gather(*(self._supply() for _ in range(CONNECTIONS)))
        await asyncio.gather(*readers)

    async def _open(self) -> Wire:
        return await Wire.to(self.ports[next(self._numbers) % len(self.ports)])

    async def _supply(self) -> None:
        wire: Wire | None = None
        while (due := await self._next()) is not None:
            attempts, told = due
            self._under_way += 1
            began = time.monotonic()
            try:
                if wire is None or not wire.open:
                    wire = await self._open()
                answer = await wire.ask(told.request, PATIENCE)
            except (ConnectionError, TimeoutError):
                answer = Answer(0, "", "", b"")
            self._note(told, attempts, began, answer)
            if wire is not None and self._chance.random() < 1 / REQUESTS_A_CONNECTION:
                wire.close()
            self._under_way -= 1
        if wire is not None:
            wire.close()

    async def _next(self) -> tuple[int, Told] | None:
        """Return what to send next, when it is due, and how often it was sent; None at the end."""
        while True:
            now = time.monotonic()
            if self._again and self._again[0][0] <= now:
                _, _, attempts, told = heapq.heappop(self._again)
                return attempts, told
            if self._twins:
                return 0, self._twins.popleft()
            if self._stopping:
                if now > self._give_up_at or not (self._again or self._under_way):
                    return None
                await asyncio.sleep(0.02)  # for what is under way, or due later
                continue
            told = next(self._lives)
            self._due = max(self._due, now - 0.1) + len(told.keys) / self._rate
            if self._chance.random() < TWICE:
                self._twins.append(told)
            await asyncio.sleep(max(0.0, self._due - now))
            return 0, told

    def _note(self, told: Told, attempts: int, began: float, answer: Answer) -> None:
        if 200 <= answer.code < 300:
            outcome = Outcome.OK
            for message in told.messages:
                self._known[message] = max(told.step, self._known.get(message, 0))
                self._recent.append(message)
        else:
            outcome = Outcome.FAILED if 400 <= answer.code < 500 else Outcome.UNKNOWN
            pause = min(RETRY_AFTER * 2**attempts, RETRY_AT_MOST) * self._chance.uniform(0.5, 1)
            again = (time.monotonic() + pause, next(self._numbers), attempts + 1, told)
            heapq.heappush(self._again, again)
        self.outcomes[outcome] += 1
        self.codes.add(answer.code)
        self.attempts.append(Attempt(told, began, time.monotonic(), outcome, answer.code, answer.request_id))

    async def _read(self, number: int) -> None:
        chance = random.Random(number)  # noqa: S311 - as above
        seen: dict[str, int] = {}
        wire: Wire | None = None
        while not self._stopping:
            await asyncio.sleep(0.02)
            if not self._recent:
                continue
            message = chance.choice(list(self._recent))
            least = max(self._known[message], seen.get(message, 0))
            try:
                if wire is None or not wire.open:
                    wire = await self._open()
                answer = await wire.ask(get(f"/api/statuses?messageId={message}", CLIENT_API_KEY), PATIENCE)
            except (ConnectionError, TimeoutError):
                continue
            if answer.code != 200:
                continue
            self.reads += 1
            step = step_of(answer.body)
            if step is None or step < least:
                shown = "nothing" if step is None else LIFE[step]
                self.backwards.append(f"{message} had come to {LIFE[least]}, a read shows {shown}")
            seen[message] = max(least, step or 0)
        if wire is not None:
            wire.close()
