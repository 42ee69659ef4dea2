"""`GET /api/statuses` and `POST /api/statuses/search`: current statuses, by filter."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from query.routes import LARGEST_SEARCH
from tests.support.database import execute
from tests.support.supplier import AUDITOR_API_KEY, CLIENT_API_KEY, NOTIFY_API_KEY, body, item, signed

GET = "/api/statuses"
SEARCH = "/api/statuses/search"
KEY = {"x-api-key": CLIENT_API_KEY}
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)

Record = dict[str, Any]


async def post(client: httpx.AsyncClient, *items: dict[str, Any]) -> None:
    content = body(*items)
    answer = await client.post("/api/status/create", content=content, headers=signed(content))
    assert (answer.status_code, answer.json()) == (200, {"status": "success"})


async def read(client: httpx.AsyncClient, **filters: str | int) -> list[Record]:
    """Return the records that the filters let through; both ways of asking agree on them."""
    got = await client.get(GET, params=filters, headers=KEY)
    searched = await client.post(SEARCH, json=filters, headers=KEY)
    assert (got.status_code, searched.status_code) == (200, 200), got.text + searched.text
    assert got.json()["data"] == searched.json()["data"]
    assert got.json()["status"] == searched.json()["status"] == "success"
    records: list[Record] = got.json()["data"]
    return records


def ids(records: Iterable[Record]) -> list[str]:
    return [record["message_id"] for record in records]


def told(message_id: str, **stated: Any) -> dict[str, Any]:
    """Return an item with a key of its own."""
    kind = "MessageStatus" if "messageStatus" in stated else "ChannelStatus"
    return item(message_id, **{"key": str(uuid4()), "kind": kind, "reference": f"ref-{message_id}"} | stated)


def sms(message_id: str, status: str = "delivered", **stated: Any) -> dict[str, Any]:
    return told(message_id, **{"channel": "sms", "channelStatus": status} | stated)


def record_at(url: str, times: dict[str, datetime]) -> None:
    """Move when messages were recorded, which the database's clock decides otherwise."""
    execute(
        url,
        *(
            f"UPDATE {table} SET recorded_at = '{moment.isoformat()}' WHERE message_id = '{message_id}'"  # noqa: S608 - the test's own words
            for table in ("message_status", "channel_status")
            for message_id, moment in times.items()
        ),
    )


# What a record says


async def test_a_record_says_everything_in_the_contracts_names_and_formats(client: httpx.AsyncClient) -> None:
    await post(
        client,
        told(
            "m",
            channel="nhsapp",
            channelStatus="delivered",
            supplierStatus="read",
            messageStatus="delivered",
            reference="r",
            timestamp="2026-11-23T10:15:01.413052999+01:00",
        ),
    )
    (record,) = await read(client)
    created_at = record.pop("created_at")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z", created_at)
    assert abs(datetime.now(UTC) - datetime.fromisoformat(created_at)) < timedelta(minutes=1)
    assert record == {
        "message_id": "m",
        "message_reference": "r",
        "channel": "nhsapp",
        "channelStatus": "delivered",
        "supplierStatus": "read",
        "messageStatus": "delivered",
        "occurredAt": "2026-11-23T09:15:01.413052Z",
        "deliveredAt": "2026-11-23T09:15:01.413052Z",
        "readAt": "2026-11-23T09:15:01.413052Z",
        "failedAt": None,
    }


async def test_what_nobody_said_is_null_and_never_left_out(client: httpx.AsyncClient) -> None:
    await post(client, told("m", messageStatus="failed", timestamp="2026-11-23T09:15:00Z"))
    (record,) = await read(client)
    assert {name for name, value in record.items() if value is None} == {
        "channel",
        "channelStatus",
        "supplierStatus",
        "deliveredAt",
        "readAt",
    }
    assert record["failedAt"] == record["occurredAt"] == "2026-11-23T09:15:00Z"


