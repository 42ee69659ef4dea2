"""A cheap HTTP connection: whole requests in, answers out, one at a time."""

import asyncio
from typing import NamedTuple

from tests.support.supplier import signed


class Answer(NamedTuple):
    """What a supplier reads of an answer."""

    code: int
    request_id: str
    """The `X-Request-Id`, which is the id of the entry; empty where there was none."""
    retry_after: str
    body: bytes


def post(body: bytes) -> bytes:
    """Return the bytes of the request that posts a callback, signed."""
    lines = [f"{name}: {value}" for name, value in signed(body).items()]
    head = ["POST /api/status/create HTTP/1.1", "host: ledger.test", *lines, f"content-length: {len(body)}"]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def get(path: str, api_key: str) -> bytes:
    """Return the bytes of the request that reads a page."""
    return f"GET {path} HTTP/1.1\r\nhost: ledger.test\r\nx-api-key: {api_key}\r\n\r\n".encode()


class Wire(asyncio.Protocol):
    """One connection; `ask` raises `ConnectionError` where it breaks, `TimeoutError` where nothing comes."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._waiter: asyncio.Future[Answer] | None = None
        self._transport: asyncio.Transport | None = None
        self.open = True

    @classmethod
    async def to(cls, port: int) -> "Wire":
        """Connect; raises `ConnectionError`."""
        loop = asyncio.get_running_loop()
        try:
            _, wire = await loop.create_connection(cls, "127.0.0.1", port)
        except OSError as error:
            raise ConnectionError(str(error)) from error
        return wire

    async def ask(self, request: bytes, seconds: float) -> Answer:
        """Send a request and return its answer."""
        if not self.open or self._transport is None:
            raise ConnectionError("closed")
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        self._transport.write(request)
        timer = loop.call_later(seconds, self._give_up, self._waiter)
        try:
            return await self._waiter
        finally:
            timer.cancel()

    def close(self) -> None:
        """Hang up."""
        self.open = False
        if self._transport is not None:
            self._transport.abort()

    def _give_up(self, waiter: "asyncio.Future[Answer]") -> None:
        self.close()  # its answer may still come, and would be taken for the next one's
        if not waiter.done():
            waiter.set_exception(TimeoutError())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a stream's

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0 or self._waiter is None:
            return
        head = bytes(self._received[:end]) + b"\r\n"
        total = end + 4 + int(header(head, b"content-length: ") or b"0")
        if len(self._received) < total:
            return
        body = bytes(self._received[end + 4 : total])
        del self._received[:total]
        if b"\r\nconnection: close" in head:
            self.open = False
        waiter, self._waiter = self._waiter, None
        if not waiter.done():
            request_id, retry_after = header(head, b"x-request-id: "), header(head, b"retry-after: ")
            waiter.set_result(Answer(int(head[9:12]), request_id.decode(), retry_after.decode(), body))

    def connection_lost(self, exc: Exception | None) -> None:
        self.open = False
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(ConnectionResetError("reset" if exc else "closed"))


def header(head: bytes, name: bytes) -> bytes:
    """Return the value of a header field, whose name ends with colon and space; empty where there is none."""
    start = head.find(b"\r\n" + name)
    if start < 0:
        return b""
    start += 2 + len(name)
    return head[start : head.index(b"\r\n", start)]
