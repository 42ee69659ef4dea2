"""More callbacks than the service can take: they come at a rate of their own, answered or not.

The flood shares the machine with the service, so it must cost little: no task, no future and no timer for a
request. Lines that are free send what is due, a hundred times a second.
"""

import asyncio
import itertools
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

import uvloop

from tests.end_to_end.chaos.wire import header, post
from tests.support.supplier import SECRETS, body, item

PATIENCE = 10.0
"""Seconds after which a request without an answer is given up."""

TICK = 0.01
"""Seconds between two looks at what is due."""

ITEMS = 50
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
        self._free: deque[Line] = deque()
        self._lines: set[Line] = set()
        self._ends = 0.0

    def run(self, seconds: float) -> None:
        """Send, and return when all that was sent is answered."""
        thread = threading.Thread(target=lambda: uvloop.run(self._work(seconds)), name="flood")
        thread.start()
        thread.join()

    async def _work(self, seconds: float) -> None:
        began = time.monotonic()
        self._ends = began + seconds
        due = 0.0
        await self._connect()
        while (now := time.monotonic()) < self._ends:
            if self._rate is not None:
                due += self._rate * TICK
                while due >= 1 and self._free:
                    self._send(self._free.popleft())
                    due -= 1
                due = min(due, self._rate / 2)
            self._give_up(now - PATIENCE)
            await self._connect()
            await asyncio.sleep(max(0.0, now + TICK - time.monotonic()))
        while any(line.request for line in self._lines):
            self._give_up(time.monotonic() - PATIENCE)
            await asyncio.sleep(TICK)
        for line in [*self._lines]:
            line.close()

    async def _connect(self) -> None:
        """Have as many connections as there are to be."""
        loop = asyncio.get_running_loop()
        for _ in range(self._connections - len(self._lines)):
            try:
                await loop.create_connection(lambda: Line(self), "127.0.0.1", self._port)
            except OSError:
                return

    def _send(self, line: "Line") -> None:
        self.sent += 1
        line.send(self._again.popleft() if self._again else next(self._callbacks))

    def _give_up(self, before: float) -> None:
        for line in [line for line in self._lines if line.request and line.began < before]:
            line.close()

    def opened(self, line: "Line") -> None:
        """Take a connection."""
        self._lines.add(line)
        self._ready(line)

    def lost(self, line: "Line") -> None:
        """Forget a connection."""
        self._lines.discard(line)
        if line in self._free:
            self._free.remove(line)
        if line.request:
            self.unknown += 1

    def answered(self, line: "Line", request: bytes, head: bytes) -> None:
        """Take the answer to a request."""
        seconds = time.monotonic() - line.began
        match int(head[9:12]):
            case 200:
                self.accepted.append(seconds)
                self.entries.add(header(head, b"x-request-id: ").decode())
            case 429:
                self.turned_away.append(Turned(seconds, header(head, b"retry-after: ").decode()))
                self._again.append(request)
            case _:
                self.unknown += 1
        self._ready(line)

    def _ready(self, line: "Line") -> None:
        if self._rate is not None:
            self._free.append(line)
        elif time.monotonic() < self._ends:
            self._send(line)


class Line(asyncio.Protocol):
    """One connection: one request at a time, its answer told to the flood."""

    def __init__(self, flood: Flood) -> None:
        self.request = b""
        """What is under way."""
        self.began = 0.0
        self._flood = flood
        self._received = b""
        self._transport: asyncio.Transport

    def send(self, request: bytes) -> None:
        """Send a request."""
        self.request = request
        self.began = time.monotonic()
        self._transport.write(request)

    def close(self) -> None:
        """Hang up."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a stream's
        self._flood.opened(self)

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._received[: end + 2]
        if len(self._received) < end + 4 + int(header(head, b"content-length: ") or b"0"):
            return
        self._received = b""
        request, self.request = self.request, b""
        self._flood.answered(self, request, head)

    def connection_lost(self, exc: Exception | None) -> None:
        self._flood.lost(self)


def percentile(values: list[float], part: float) -> float:
    """Return the value that so large a part of the values does not exceed."""
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]
