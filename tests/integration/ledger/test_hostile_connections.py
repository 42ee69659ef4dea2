"""Strangers' connections: no request is read as two, none waits for ever, none costs more than its share."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress

import psycopg
import pytest
import uvicorn

from ledger import protocol
from ledger.app import StatusLedger
from ledger.protocol import MOST_FIELDS, MOST_LINES, MOST_PIPELINED, PACE, CallbackProtocol
from tests.support.database import execute
from tests.support.supplier import CLIENT_API_KEY, NOTIFY_API_KEY
from tests.support.wire import OK, Connection, callback, listening, recorded, request

HEALTH = b"GET /api/healthcheck HTTP/1.1\r\nHost: ledger\r\n\r\n"


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}  # as `status-ledger serve` does


@pytest.fixture
async def server(app: StatusLedger) -> AsyncIterator[uvicorn.Server]:
    """A listening server of the open application."""
    async with listening(app) as server:
        yield server


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that soon loses its patience."""
    monkeypatch.setattr(protocol, "PATIENCE", 0.2)


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


@pytest.fixture
async def held_up(database_url: str) -> AsyncIterator[psycopg.AsyncConnection]:
    """What keeps callbacks waiting for their commit until it is rolled back."""
    async with await psycopg.AsyncConnection.connect(database_url) as other:
        await other.execute("LOCK TABLE entries IN ACCESS EXCLUSIVE MODE")
        yield other


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


# Bounds

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


# Patience


@pytest.mark.parametrize("path", ["/api/status/create", "/api/message/batch"])
async def test_who_has_said_all_is_still_answered(server: uvicorn.Server, path: str) -> None:
    async with Connection(server) as connection:
        connection.writer.write(
            request(callback("half")).replace(b"/api/status/create", path.encode()) + HEALTH
        )
        connection.writer.write_eof()
        first, second = await connection.answers()
        assert first in {200, 401}
        assert second == 200


async def test_who_has_not_said_all_is_not(server: uvicorn.Server, database_url: str) -> None:
    for sent in (request(callback("half"))[:-1], chunked(callback("half"))[:-1], HEALTH[:-1]):
        async with Connection(server) as connection:
            await connection.send(sent)
            connection.writer.write_eof()
            assert await connection.answers() == []
    assert recorded(database_url) == []


def slow() -> Iterator[tuple[str, bytes, int]]:
    """Yield requests that never end, each with how many bytes of it come at once."""
    whole = request(callback("slow"))
    yield "nothing", b"", 1
    yield "head", whole, 20
    yield "body", whole[:-1], len(whole) - 20
    yield "chunks", chunked(callback("slow"))[:-1], len(whole) - 20
    yield "refused body", request(b"{}").replace(b"Content-Length: 2", b"Content-Length: 99999999"), 10**6
    yield "batch", whole.replace(b"status/create", b"message/batch")[:-1], len(whole) - 20
    yield "behind another", whole + whole[:-1], len(whole) + 20
    yield (
        "behind an upgrade",
        HEALTH.replace(b"\r\n\r\n", b"\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"),
        100,
    )


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(("sent", "at_once"), [s[1:] for s in slow()], ids=[s[0] for s in slow()])
async def test_who_takes_for_ever_is_left(
    server: uvicorn.Server, database_url: str, sent: bytes, at_once: int
) -> None:
    async with Connection(server) as connection:
        ended = asyncio.create_task(connection.answers())
        with suppress(ConnectionError):
            connection.writer.write(sent[:at_once])
            for byte in sent[at_once:] or b"x" * 100_000:
                await asyncio.wait([ended], timeout=0.02)
                if ended.done():
                    break
                connection.writer.write(bytes([byte]) if sent[at_once:] else b"")
        assert set(await asyncio.wait_for(ended, 30)) <= {200, 401, 413}
    assert set(recorded(database_url)) <= {"slow"}
    assert not server.server_state.connections


async def test_a_whole_request_may_wait_for_its_answer(
    server: uvicorn.Server, hasty: None, database_url: str
) -> None:
    """The deadline is for who sends: an append that is held up is no fault of the supplier's."""
    async with Connection(server) as connection, await psycopg.AsyncConnection.connect(database_url) as other:
        await other.execute("LOCK TABLE entries IN ACCESS EXCLUSIVE MODE")
        await connection.send(request(callback("held up")))
        await asyncio.sleep(3 * protocol.PATIENCE)
        await other.rollback()
        assert (await connection.answer())[0] == OK
    assert recorded(database_url) == ["held up"]


async def test_a_large_body_may_take_its_time_as_long_as_it_goes_on(server: uvicorn.Server) -> None:
    whole = request(callback("large", channelStatusDescription="x" * 3 * PACE))
    async with Connection(server) as connection:
        sent = 0
        for reached in (PACE + 10_000, 2 * PACE + 20_000):
            connection.writer.write(whole[sent:reached])
            await connection.writer.drain()
            sent = reached
            await until_arrived(server, PACE)
            the_connection(server).give_up()
        connection.writer.write(whole[sent:])
        assert (await connection.answer())[0] == OK
    async with Connection(server) as connection:
        await connection.send(whole[:-1000])
        for _ in range(2):
            the_connection(server).give_up()
        assert await connection.answers() == []


def the_connection(server: uvicorn.Server) -> CallbackProtocol:
    (connection,) = server.server_state.connections
    assert isinstance(connection, CallbackProtocol)
    return connection


async def until_arrived(server: uvicorn.Server, size: int) -> None:
    while the_connection(server)._arrived < size:  # noqa: ASYNC110, SLF001 - nothing tells it
        await asyncio.sleep(0.01)


@pytest.mark.usefixtures("hasty")
async def test_who_never_reads_is_left(server: uvicorn.Server) -> None:
    async with Connection(server) as connection:
        connection.writer.transport.pause_reading()  # type: ignore[attr-defined]  # as a stalled client does
        async with asyncio.timeout(30):  # one that is never left would fill memory, and not fail
            while server.server_state.connections or not server.server_state.total_requests:
                with suppress(ConnectionError):
                    connection.writer.write(HEALTH.replace(b"/api/healthcheck", b"/openapi.json"))
                await asyncio.sleep(0.01)


async def test_a_supplier_that_never_reads_costs_no_memory(server: uvicorn.Server) -> None:
    refused = request(b"{}", x_api_key="wrong", x_hmac_sha256_signature=None)
    assert NOTIFY_API_KEY.encode() not in refused
    async with Connection(server) as connection:
        connection.writer.transport.pause_reading()  # type: ignore[attr-defined]  # as a stalled client does
        for _ in range(300):
            connection.writer.write(refused * 100)
            await asyncio.sleep(0)
            for theirs in server.server_state.connections:
                assert theirs.transport.get_write_buffer_size() < 128 * 1024
            if connection.writer.is_closing():
                break  # it was left, for it had asked too much ahead
