"""`GET /api/statuses` as CSV and NDJSON: the records of the JSON pages, and never a part that looks whole."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
import uvicorn
from fastapi import HTTPException

import query.streams
from eventstore.caller import Scope
from eventstore.database import Database
from eventstore.recipients import RecipientKeys
from ledger.app import StatusLedger, create_app
from ledger.protocol import CallbackProtocol
from ledger.settings import Settings
from query.export import EventFilters, counted, exported_events, exported_statuses, fetches
from query.filters import from_parameters
from query.formats import Format
from query.streams import Streams
from tests.support.client import ANOTHER, BATCH, KEY, NHS_NUMBER, batch, message
from tests.support.clients import issued, register
from tests.support.database import execute
from tests.support.supplier import CLIENT_API_KEY, body, item, signed

GET = "/api/statuses"

Record = dict[str, Any]


async def tell(client: httpx.AsyncClient, *messages: str, **stated: Any) -> None:
    """Tell a status of each message, one callback a message, so that each is recorded at its own time."""
    said = {"channel": "sms", "channelStatus": "delivered"} | stated
    for name in messages:
        content = body(item(name, key=str(uuid4()), reference=f"ref-{name}", **said))
        answer = await client.post("/api/status/create", content=content, headers=signed(content))
        assert answer.status_code == 200


async def pages(client: httpx.AsyncClient, key: str = CLIENT_API_KEY, **filters: str | int) -> list[Record]:
    """Return the records of every JSON page."""
    answer = await client.get(GET, params={"limit": 3, **filters}, headers={"x-api-key": key})
    records: list[Record] = answer.json()["data"]
    while "links" in answer.json():
        answer = await client.get(answer.json()["links"]["next"], headers={"x-api-key": key})
        records += answer.json()["data"]
    return records


async def streamed(
    client: httpx.AsyncClient, wanted: str, key: str = CLIENT_API_KEY, **filters: str | int
) -> list[Record]:
    """Return the records of a stream, read back."""
    answer = await client.get(GET, params=filters, headers={"x-api-key": key, "accept": wanted})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].partition(";")[0] == wanted
    assert answer.headers["vary"] == "Accept"
    assert "content-length" not in answer.headers
    if wanted == Format.NDJSON:
        return [json.loads(line) for line in answer.text.splitlines()]
    rows = csv.DictReader(io.StringIO(answer.text, newline=""), strict=True)
    return [{name: value or None for name, value in row.items()} for row in rows]


@pytest.fixture
def small_fetches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("query.export.FETCHED", 2)


# The same records


@pytest.mark.parametrize("wanted", Format)
@pytest.mark.parametrize(
    "filters",
    [
        {},
        {"channel": "sms"},
        {"channelStatus": "failed"},
        {"batchReference": "batch"},
        {"batchReference": "batch", "channel": "email"},
        {"nhsNumber": NHS_NUMBER},
        {"nhsNumber": "not a number"},
        {"messageId": "m-3"},
        {"createdAfter": "2026-01-01"},
        {"createdBefore": "2026-01-01"},
        {"messageReference": "ref-none"},
        {"messageId": "nul\0"},
    ],
    ids=str,
)
@pytest.mark.usefixtures("small_fetches")
async def test_a_stream_holds_the_records_of_all_pages_in_their_order(
    client: httpx.AsyncClient, wanted: str, filters: dict[str, str]
) -> None:
    await tell(client, *(f"m-{n}" for n in range(5)))
    await tell(client, "m-1", "x", channel="email", channelStatus="failed", supplierStatus="rejected")
    content = batch(message("ref-m-1"), message("ref-m-2"), message("ref-m-3", ANOTHER))
    assert (await client.post(BATCH, content=content, headers=KEY)).status_code == 201
    assert await streamed(client, wanted, **filters) == await pages(client, **filters)


async def test_with_a_limit_it_is_one_page_and_a_cursor_goes_on_from_there(
    client: httpx.AsyncClient,
) -> None:
    await tell(client, *(f"m-{n}" for n in range(5)))
    everything = await pages(client)
    assert await streamed(client, Format.NDJSON, limit=2) == everything[:2]
    first = (await client.get(GET, params={"limit": 2}, headers=KEY)).json()
    cursor = first["links"]["cursor"]
    assert await streamed(client, Format.CSV, limit=2, cursor=cursor) == everything[2:4]
    assert await streamed(client, Format.CSV, cursor=cursor) == everything[2:]


@pytest.mark.parametrize("wanted", Format)
async def test_a_client_is_streamed_its_own_messages_and_no_others(
    client: httpx.AsyncClient, database_url: str, wanted: str
) -> None:
    clinic = await issued(database_url, "clinic", Scope.STATUSES_READ)
    await tell(client, "a", "b", "both", "nobody's")
    register(database_url, "clinic", "ref-a", "ref-both")
    register(database_url, "hospital", "ref-b", "ref-both")
    for filters in ({}, {"batchReference": "batch"}, {"channel": "sms", "batchReference": "batch"}):
        records = await streamed(client, wanted, clinic, **filters)
        assert [record["message_id"] for record in records] == ["a"]
        assert records == await pages(client, clinic, **filters)
    assert await streamed(client, wanted, clinic, messageId="b") == []


async def test_a_formula_in_a_reference_is_guarded(client: httpx.AsyncClient) -> None:
    await tell(client, '=HYPERLINK("http://nowhere.test")')
    ((record),) = await streamed(client, Format.CSV)
    assert record["message_id"] == '\'=HYPERLINK("http://nowhere.test")'


async def test_json_varies_by_accept_too_and_answers_any_other_type(client: httpx.AsyncClient) -> None:
    for accept in ("application/json", "image/png", "text/csv;q=0"):
        answer = await client.get(GET, headers=KEY | {"accept": accept})
        assert (answer.json(), answer.headers["vary"]) == ({"status": "success", "data": []}, "Accept")


async def test_nothing_found_is_a_line_of_names_or_nothing(client: httpx.AsyncClient) -> None:
    answer = await client.get(GET, headers=KEY | {"accept": "text/csv"})
    assert answer.text.startswith("created_at,message_id,message_reference,channel,channelStatus,")
    assert answer.text.endswith("failedAt\r\n")
    assert (await client.get(GET, headers=KEY | {"accept": "application/x-ndjson"})).content == b""


@pytest.mark.parametrize("wanted", Format)
async def test_what_is_wrong_before_the_first_byte_is_told_in_json(
    client: httpx.AsyncClient, database_url: str, wanted: str
) -> None:
    sent = KEY | {"accept": wanted}
    answer = await client.get(GET, params={"chanel": "sms"}, headers=sent)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/json")
    execute(database_url, "ALTER TABLE message_status RENAME TO elsewhere")
    answer = await client.get(GET, headers=sent)
    assert (answer.status_code, answer.json()) == (500, {"status": "error"})


def test_the_description_of_the_api_tells_of_streams(service_settings: Settings) -> None:
    answers = create_app(service_settings).openapi()["paths"][GET]["get"]["responses"]
    assert set(answers["200"]["content"]) == {"application/json", *Format}
    assert set(answers) == {"200", "401", "422", "429", "500"}


# Midway


@pytest.fixture
async def address(app: StatusLedger) -> AsyncIterator[str]:
    """Where a server of the open application listens."""
    config = uvicorn.Config(app, http=CallbackProtocol, port=0, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn tells it by no event
        await asyncio.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    await task


def break_after_the_first_fetch(url: str) -> None:
    """Give the oldest message a time that cannot be read."""
    execute(
        url,
        "UPDATE message_status SET occurred_at = 'infinity' WHERE recorded_at ="
        " (SELECT min(recorded_at) FROM message_status)",
    )


@pytest.mark.parametrize("wanted", Format)
@pytest.mark.usefixtures("small_fetches")
async def test_an_answer_that_fails_midway_does_not_look_complete(
    client: httpx.AsyncClient,
    address: str,
    database_url: str,
    wanted: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    await tell(client, *(f"m-{n}" for n in range(6)))
    break_after_the_first_fetch(database_url)
    received = b""
    async with httpx.AsyncClient(base_url=address) as session:
        async with session.stream("GET", GET, headers=KEY | {"accept": wanted}) as answer:
            assert answer.status_code == 200
            with pytest.raises(httpx.RemoteProtocolError, match="incomplete chunked read"):  # noqa: PT012 - a loop
                async for chunk in answer.aiter_bytes():
                    received += chunk
        assert b"m-5" in received
        assert b"m-0" not in received
        assert "stream.broken" in capsys.readouterr().err
        for _ in range(5):  # and neither a stream nor a connection of the pool is lost by it
            healthy = await session.get(GET, params={"messageId": "m-5"}, headers=KEY | {"accept": wanted})
            assert healthy.status_code == 200


async def test_a_reader_that_goes_away_frees_its_stream_and_connection(
    client: httpx.AsyncClient, address: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("query.export.FETCHED", 1)
    await tell(client, *(f"{n}-{'m' * 60}" for n in range(3)))
    # 30,000 more, which no buffer on the way holds
    execute(
        database_url,
        "INSERT INTO message_status"
        " SELECT recorded_at - n * interval '1 second', occurred_at, NULL, NULL, NULL, n || message_id,"
        " message_reference || repeat('r', 180), NULL, NULL, NULL, NULL, '', '', latest_version"
        " FROM message_status, generate_series(1, 10000) AS n",
    )
    open_cursors = "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'"
    for _ in range(3):  # more than there may be at once
        async with (
            httpx.AsyncClient(base_url=address) as session,
            session.stream("GET", GET, headers=KEY | {"accept": "text/csv"}) as answer,
        ):
            assert answer.status_code == 200
            await anext(answer.aiter_bytes())
        async with asyncio.timeout(30):
            while execute(database_url, open_cursors) != [(0,)]:  # noqa: ASYNC110 - the server tells it by no event
                await asyncio.sleep(0.01)


async def test_a_reader_that_takes_nothing_is_not_waited_for(
    app: StatusLedger, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query.streams, "PATIENCE", 1)
    await tell(client, "m")
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    requested = False

    async def receive() -> Any:
        nonlocal requested
        if requested:
            await asyncio.Event().wait()
        requested = True
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "path": GET,
        "raw_path": GET.encode(),
        "query_string": b"",
        "headers": [(b"x-api-key", CLIENT_API_KEY.encode()), (b"accept", b"text/csv")],
        "scheme": "http",
        "server": ("ledger.test", 80),
        "client": None,
        "root_path": "",
    }
    with pytest.raises(TimeoutError):
        await app(scope, receive, send)
    assert [message.get("more_body") for message in sent] == [None, True]
    assert (await client.get(GET, headers=KEY | {"accept": "text/csv"})).status_code == 200


# How many, and how much of each


async def test_more_streams_than_may_be_open_are_told_to_come_back(
    client: httpx.AsyncClient, database_url: str
) -> None:
    await tell(client, "m")
    asked = exported_statuses(from_parameters([], RecipientKeys()))
    async with Database(database_url, connections=2) as database:
        streams = Streams(lambda: database, 1)
        answer = await streams.answer(asked, Format.CSV)
        with pytest.raises(HTTPException) as refused:
            await streams.answer(asked, Format.CSV)
        assert refused.value.status_code == 429
        assert int((refused.value.headers or {})["Retry-After"]) in range(5, 61)
        assert streams.open == 1

        async def receive() -> Any:
            return await asyncio.Event().wait()

        async def send(_: Any) -> None:
            pass

        await answer({"type": "http"}, receive, send)
        assert streams.open == 0


async def test_without_streams_the_answer_is_429_and_json_pages_go_on(
    service_settings: Settings, database_url: str
) -> None:
    assert database_url
    application = create_app(service_settings.model_copy(update={"max_streams": 0}))
    transport = httpx.ASGITransport(application, raise_app_exceptions=False)
    async with (
        application.router.lifespan_context(application),
        httpx.AsyncClient(transport=transport, base_url="http://ledger.test") as session,
    ):
        answer = await session.get(GET, headers=KEY | {"accept": "text/csv"})
        assert (answer.status_code, answer.json()) == (429, {"status": "Too many requests"})
        assert int(answer.headers["retry-after"]) in range(5, 61)
        assert (await session.get(GET, headers=KEY)).status_code == 200


@pytest.mark.usefixtures("small_fetches")
async def test_records_are_fetched_a_few_at_a_time_from_a_cursor_on_the_server(
    client: httpx.AsyncClient, database_url: str
) -> None:
    await tell(client, *(f"m-{n}" for n in range(5)))
    for records in (exported_statuses(from_parameters([], RecipientKeys())), exported_events(EventFilters())):
        async with Database(database_url, connections=2) as database, database.snapshot() as connection:
            assert await counted(connection, records) == 5
            sizes = []
            async for rows in fetches(connection, records):
                sizes.append(len(rows))
                cursor = await connection.execute("SELECT name FROM pg_cursors WHERE NOT is_holdable")
                assert ("records",) in await cursor.fetchall()
            assert sizes == [2, 2, 1]


@pytest.mark.usefixtures("small_fetches")
async def test_all_fetches_are_of_one_moment(client: httpx.AsyncClient, database_url: str) -> None:
    await tell(client, "a", "b", "c")
    async with Database(database_url, connections=2) as database, database.snapshot() as connection:
        seen = []
        async for rows in fetches(connection, exported_statuses(from_parameters([], RecipientKeys()))):
            seen += [row[1] for row in rows]
            await tell(client, "d", "a")
        assert seen == ["c", "b", "a"]
        cursor = await connection.execute("SHOW transaction_read_only")
        assert await cursor.fetchall() == [("on",)]
