"""The short way of a callback through the protocol answers as the long one, whatever its form on the wire."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from ledger.app import StatusLedger
from ledger.protocol import SMALL
from tests.support.supplier import CLIENT_API_KEY
from tests.support.wire import OK, Connection, callback, listening, recorded, request

READ = f"GET /api/statuses HTTP/1.1\r\nHost: ledger\r\nx-api-key: {CLIENT_API_KEY}\r\n\r\n".encode()


@pytest.fixture
async def server(app: StatusLedger) -> AsyncIterator[uvicorn.Server]:
    """A listening server of the open application."""
    async with listening(app) as server:
        yield server


async def test_one_after_the_other_on_a_connection(server: uvicorn.Server, database_url: str) -> None:
    async with Connection(server) as connection:
        for number in range(3):
            await connection.send(request(callback(f"key-{number}")))
            status, headers, content = await connection.answer()
            assert (status, content) == (OK, b'{"status": "success"}')
            assert headers[b"cache-control"] == b"no-store"
            assert headers[b"content-type"] == b"application/json"
            assert len(headers[b"x-request-id"]) == 36
            assert b"date" in headers
            assert b"connection" not in headers
    assert recorded(database_url) == ["key-0", "key-1", "key-2"]


async def test_in_pieces(server: uvicorn.Server, database_url: str) -> None:
    whole = request(callback("pieces"))
    async with Connection(server) as connection:
        await connection.send(whole[:30], whole[30:-200], whole[-200:-1], whole[-1:])
        assert (await connection.answer())[0] == OK
    assert recorded(database_url) == ["pieces"]


async def test_several_at_once_are_answered_in_their_order(server: uvicorn.Server, database_url: str) -> None:
    wrong = request(callback("wrong"), x_hmac_sha256_signature="0" * 64)
    async with Connection(server) as connection:
        await connection.send(request(callback("first")) + wrong + request(callback("third")))
        statuses = [(await connection.answer())[0].split()[1] for _ in range(3)]
    assert statuses == [b"200", b"403", b"200"]
    assert recorded(database_url) == ["first", "third"]


async def test_a_read_behind_a_callback_on_one_connection_sees_it(server: uvicorn.Server) -> None:
    async with Connection(server) as connection:
        await connection.send(request(callback("key")) + READ)
        assert (await connection.answer())[0] == OK
        assert b'"channelStatus":"delivered"' in (await connection.answer())[2]


@pytest.mark.parametrize("length", [SMALL - 1, SMALL, SMALL + 1, 5 * SMALL])
async def test_of_any_size(server: uvicorn.Server, database_url: str, length: int) -> None:
    lacking = length - len(callback("size", channelStatusDescription=""))
    content = callback("size", channelStatusDescription="x" * lacking)
    assert len(content) == length
    async with Connection(server) as connection:
        await connection.send(request(content))
        assert (await connection.answer())[0] == OK
        await connection.send(request(callback("next")))
        assert (await connection.answer())[0] == OK
    assert recorded(database_url) == ["next", "size"]


async def test_larger_than_it_may_be_is_413_before_it_is_sent(server: uvicorn.Server) -> None:
    async with Connection(server) as connection:
        announced = request(b"{}").replace(b"Content-Length: 2", b"Content-Length: 99999999")
        await connection.send(announced)
        assert (await connection.answer())[0].split()[1] == b"413"


async def test_chunked_is_taken_as_well(server: uvicorn.Server, database_url: str) -> None:
    content = callback("chunks")
    head = request(content).partition(b"\r\n\r\n")[0]
    head = head.replace(f"Content-Length: {len(content)}".encode(), b"Transfer-Encoding: chunked")
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (content[:100], content[100:]))
    async with Connection(server) as connection:
        await connection.send(head + b"\r\n\r\n" + chunks + b"0\r\n\r\n")
        assert (await connection.answer())[0] == OK
    assert recorded(database_url) == ["chunks"]


async def test_an_expectation_is_met(server: uvicorn.Server) -> None:
    whole = request(callback("expected"), expect="100-continue")
    head, _, content = whole.partition(b"\r\n\r\n")
    async with Connection(server) as connection:
        await connection.send(head + b"\r\n\r\n")
        assert await connection.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await connection.send(content)
        assert (await connection.answer())[0] == OK


@pytest.mark.parametrize(("version", "headers"), [("1.0", {}), ("1.1", {"connection": "close"})])
async def test_a_connection_that_is_to_end_ends(
    server: uvicorn.Server, version: str, headers: dict[str, str]
) -> None:
    async with Connection(server) as connection:
        await connection.send(request(callback("last"), version, **headers))
        status, told, _ = await connection.answer()
        assert (status, told[b"connection"]) == (OK, b"close")
        assert await connection.reader.read() == b""


async def test_a_supplier_that_hangs_up_takes_nothing_back(server: uvicorn.Server, database_url: str) -> None:
    async with Connection(server) as connection:
        await connection.send(request(callback("gone")))
    async with Connection(server) as connection:
        await connection.send(request(callback("half"))[:-10])
    async with Connection(server) as connection:
        await connection.send(request(callback("next")))
        assert (await connection.answer())[0] == OK
    assert recorded(database_url) == ["gone", "next"]


async def test_an_idle_connection_is_closed(server: uvicorn.Server) -> None:
    async with Connection(server) as connection:
        await connection.send(request(callback("idle")))
        await connection.answer()
        assert await asyncio.wait_for(connection.reader.read(), 30) == b""


@pytest.mark.parametrize("later", [request(callback("later")), READ], ids=["callbacks", "reads"])
async def test_a_connection_in_use_stays_open_for_longer_than_one_may_be_idle(
    server: uvicorn.Server, later: bytes
) -> None:
    async with Connection(server) as connection:
        for sent in (request(callback("first")), later, later):
            await connection.send(sent)
            assert (await connection.answer())[0] == OK
            await asyncio.sleep(0.6)
        assert await asyncio.wait_for(connection.reader.read(), 30) == b""


async def test_a_connection_whose_answer_takes_its_time_is_not_idle(
    server: uvicorn.Server, database_url: str
) -> None:
    async with Connection(server) as connection:
        await connection.send(request(callback("first")))
        assert (await connection.answer())[0] == OK
        async with await psycopg.AsyncConnection.connect(database_url) as other:
            await other.execute("LOCK TABLE entries IN EXCLUSIVE MODE")
            await connection.send(request(callback("second")))
            await asyncio.sleep(1.5)
        assert (await connection.answer())[0] == OK


async def test_a_callback_that_comes_slowly_is_not_taken_for_idleness(server: uvicorn.Server) -> None:
    whole = request(callback("slow"))
    async with Connection(server) as connection:
        await connection.send(request(callback("first")))
        assert (await connection.answer())[0] == OK
        for part in (whole[:40], whole[40:80], whole[80:]):
            await asyncio.sleep(0.7)
            await connection.send(part)
        assert (await connection.answer())[0] == OK


@pytest.mark.parametrize("length", ["", "+5", "-1", "5, 5", "1e3", "9" * 5000])
async def test_a_length_that_is_none_is_400(server: uvicorn.Server, length: str) -> None:
    whole = request(callback("length"), content_length=length)
    async with Connection(server) as connection:
        await connection.send(whole)
        assert (await asyncio.wait_for(connection.reader.readline(), 30)).split()[1] == b"400"


async def test_only_a_plain_callback_takes_the_short_way(
    server: uvicorn.Server, app: StatusLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    long_way: list[str] = []
    asked = StatusLedger.__call__

    async def count(self: StatusLedger, scope: Scope, receive: Receive, send: Send) -> None:
        long_way.append(scope["path"])
        await asked(self, scope, receive, send)

    monkeypatch.setattr(StatusLedger, "__call__", count)
    async with Connection(server) as connection:
        await connection.send(request(callback("plain")))
        await connection.answer()
        assert long_way == []
        await connection.send(request(callback("large", channelStatusDescription="x" * SMALL)))
        await connection.answer()
        assert long_way == ["/api/status/create"]
