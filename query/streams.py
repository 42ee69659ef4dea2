"""Answers that are streamed: any number of records in constant memory, and never a part that looks whole.

A stream holds a connection of the pool for as long as its reader takes, so there are only so many at a time,
and none waits for its reader, or lasts, for ever.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager

import structlog
from fastapi import HTTPException
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from eventstore.database import Database, LedgerConnection
from query.export import Records, fetches
from query.formats import Format, Lines, lines_of

PATIENCE = 60
"""Seconds that one fetch may take the database, and the reader to take what was sent."""

LONGEST = 30 * 60
"""Seconds that a stream may last: its transaction keeps what is dead in every table from being vacuumed."""

RETRY_AFTER = range(5, 61)
"""Seconds after which a client that was told 429 may come back; spread, so that not all do at once."""

_TIMEOUTS = (
    "SELECT set_config('statement_timeout', %(statement)s, true),"
    " set_config('idle_in_transaction_session_timeout', %(idle)s, true)"
)

log = structlog.get_logger()


class Streams:
    """The streams of this process, at most so many at a time."""

    def __init__(self, database: Callable[[], Database], most: int) -> None:
        """Take the database (asked for at each stream: it opens with the service)."""
        self._database = database
        self._most = most
        self.open = 0
        """How many there are now."""

    async def answer(self, records: Records, wanted: Format) -> Response:
        """Return the answer that streams the records, once the first of them are here.

        So whatever fails until then is answered like any failure. Raises 429 where no more streams may start.
        """
        chunks = self._chunks(records, lines_of(wanted, records.names))
        return Streamed(await anext(chunks), chunks, wanted)

    async def _chunks(self, records: Records, lines: Lines) -> AsyncGenerator[bytes, None]:
        with self._one_more():
            async with self._database().snapshot() as connection:
                await _limit(connection)
                chunk = lines.head
                async with aclosing(fetches(connection, records)) as fetched:
                    async for rows in fetched:
                        yield chunk + lines.lines(rows)
                        chunk = b""
                yield chunk

    @contextmanager
    def _one_more(self) -> Iterator[None]:
        if self.open >= self._most:
            seconds = random.choice(RETRY_AFTER)  # noqa: S311 - jitter
            raise HTTPException(429, "Too many requests", {"Retry-After": str(seconds)})
        self.open += 1
        try:
            yield
        finally:
            self.open -= 1


async def _limit(connection: LedgerConnection) -> None:
    """Have the database end what its reader, or this process, leaves waiting."""
    await connection.execute(_TIMEOUTS, {"statement": f"{PATIENCE}s", "idle": f"{2 * PATIENCE}s"})


class Streamed(Response):
    """An answer in chunks; whatever ends it early leaves it without its end, which its reader notices."""

    def __init__(self, first: bytes, rest: AsyncGenerator[bytes, None], media_type: str) -> None:
        """Take the first chunk and those that follow, which are closed with the answer."""
        self.status_code = 200
        self.media_type = media_type
        self.background = None
        self._first = first
        self._rest = rest
        self.init_headers({"Vary": "Accept"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send every chunk; raise what ends the stream early, so that the server drops the connection."""
        sending = asyncio.create_task(self._send(send))
        leaving = asyncio.create_task(_gone(receive))
        try:
            async with asyncio.timeout(LONGEST):
                await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                await sending
            else:
                log.info("stream.abandoned")
        except Exception as error:
            log.error("stream.broken", error=type(error).__name__)  # noqa: TRY400 - the server logs the trace
            raise
        finally:
            for task in (sending, leaving):
                task.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)
            await self._rest.aclose()

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        await _sent(send, self._first, more=True)
        async for chunk in self._rest:
            await _sent(send, chunk, more=True)
        await _sent(send, b"", more=False)


async def _sent(send: Send, chunk: bytes, *, more: bool) -> None:
    """Send a chunk, and wait until the reader has taken enough of what was sent; raises `TimeoutError`."""
    message: Message = {"type": "http.response.body", "body": chunk, "more_body": more}
    async with asyncio.timeout(PATIENCE):
        await send(message)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
