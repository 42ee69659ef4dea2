"""No request is read as two, and each answer is that of its own request, whatever comes behind it."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import psycopg
import pytest
import uvicorn

from tests.support.database import execute
from tests.support.supplier import CLIENT_API_KEY
from tests.support.wire import (
    HEALTH,
    OK,
    Connection,
    callback,
    chunked,
    recorded,
    request,
    the_connection,
    with_lines,
)

BROKEN_CHUNK = b"POST /api/status/create HTTP/1.1\r\nHost: ledger\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"

TWO_WAYS_TO_READ = {
    "length, then chunked": with_lines(b"Transfer-Encoding: chunked"),
    "length, then another coding": with_lines(b"Transfer-Encoding: identity"),
    "another length": with_lines(b"Content-Length: 0"),
    "the same length again": with_lines(b"Content-Length: %d" % len(request(callback("hidden")))),
    "space before a colon": with_lines(b"Transfer-Encoding : chunked"),
    "a folded line": with_lines(b"X: a", b" Transfer-Encoding: chunked"),
    "a line that ends in LF": with_lines(b"X: a\nTransfer-Encoding: chunked"),
    "a line that ends in CR": with_lines(b"X: a\rTransfer-Encoding: chunked"),
    "NUL": with_lines(b"X: a\0Transfer-Encoding: chunked"),
    "upgrade": with_lines(b"Connection: Upgrade", b"Upgrade: h2c"),
    "an unknown coding": chunked(callback("hidden"), coding="xchunked"),
    "chunked, but not last": chunked(callback("hidden"), coding="chunked, identity"),
    "chunked twice": chunked(callback("hidden"), coding="chunked, chunked"),
    "no size of a chunk": chunked(callback("hidden"), size=b""),
    "a negative size": chunked(callback("hidden"), size=b"-1"),
    "a size of 68 bits": chunked(callback("hidden"), size=b"fffffffffffffffff"),
    "a size with 0x": chunked(callback("hidden"), size=b"0x%x"),
    "a size with a sign": chunked(callback("hidden"), size=b"+%x"),
    "a size that is too small": chunked(callback("hidden"), size=b"5"),
    "a last chunk that is none": chunked(callback("hidden"), last=b"0\n\n"),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "no version that there is": request(callback("hidden"), "1.7"),
    "a tunnel": b"CONNECT ledger:80 HTTP/1.1\r\nHost: ledger\r\n\r\n",
}


async def test_what_two_could_read_differently_is_400_and_the_end(
    server: uvicorn.Server, database_url: str
) -> None:
    for name, sent in TWO_WAYS_TO_READ.items():
        async with Connection(server) as connection:
            await connection.send(sent)
            status, headers, content = await connection.answer()
            told = (status, content)
            assert told == (b"HTTP/1.1 400 Bad Request\r\n", b'{"status": "Bad Request"}'), name
            assert headers[b"connection"] == b"close"
            assert headers[b"cache-control"] == b"no-store"
            assert headers[b"x-content-type-options"] == b"nosniff"
            assert len(headers[b"x-request-id"]) == 36
            with suppress(ConnectionError):
                assert await asyncio.wait_for(connection.reader.read(), 30) == b"", name
    assert recorded(database_url) == []
    assert execute(database_url, "SELECT count(*) FROM quarantine") == [(0,)]


async def test_no_field_after_the_body_decides_anything(server: uvicorn.Server, database_url: str) -> None:
    for without, code in (("X-Api-Key", b"401"), ("X-Hmac-Sha256-Signature", b"403"), ("", b"200")):
        whole = request(callback("trailers"))
        lines = [line for line in whole.partition(b"\r\n\r\n")[0].split(b"\r\n") if line.startswith(b"X-")]
        assert len(lines) == 2
        last = b"0\r\n" + b"\r\n".join([*lines, b"Content-Encoding: gzip"]) + b"\r\n\r\n"
        async with Connection(server) as connection:
            await connection.send(chunked(callback("trailers"), last=last, without=without))
            assert (await connection.answer())[0].split()[1] == code
    async with Connection(server) as connection:
        read = b"GET /api/statuses HTTP/1.1\r\nHost: ledger\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
        await connection.send(read + f"x-api-key: {CLIENT_API_KEY}\r\n\r\n".encode())
        assert (await connection.answer())[0].split()[1] == b"401"
    assert recorded(database_url) == ["trailers"]


async def test_what_follows_an_upgrade_is_another_protocol(server: uvicorn.Server, database_url: str) -> None:
    upgrade = HEALTH.replace(b"\r\n\r\n", b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    for parts in ([upgrade + request(callback("hidden"))], [upgrade, request(callback("hidden"))]):
        async with Connection(server) as connection:
            connection.writer.writelines(parts)
            status, headers, _ = await connection.answer()
            assert (status, headers[b"connection"]) == (OK, b"close")
            assert await connection.answers() == []
    assert recorded(database_url) == []


async def test_a_broken_request_does_not_take_the_answer_of_the_one_before(
    server: uvicorn.Server, database_url: str
) -> None:
    for before in (request(callback("whole")), chunked(callback("chunks")), HEALTH):
        async with Connection(server) as connection:
            await connection.send(before + b"broken\0\r\n\r\n")
            assert await connection.answers() == [200]
    assert recorded(database_url) == ["chunks", "whole"]


async def test_whole_requests_are_answered_before_a_broken_one_ends_the_connection(
    server: uvicorn.Server, database_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """The ones before are still under way, some of them in quarantine, when the broken one is read."""
    whole = request(callback("one"), x_api_key="wrong"), HEALTH, request(callback("two"))
    for broken in (BROKEN_CHUNK, BROKEN_CHUNK.replace(b"zz", b"5\r\nhellozz"), b"nonsense\r\n\r\n"):
        async with Connection(server) as connection:
            await connection.send(b"".join(whole) + broken + HEALTH)
            assert await connection.answers() == [401, 200, 200]
    assert recorded(database_url) == ["two"]
    assert "Exception in ASGI application" not in capfd.readouterr().err


async def test_who_answers_a_request_that_turns_out_broken_is_not_heard(
    server: uvicorn.Server, capfd: pytest.CaptureFixture[str]
) -> None:
    for _ in range(20):
        async with Connection(server) as connection:
            await connection.send(BROKEN_CHUNK)
            assert len(await connection.answers()) == 1
    assert "Exception in ASGI application" not in capfd.readouterr().err


WAYS = pytest.mark.parametrize("way", [request, chunked], ids=["short way", "long way"])


@WAYS
async def test_who_answers_a_connection_that_is_gone_is_not_heard(
    server: uvicorn.Server,
    database_url: str,
    held_up: psycopg.AsyncConnection,
    capfd: pytest.CaptureFixture[str],
    way: Callable[[bytes], bytes],
) -> None:
    async with Connection(server) as connection:
        await connection.send(way(callback("one")) + HEALTH)
        the_connection(server).transport.abort()  # as where what was answered before is not read
        assert await connection.answers() == []
    await held_up.rollback()
    async with Connection(server) as connection:
        await connection.send(request(callback("two")))
        assert (await connection.answer())[0] == OK
    assert recorded(database_url) == ["one", "two"]
    told = capfd.readouterr().err
    assert "Exception in ASGI application" not in told
    assert "answer.untold" not in told


@WAYS
async def test_whole_requests_before_half_a_one_are_answered_to_who_says_no_more(
    server: uvicorn.Server,
    database_url: str,
    held_up: psycopg.AsyncConnection,
    way: Callable[[bytes], bytes],
) -> None:
    async with Connection(server) as connection:
        await connection.send(way(callback("one")) + HEALTH + request(callback("half"))[:-1])
        connection.writer.write_eof()
        await asyncio.sleep(0.1)
        await held_up.rollback()
        assert await connection.answers() == [200, 200]
    assert recorded(database_url) == ["one"]
