"""A listening server of the application, and connections to it byte by byte."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import uvicorn

from ledger.app import StatusLedger
from ledger.protocol import CallbackProtocol
from tests.support.database import execute
from tests.support.supplier import body, delivered, signed

OK = b"HTTP/1.1 200 OK\r\n"

HEALTH = b"GET /api/healthcheck HTTP/1.1\r\nHost: ledger\r\n\r\n"


@asynccontextmanager
async def listening(app: StatusLedger) -> AsyncIterator[uvicorn.Server]:
    """Serve an open application on a port of its own while the block lasts."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
        http=CallbackProtocol,
        lifespan="off",
        log_config=None,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=1,
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve([listener]))
    while not server.started:  # noqa: ASYNC110 - uvicorn tells it by no event
        await asyncio.sleep(0.01)
    try:
        yield server
    finally:
        server.should_exit = True
        await task


class Connection:
    """A supplier's connection."""

    def __init__(self, server: uvicorn.Server) -> None:
        self._address = server.servers[0].sockets[0].getsockname()

    async def __aenter__(self) -> "Connection":
        self.reader, self.writer = await asyncio.open_connection(*self._address)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()

    async def send(self, *parts: bytes) -> None:
        """Send each part on its own."""
        for part in parts:
            self.writer.write(part)
            await self.writer.drain()
            await asyncio.sleep(0.01)  # so that the parts arrive as parts

    async def answer(self) -> tuple[bytes, dict[bytes, bytes], bytes]:
        """Return the next answer: status line, headers, body."""
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 30)
        status, *lines = head[:-4].split(b"\r\n")
        headers = dict(line.split(b": ", 1) for line in lines)
        return status + b"\r\n", headers, await self.reader.readexactly(int(headers[b"content-length"]))

    async def answers(self) -> list[int]:
        """Return the status of every answer that comes until the server closes the connection."""
        codes: list[int] = []
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                codes.append(int((await self.answer())[0].split()[1]))
        return codes


def request(content: bytes, version: str = "1.1", **headers: str | None) -> bytes:
    """Return a callback as it goes over the wire."""
    told = {"Host": "ledger", "Content-Length": str(len(content))}
    told |= {name.title(): value for name, value in signed(content, **headers).items()}
    lines = [f"POST /api/status/create HTTP/{version}", *(f"{name}: {value}" for name, value in told.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def callback(key: str, **said: str) -> bytes:
    """Return the body of a callback with this idempotency key."""
    return body(delivered(key=key, **said))


def recorded(url: str) -> list[object]:
    """Return the idempotency keys of all events."""
    return [key for (key,) in execute(url, "SELECT idempotency_key FROM events ORDER BY 1")]


def chunked(
    content: bytes,
    *,
    coding: str = "chunked",
    size: bytes = b"%x",
    last: bytes = b"0\r\n\r\n",
    without: str = "",
) -> bytes:
    """Return a callback whose body is one chunk, of this coding, with this size and this end."""
    head = request(content).partition(b"\r\n\r\n")[0]
    head = head.replace(b"Content-Length: %d" % len(content), f"Transfer-Encoding: {coding}".encode())
    head = b"\r\n".join(line for line in head.split(b"\r\n") if not line.startswith(without.encode() or b" "))
    size = size % len(content) if b"%" in size else size
    return head + b"\r\n\r\n" + size + b"\r\n" + content + b"\r\n" + last


def with_lines(*lines: bytes) -> bytes:
    """Return a callback whose head has these lines too, and whose body is a request of its own."""
    head, _, content = request(request(callback("hidden"))).partition(b"\r\n\r\n")
    return head + b"".join(b"\r\n" + line for line in lines) + b"\r\n\r\n" + content


def the_connection(server: uvicorn.Server) -> CallbackProtocol:
    """Return the server's side of the one connection that there is."""
    (connection,) = server.server_state.connections
    assert isinstance(connection, CallbackProtocol)
    return connection