async def test_a_message_is_found_by_its_id_however_the_url_writes_it(client: httpx.AsyncClient) -> None:
    await post(client, sms("m-1.~_"), sms("m é"))
    for written, wanted in (("m-1.~_", "m-1.~_"), ("%6D-1%2E~_", "m-1.~_"), ("m+%C3%A9", "m é"), ("m", None)):
        answer = await client.get(f"{GET}?messageId={written}", headers=KEY)
        assert ids(answer.json()["data"]) == ([wanted] if wanted else [])
        assert answer.headers["vary"] == "Accept"
        limited = await client.get(f"{GET}?messageId={written}&limit=1", headers=KEY)
        assert limited.content == answer.content
    csv = await client.get(f"{GET}?messageId=m-1.~_", headers=KEY | {"accept": "text/csv"})
    assert csv.headers["content-type"].startswith("text/csv")


async def test_no_message_is_an_empty_list(client: httpx.AsyncClient) -> None:
    answer = await client.get(GET, headers=KEY)
    assert answer.content == b'{"status":"success","data":[]}'
    assert "link" not in answer.headers


async def test_a_record_shows_its_latest_channel_with_that_channels_statuses(
    client: httpx.AsyncClient,
) -> None:
    await post(
        client,
        told(
            "m",
            channel="nhsapp",
            channelStatus="failed",
            supplierStatus="unnotified",
            timestamp="2026-11-23T09:00:00Z",
        ),
        sms("m", "sending", supplierStatus="accepted", timestamp="2026-11-23T10:00:00Z"),
        told("m", messageStatus="sending", timestamp="2026-11-23T11:00:00Z"),
    )
    (record,) = await read(client)
    assert [record[name] for name in ("channel", "channelStatus", "supplierStatus")] == [
        "sms",
        "sending",
        "accepted",
    ]
    assert (record["messageStatus"], record["occurredAt"]) == ("sending", "2026-11-23T11:00:00Z")


# Filters


async def test_with_a_channel_there_is_one_record_for_each_message_that_has_a_status_on_it(
    client: httpx.AsyncClient,
) -> None:
    await post(client, sms("both", "sending", timestamp="2026-11-23T09:00:00Z"))
    await post(
        client, told("both", channel="email", channelStatus="delivered", timestamp="2026-11-23T10:00:00Z")
    )
    await post(client, told("email only", channel="email", channelStatus="failed"))
    await post(client, told("neither", channel="sms", messageStatus="sending"))
    whole = {record["message_id"]: record for record in await read(client)}
    assert set(whole) == {"both", "email only", "neither"}
    (on_sms,) = await read(client, channel="sms")
    on_email = {record["message_id"]: record for record in await read(client, channel="email")}
    assert set(on_email) == {"both", "email only"}

    assert (on_sms["channel"], on_sms["channelStatus"]) == ("sms", "sending")
    assert (on_sms["occurredAt"], on_sms["deliveredAt"]) == ("2026-11-23T09:00:00Z", None)
    assert on_sms["created_at"] < on_email["both"]["created_at"] == whole["both"]["created_at"]
    assert on_email["both"]["channelStatus"] == "delivered"
    assert await read(client, channel="sms", channelStatus="delivered") == []


async def test_a_later_event_on_another_channel_leaves_a_channels_record_as_it_was(
    client: httpx.AsyncClient,
) -> None:
    await post(client, sms("m", timestamp="2026-11-23T09:00:00Z"))
    before = await read(client, channel="sms")
    await post(client, told("m", channel="letter", channelStatus="sending", timestamp="2026-11-23T10:00:00Z"))
    assert await read(client, channel="sms") == before
    assert ids(await read(client, channel="letter", channelStatus="sending")) == ["m"]


MESSAGES = {
    message_id: dict(
        zip(("channel", "channelStatus", "supplierStatus", "messageStatus"), said.split(), strict=True)
    )
    for message_id, said in {
        "a": "sms delivered delivered delivered",
        "b": "sms failed unnotified sending",
        "c": "email failed rejected failed",
        "d": "letter sending accepted sending",
        "e": "nhsapp sending delivered sending",
    }.items()
}


