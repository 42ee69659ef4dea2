"""A TCP proxy between the service and PostgreSQL that stalls, resets and slices."""

import asyncio
import random
import threading
from collections.abc import Callable
from enum import Enum
from typing import Any
from urllib.parse import urlsplit

from psycopg.conninfo import conninfo_to_dict

CHUNK = 65_536
AN_APPEND = 600
"""Bytes from which on a message to PostgreSQL is taken to be an append."""


class Mode(Enum):
    """What becomes of the bytes."""

    PASS = "pass"
    STALL = "stall"
    """Nothing moves, and nobody is told."""
    RESET = "reset"
    """Some appends are cut off: half-way there, whole, or when PostgreSQL answers."""
    SLICE = "slice"
    """Answers byte by byte, statements in small pieces."""


class Proxy:
    """Listens on a port of its own, in a thread, while the block lasts."""

    def __init__(self, url: str, seed: int) -> None:
        """Take the libpq URL of a server that is reached by a Unix socket."""
        told = conninfo_to_dict(url)
        self._behind = f"{told['host']}/.s.PGSQL.{told['port']}"
        self._database = urlsplit(url).path
        self.mode = Mode.PASS
        self.resets = 0
        self._chance = random.Random(seed)  # noqa: S311 - a reproducible fault, no secret
        self._moves = asyncio.Event()
        self._ends = asyncio.Event()
        self._ready = threading.Event()
        self._port = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="proxy")

    @property
    def url(self) -> str:
        """The URL by which the service finds the database through the proxy."""
        return f"postgresql://postgres@127.0.0.1:{self._port}{self._database}"

    def __enter__(self) -> "Proxy":
        """Listen."""
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        """Cut every connection, and stop."""
        self._within(self._ends.set)
        self._thread.join(10)

    def set(self, mode: Mode) -> None:
        """Do so from now on."""
        self.mode = mode
        self._within(self._moves.clear if mode is Mode.STALL else self._moves.set)

    def _within(self, act: Callable[[], Any]) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(act)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._moves.set()
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self._port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._ends.wait()
        server.close()  # connections are cut as the loop ends

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends, directions = [writer], set()
        try:
            from_server, to_server = await asyncio.open_unix_connection(self._behind)
            ends.append(to_server)
            directions = {
                asyncio.create_task(self._pump(reader, to_server, statements=True)),
                asyncio.create_task(self._pump(from_server, writer, statements=False)),
            }
            await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        except OSError:
            return  # PostgreSQL is not there
        finally:
            for end in ends:
                end.transport.abort()  # first, for this task may be cancelled once more
            for direction in directions:
                direction.cancel()
            await asyncio.gather(*directions, return_exceptions=True)

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, statements: bool
    ) -> None:
        while chunk := await source.read(CHUNK):
            await self._moves.wait()
            match self.mode:
                case Mode.SLICE:
                    await self._slices(chunk, sink, 200 if statements else 1)
                case Mode.RESET if len(chunk) > AN_APPEND and statements and self._chance.random() < 0.05:
                    self.resets += 1
                    await self._cut(chunk, sink)
                    return
                case _:
                    sink.write(chunk)
                    await sink.drain()

    async def _slices(self, chunk: bytes, sink: asyncio.StreamWriter, most: int) -> None:
        place = 0
        while place < len(chunk):
            length = self._chance.randint(1, most)
            sink.write(chunk[place : place + length])
            place += length
        await sink.drain()

    async def _cut(self, chunk: bytes, sink: asyncio.StreamWriter) -> None:
        """Send half of an append, or all of it; wait, or do not, until it may be committed; then hang up."""
        whole = self._chance.random() < 0.75
        sink.write(chunk if whole else chunk[: len(chunk) // 2])
        await sink.drain()
        if whole:
            await asyncio.sleep(self._chance.choice([0, 0.002, 0.05]))
