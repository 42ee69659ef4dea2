"""No request costs more lines than its share, and no connection asks without end ahead of its answers."""

import asyncio
from contextlib import suppress

import pytest
import uvicorn

from ledger.bounds import MOST_FIELDS, MOST_LINES, MOST_PIPELINED
from tests.support.wire import Connection, callback, chunked, recorded, request, with_lines

FILLER = b"a" * (MOST_LINES + 1)


TOO_MANY_LINES = {
    "value": with_lines(b"X: " + b"a" * 600_000),
    "name": with_lines(b"X" * 600_000 + b": a"),
    "5000 fields": with_lines(*(b"X-%d: a" % number for number in range(5_000))),
    "fields": with_lines(*(b"X: a" for _ in range(MOST_FIELDS))),
    "url": request(b"").replace(b"/create", b"/create?" + FILLER),
    "no url": b"GET /" + FILLER,
    "no method": FILLER,
    "chunk": chunked(callback("hidden"), size=b"%x;" + 20 * FILLER),
    "trailer": chunked(callback("hidden"), last=b"0\r\nX: " + 20 * FILLER),
    "trailers": chunked(callback("hidden"), last=b"0\r\n" + b"X: a\r\n" * 4 * MOST_LINES),
}


@pytest.mark.parametrize("size", [1024, 256 * 1024])
async def test_more_lines_than_a_request_needs_are_refused_whatever_their_pieces(
    server: uvicorn.Server, database_url: str, size: int
) -> None:
    for name, sent in TOO_MANY_LINES.items():
        async with Connection(server) as connection:
            with suppress(ConnectionError):
                for start in range(0, len(sent), size):
                    connection.writer.write(sent[start : start + size])
                    await connection.writer.drain()
                    await asyncio.sleep(0)
            assert set(await connection.answers()) <= {400, 431}, name  # or reset while it still sends
    assert recorded(database_url) == []


async def test_as_many_lines_as_a_request_may_have(server: uvicorn.Server) -> None:
    within = b"X: " + b"a" * (MOST_LINES - 1024)
    few = [b"X-%d: a" % number for number in range(MOST_FIELDS - 10)]
    for lines in ([within], few):
        async with Connection(server) as connection:
            await connection.send(with_lines(*lines))
            assert (await connection.answer())[0].split()[1] == b"422"


async def test_so_many_requests_may_come_ahead_of_their_answers(
    server: uvicorn.Server, database_url: str
) -> None:
    keys = [f"key-{number:04}" for number in range(20 * MOST_PIPELINED)]
    for many in (MOST_PIPELINED, len(keys)):
        async with Connection(server) as connection:
            sent = b"".join(request(callback(key)) for key in keys[:many])
            connection.writer.write(sent)
            connection.writer.write_eof()
            codes = await connection.answers()
        assert set(codes) == {200}
        assert len(codes) >= MOST_PIPELINED
        assert recorded(database_url) == keys[: len(recorded(database_url))]
        assert len(codes) <= len(recorded(database_url))
    assert len(codes) < len(keys), "nothing bounds what a connection may ask ahead"
