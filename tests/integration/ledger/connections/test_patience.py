"""No request and no reader keeps a connection waiting for ever; who may wait, may."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress

import psycopg
import pytest
import uvicorn

from ledger import bounds
from ledger.bounds import PACE
from tests.support.supplier import NOTIFY_API_KEY
from tests.support.wire import HEALTH, OK, Connection, callback, chunked, recorded, request, the_connection


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
        await asyncio.sleep(3 * bounds.PATIENCE)
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