async def test_each_filter_alone_and_all_pairs_let_through_what_they_should(
    client: httpx.AsyncClient,
) -> None:
    await post(client, *(told(message_id, **stated) for message_id, stated in MESSAGES.items()))
    everything = await read(client)
    assert sorted(ids(everything)) == list(MESSAGES)
    filters = {
        (name, value)
        for record in everything
        for name, value in (
            ("messageId", record["message_id"]),
            ("messageReference", record["message_reference"]),
            *((name, record[name]) for name in MESSAGES["a"]),
        )
    }
    names = {"messageId": "message_id", "messageReference": "message_reference"}
    for one in filters:
        for other in filters:
            asked = dict((one, other))
            answer = await client.get(GET, params=asked, headers=KEY)
            assert sorted(ids(answer.json()["data"])) == sorted(
                record["message_id"]
                for record in everything
                if all(record[names.get(name, name)] == value for name, value in asked.items())
            )


async def test_messages_of_one_reference_are_all_found(client: httpx.AsyncClient) -> None:
    await post(client, sms("1", reference="shared"), sms("2", reference="shared"), sms("3"))
    assert sorted(ids(await read(client, messageReference="shared"))) == ["1", "2"]


UNKNOWN: list[dict[str, str]] = [
    {"channel": "pigeon"},
    {"channel": ""},
    {"supplierStatus": "READ"},
    {"channelStatus": "delivered "},
    {"messageStatus": "%"},
    {"messageId": "' OR true --"},
    {"messageReference": "’"},
    {"messageReference": "x" * 60_000},
    {"messageId": "😀" * 2_000},
    {"channel": "a\0b"},
    {"messageId": "\0"},
    {"channel": "sms", "messageStatus": "\0"},
    {"created_at": "1999-12-31"},
    {"createdAfter": "9999-12-31"},
    {"createdBefore": "0001-01-01"},
    {"created_at": "9999-12-31T23:59:59.999999Z"},
]


async def test_a_value_that_no_record_has_is_an_empty_list(client: httpx.AsyncClient) -> None:
    await post(client, sms("m", messageStatus="delivered"))
    for filters in UNKNOWN:
        assert await read(client, **filters) == [], filters


async def test_half_a_surrogate_pair_is_an_empty_list(client: httpx.AsyncClient) -> None:
    await post(client, sms("\N{REPLACEMENT CHARACTER}", reference="\N{REPLACEMENT CHARACTER}"))
    for name in (b"messageId", b"messageReference", b"channel", b"messageStatus"):
        for half in (b"\\ud800", b"\xed\xa0\x80"):
            answer = await client.post(SEARCH, content=b'{"%b": "%b"}' % (name, half), headers=KEY)
            assert (answer.status_code, answer.json()) == (200, {"status": "success", "data": []})


async def test_no_encoding_of_a_url_is_a_500(client: httpx.AsyncClient) -> None:
    await post(client, sms("m"))
    for encoded in ("%ED%A0%80", "%FF", "%00", "%", "%zz"):
        url = client.base_url.copy_with(raw_path=f"{GET}?messageId={encoded}".encode())
        answer = await client.get(url, headers=KEY)
        assert (answer.status_code, answer.json()) == (200, {"status": "success", "data": []}), encoded


REFUSED = {
    "chanel=sms": "'chanel': unknown parameter; allowed are channel, ",
    "channel=sms&channel=sms": "'channel': given more than once",
    "limit=0": "limit: must be a whole number from 1 to 10000",
    "limit=": "limit: must be a whole number from 1 to 10000",
    "limit=1&limit=1": "'limit': given more than once",
    "created_at=2026-13-01": "created_at: must be a date (2026-11-23) or a time (2026-11-23T09:15:02Z)",
    "cursor=nonsense": "cursor: not one that this service gave for these filters",
}


async def test_a_question_that_cannot_be_answered_is_422_and_says_why(client: httpx.AsyncClient) -> None:
    for query, status in REFUSED.items():
        answer = await client.get(f"{GET}?{query}", headers=KEY)
        assert (answer.status_code, list(answer.json())) == (422, ["status"]), query
        assert answer.json()["status"].startswith(status)


