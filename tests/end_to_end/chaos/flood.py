"""More callbacks than the service can take: they come at a rate of their own, answered or not."""

import asyncio
import itertools
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

import uvloop

from tests.end_to_end.chaos.wire import Wire, post
from tests.support.supplier import SECRETS, body, item

PATIENCE = 10.0

ITEMS = 20
"""Items of a callback: so many that five times what the service can take costs the supplier little."""

_BODY = body(
    *(
        item(f"m%d-{n}", key=f"k%d-{n}", reference="r", channel="nhsapp", channelStatus="read")
        for n in range(ITEMS)
    )
)
_HEAD = post(_BODY).partition(b"x-hmac-sha256-signature: ")[0] + b"x-hmac-sha256-signature: %s\r\n"


class Turned(NamedTuple):
    """A request that was turned away."""

    seconds: float
    retry_after: str


def callbacks(seed: int) -> Iterator[bytes]:
    """Yield requests without end, of messages that no other tells of."""
    for number in itertools.count(seed * 1_000_000_000):
        content = _BODY % ((number,) * (2 * ITEMS))
        head = _HEAD % SECRETS.sign(content).encode()
        yield b"%scontent-length: %d\r\n\r\n%s" % (head, len(content), content)


class Flood:
    """Sends `rate` requests a second, or without a rate as fast as those before are answered."""

    def __init__(self, port: int, *, seed: int, connections: int, rate: float | None = None) -> None:
        self.accepted: list[float] = []
        """The seconds that each acknowledged request took."""
        self.entries: set[str] = set()
        self.turned_away: list[Turned] = []
        self.unknown = 0
        self.sent = 0
        self._port = port
        self._connections = connections
        self._rate = rate
        self._callbacks = callbacks(seed)
        self._again: deque[bytes] = deque()
        self._ends = 0.0
        self._due = 0.0

    def run(self, seconds: float) -> None:
        """Send, and return when all that was sent is answered."""
        thread = threading.Thread(target=lambda: uvloop.run(self._work(seconds)), name="flood")
        thread.start()
        thread.join()

    async def _work(self, seconds: float) -> None:
        self._due = time.monotonic()
        self._ends = self._due + seconds
        await asyncio.gather(*(self._send() for _ in range(self._connections)))

    async def _send(self) -> None:
        wire: Wire | None = None
        while (now := time.monotonic()) < self._ends:
            if self._rate is not None:
                self._due = max(self._due, now - 0.5) + 1 / self._rate
                if self._due > now:
                    await asyncio.sleep(self._due - now)
            request = self._again.popleft() if self._again else next(self._callbacks)
            began = time.monotonic()
            self.sent += 1
            try:
                if wire is None or not wire.open:
                    wire = await Wire.to(self._port)
                answer = await wire.ask(request, PATIENCE)
            except (ConnectionError, TimeoutError):
                self.unknown += 1
                continue
            seconds = time.monotonic() - began
            if answer.code == 200:
                self.accepted.append(seconds)
                self.entries.add(answer.request_id)
            elif answer.code == 429:
                self.turned_away.append(Turned(seconds, answer.retry_after))
                self._again.append(request)
            else:
                self.unknown += 1
        if wire is not None:
            wire.close()


def percentile(values: list[float], part: float) -> float:
    """Return the value that so large a part of the values does not exceed."""
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]