async def test_a_search_that_cannot_be_read_is_422(client: httpx.AsyncClient) -> None:
    for content in (b"", b"nonsense", b"[]", b'{"limit": "5"}', b'{"\\ud800": "sms"}'):
        answer = await client.post(SEARCH, content=content, headers=KEY)
        assert (answer.status_code, list(answer.json())) == (422, ["status"]), content


async def test_a_huge_search_is_413_before_it_is_all_read(client: httpx.AsyncClient) -> None:
    sent = 0

    async def endless() -> Any:
        nonlocal sent
        for _ in range(1000):
            sent += 1
            yield b" " * 4096

    fits = b'{"messageId": "m"' + b" " * (LARGEST_SEARCH - 18) + b"}"
    assert (await client.post(SEARCH, content=fits, headers=KEY)).status_code == 200
    for content in (fits + b" ", endless()):
        answer = await client.post(SEARCH, content=content, headers=KEY)
        assert (answer.status_code, answer.json()) == (413, {"status": "Request body too large"})
    assert sent < 1000


# Keys


async def test_without_the_clients_key_there_is_no_answer(client: httpx.AsyncClient) -> None:
    await post(client, sms("m"))
    for key in (None, "", "wrong", CLIENT_API_KEY + " ", "é", NOTIFY_API_KEY, AUDITOR_API_KEY):
        headers = [] if key is None else [(b"x-api-key", key.encode())]
        for answer in (
            await client.get(f"{GET}?nonsense", headers=headers),
            await client.post(SEARCH, headers=headers, content=b"nonsense"),
        ):
            assert (answer.status_code, answer.json()) == (401, {"status": "Invalid API key"}), key


async def test_a_repeated_key_is_401_although_both_are_right(client: httpx.AsyncClient) -> None:
    twice = [*KEY.items(), *KEY.items()]
    assert (await client.get(GET, headers=twice)).status_code == 401
    assert (await client.post(SEARCH, json={}, headers=twice)).status_code == 401


# Freshness and failure


async def test_a_read_after_a_200_sees_what_was_told(client: httpx.AsyncClient) -> None:
    for number in range(200):
        status = ("sending", "delivered", "failed")[number % 3]
        timestamp = f"2026-11-23T09:{number // 60:02}:{number % 60:02}Z"
        await post(client, sms("m", status, timestamp=timestamp))
        answer = await client.get(GET, params={"messageId": "m"}, headers=KEY)
        (record,) = answer.json()["data"]
        assert (record["channelStatus"], record["occurredAt"]) == (status, timestamp)


@pytest.mark.parametrize(
    "breakage",
    [
        "ALTER TABLE message_status RENAME TO elsewhere",
        "ALTER TABLE message_status RENAME COLUMN message_status TO elsewhere",
        "REVOKE SELECT ON message_status FROM ledger_service",
    ],
)
async def test_a_failed_read_is_500_and_never_an_empty_list(
    client: httpx.AsyncClient, database_url: str, breakage: str
) -> None:
    await post(client, sms("m"))
    execute(database_url, breakage)
    for answer in (
        await client.get(GET, headers=KEY),
        await client.get(GET, params={"messageId": "unknown"}, headers=KEY),
        await client.post(SEARCH, json={"channel": "sms"}, headers=KEY),
    ):
        assert (answer.status_code, answer.json()) == (500, {"status": "error"})


async def test_a_read_that_lost_its_connection_is_500_and_the_next_ones_succeed(
    client: httpx.AsyncClient, database_url: str
) -> None:
    await post(client, sms("m"))
    execute(
        database_url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    answers = [await client.get(GET, headers=KEY) for _ in range(12)]
    for answer in answers:
        if answer.status_code == 500:
            assert answer.json() == {"status": "error"}
        else:
            assert ids(answer.json()["data"]) == ["m"]
    assert answers[-1].status_code == 200
