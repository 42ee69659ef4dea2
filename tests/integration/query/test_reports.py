"""`GET /api/reports/delivery` and `/overdue`: every rule at its boundary, as JSON and as CSV."""

import csv
import io
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from ingest.vocabulary import CHANNELS
from query import report_models
from tests.support.clients import register
from tests.support.database import execute
from tests.support.supplier import CLIENT_API_KEY, body, item, signed

DELIVERY = "/api/reports/delivery"
OVERDUE = "/api/reports/overdue"
START = datetime(2026, 3, 2, 9, 0, 0, 123456, tzinfo=UTC)
TICK = timedelta(microseconds=1)
INSTANTS = {0: "2026-03-02T09:00:00.123456Z", 1: "2026-03-02T09:01:00.123456Z"}

Row = dict[str, Any]


def written(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}"


def told(name: str, minute: int = 0, **stated: Any) -> dict[str, Any]:
    """Return an item of a message (reference `ref-<name>` unless stated), so many minutes after the start."""
    kind = "MessageStatus" if "messageStatus" in stated else "ChannelStatus"
    timestamp = written(START + timedelta(minutes=minute))
    given = {"key": str(uuid4()), "kind": kind, "reference": f"ref-{name}", "timestamp": timestamp}
    return item(name, **given | stated)


async def post(client: httpx.AsyncClient, *items: dict[str, Any]) -> None:
    content = body(*items)
    answer = await client.post("/api/status/create", content=content, headers=signed(content))
    assert answer.status_code == 200, answer.text


async def pages(
    client: httpx.AsyncClient, path: str, key: str = CLIENT_API_KEY, **asked: str | int
) -> list[list[Row]]:
    headers = {"x-api-key": key}
    answer = await client.get(path, params=asked, headers=headers)
    assert answer.status_code == 200, answer.text
    found = [answer.json()["data"]]
    while "links" in answer.json():
        following = answer.json()["links"]["next"]
        assert answer.headers["link"] == f'<{following}>; rel="next"'
        answer = await client.get(following, headers=headers)
        assert answer.status_code == 200, answer.text
        found.append(answer.json()["data"])
    return found


async def rows(
    client: httpx.AsyncClient, path: str, key: str = CLIENT_API_KEY, **asked: str | int
) -> list[Row]:
    return [row for page in await pages(client, path, key, **asked) for row in page]


def references(found: Iterable[Row]) -> list[str]:
    return [row["message_reference"] for row in found]


def registered_at(url: str, moment: datetime) -> None:
    """Move when all was registered, which nothing but the guards' removal can."""
    execute(
        url,
        "ALTER TABLE registrations DISABLE TRIGGER append_only",
        f"UPDATE registrations SET recorded_at = '{moment.isoformat()}'",  # noqa: S608 - the test's own words
        "ALTER TABLE registrations ENABLE ALWAYS TRIGGER append_only",
    )


# Delivery


async def test_a_delivery_row_tells_the_first_times_and_codes_of_every_channel(
    client: httpx.AsyncClient, database_url: str
) -> None:
    register(database_url, "clinic", "ref-m")
    await post(
        client,
        told("m", 9, messageStatus="delivered"),
        told("m", 0, channel="nhsapp", channelStatus="sending", supplierStatus="delivered"),
        told("m", 2, channel="nhsapp", channelStatus="failed", channelFailureReasonCode="CFR_APP_0002"),
        told("m", 8, channel="sms", channelStatus="delivered"),
        told("m", 7, channel="sms", channelStatus="delivered", supplierStatus="delivered"),
    )
    (row,) = await rows(client, DELIVERY, batchReference="batch")
    assert row.pop("created_at") is not None
    at = {minute: written(START + timedelta(minutes=minute)) for minute in range(10)}
    nothing: Row = {"readAt": None, "failureCode": None}
    assert row == nothing | {
        "message_reference": "ref-m",
        "message_id": "m",
        "messageStatus": "delivered",
        "occurredAt": at[9],
        "deliveredAt": at[7],
        "failedAt": None,
        "channels": [
            nothing
            | {
                "channel": "nhsapp",
                "channelStatus": "failed",
                "deliveredAt": None,
                "failedAt": at[2],
                "failureCode": "CFR_APP_0002",
            },
            nothing
            | {"channel": "sms", "channelStatus": "delivered", "deliveredAt": at[7], "failedAt": None},
        ],
    }


async def test_messages_of_which_nothing_came_have_a_row_and_other_batches_none(
    client: httpx.AsyncClient, database_url: str
) -> None:
    register(database_url, "clinic", "ref-a", "ref-silent")
    register(database_url, "clinic", "ref-b", batch="another")
    await post(client, *(told(name, channel="sms", channelStatus="sending") for name in ("a", "b", "c")))
    heard, silent = await rows(client, DELIVERY, batchReference="batch")
    assert heard["message_id"] == "a"
    assert silent.pop("message_reference") == "ref-silent"
    assert silent.pop("channels") == []
    assert set(silent.values()) == {None}
    assert await rows(client, DELIVERY, batchReference="none") == []
    assert await rows(client, DELIVERY, batchReference="\0") == []


async def test_a_failure_code_is_that_of_the_greatest_version_with_one_whatever_came_first(
    client: httpx.AsyncClient, database_url: str
) -> None:
    register(database_url, "clinic", "ref-m")
    failed = {"channel": "sms", "channelStatus": "failed"}
    await post(
        client,
        told("m", 2, **failed, channelFailureReasonCode="later", messageFailureReasonCode="M1"),
        told("m", 1, **failed, channelFailureReasonCode="earlier"),
        # the same time as `later`, of a lower rank
        told("m", 2, channel="sms", channelStatus="retry", channelFailureReasonCode="lower"),
        told("m", 5, channel="sms", channelStatus="sending"),
        told("m", 3, channel="email", channelStatus="failed", channelFailureReasonCode="another channel"),
        told("m", 3, messageStatus="failed", messageFailureReasonCode="M2"),
        told("m", 4, messageStatus="sending"),
    )
    (row,) = await rows(client, DELIVERY, batchReference="batch")
    assert row["failureCode"] == "M2"
    codes = {one["channel"]: one["failureCode"] for one in row["channels"]}
    assert codes == {"sms": "later", "email": "another channel"}


async def test_messages_of_one_reference_have_a_row_each(
    client: httpx.AsyncClient, database_url: str
) -> None:
    for who in ("clinic", "hospital"):
        register(database_url, who, "ref")
    await post(client, *(told(name, reference="ref", messageStatus="sending") for name in ("b", "a")))
    for limit in (1, 2, 3):
        found = await rows(client, DELIVERY, batchReference="batch", limit=limit)
        assert [row["message_id"] for row in found] == ["a", "b"]


# Overdue


@pytest.mark.parametrize(
    ("days", "stated"),
    [
        (4, {"channel": "nhsapp", "channelStatus": "sending", "supplierStatus": "delivered"}),
        (4, {"channel": "sms", "channelStatus": "sending", "cascadeType": "primary", "cascadeOrder": 1}),
        (4, {"channel": "email", "channelStatus": "sending"}),
        (7, {"channel": "letter", "channelStatus": "sending"}),
        (10, {"channel": "sms", "channelStatus": "sending", "cascadeType": "secondary"}),
        (10, {"channel": "letter", "channelStatus": "sending", "cascadeOrder": 2}),
        (4, {"messageStatus": "pending_enrichment"}),
    ],
    ids=["app", "sms", "email", "letter", "secondary", "cascade order 2", "no channel"],
)
async def test_a_message_is_overdue_when_the_time_of_its_channel_is_up_and_no_microsecond_sooner(
    client: httpx.AsyncClient, days: int, stated: dict[str, Any]
) -> None:
    await post(client, told("m", 60, **stated), told("m", 0, **stated))  # time runs from the first event
    due = START + timedelta(days=days)
    assert await rows(client, OVERDUE, asOf=written(due - TICK)) == []
    (row,) = await rows(client, OVERDUE, asOf=written(due))
    assert (row["since"], row["dueAt"], row["daysOverdue"]) == (written(START), written(due), 0)
    assert row["occurredAt"] == written(START + timedelta(hours=1))
    for later, whole in ((timedelta(days=1) - TICK, 0), (timedelta(days=1), 1), (timedelta(days=30), 30)):
        (row,) = await rows(client, OVERDUE, asOf=written(due + later))
        assert row["daysOverdue"] == whole


async def test_a_message_that_went_on_to_another_channel_has_ten_days(client: httpx.AsyncClient) -> None:
    await post(
        client,
        told("m", 0, channel="nhsapp", channelStatus="failed"),
        told("m", 5, channel="sms", channelStatus="sending"),
        told("m", 1, messageStatus="sending"),
    )
    due = START + timedelta(days=10)
    assert await rows(client, OVERDUE, asOf=written(due - TICK)) == []
    (row,) = await rows(client, OVERDUE, asOf=written(due))
    assert (row["channel"], row["secondChannel"], row["dueAt"]) == ("sms", True, written(due))


async def test_what_was_registered_and_never_heard_of_counts_from_its_registration(
    client: httpx.AsyncClient, database_url: str
) -> None:
    register(database_url, "clinic", "ref-m")
    registered_at(database_url, START)
    register(database_url, "clinic", "ref-m", batch="again")
    due = START + timedelta(days=4)
    for asked in ({}, {"batchReference": "batch"}, {"batchReference": "again"}):
        assert await rows(client, OVERDUE, asOf=written(due - TICK), **asked) == []
        (row,) = await rows(client, OVERDUE, asOf=written(due), **asked)
        assert (row["message_id"], row["channel"], row["since"]) == (None, None, written(START))
        assert row["batchReferences"] == ["again", "batch"]
    assert await rows(client, OVERDUE, asOf=written(due), channel="sms") == []
    await post(client, told("m", 1, messageStatus="created"))
    assert await rows(client, OVERDUE, asOf=written(due)) == []


SENDING = {"messageStatus": "sending"}


@pytest.mark.parametrize(
    ("final", "stated"),
    [
        (True, [{"messageStatus": "delivered"}]),
        (True, [{"messageStatus": "failed"}]),
        (True, [SENDING, {"channel": "sms", "channelStatus": "delivered"}]),
        (True, [SENDING, {"channel": "nhsapp", "channelStatus": "read"}]),
        (True, [SENDING, {"channel": "nhsapp", "channelStatus": "sending", "supplierStatus": "read"}]),
        (True, [{"channel": "sms", "channelStatus": "permanent_failure"}]),
        (False, [SENDING, {"channel": "sms", "channelStatus": "permanent_failure"}]),
        (False, [{"channel": "nhsapp", "channelStatus": "sending", "supplierStatus": "delivered"}]),
        (False, [{"channel": "nhsapp", "channelStatus": "unnotified"}]),
        (False, [{"channel": "sms", "channelStatus": "skipped"}]),
        (False, [{"messageStatus": "failed"}, SENDING]),
        (
            False,
            [
                {"channel": "nhsapp", "channelStatus": "failed"},
                {"channel": "sms", "channelStatus": "sending"},
            ],
        ),
        (
            False,
            [
                {"channel": "sms", "channelStatus": "temporary_failure"},
                {"channel": "sms", "channelStatus": "sending"},
            ],
        ),
    ],
)
async def test_final_is_delivered_read_or_failed_as_a_whole(
    client: httpx.AsyncClient, final: bool, stated: list[dict[str, Any]]
) -> None:
    await post(client, *(told("m", minute, **one) for minute, one in enumerate(stated)))
    found = await rows(client, OVERDUE, asOf="2027-01-01")
    assert references(found) == ([] if final else ["ref-m"])


async def test_overdue_messages_are_filtered_by_batch_and_latest_channel(
    client: httpx.AsyncClient, database_url: str
) -> None:
    await post(
        client,
        *(told(name, channel="sms", channelStatus="sending") for name in ("a", "b")),
        told("c", channel="letter", channelStatus="sending"),
    )
    register(database_url, "clinic", "ref-a", "ref-c")
    register(database_url, "hospital", "ref-a", batch="another")
    at = {"asOf": "2026-04-01"}
    assert references(await rows(client, OVERDUE, **at)) == ["ref-a", "ref-b", "ref-c"]
    assert references(await rows(client, OVERDUE, **at, batchReference="batch")) == ["ref-a", "ref-c"]
    assert references(await rows(client, OVERDUE, **at, channel="sms")) == ["ref-a", "ref-b"]
    assert references(await rows(client, OVERDUE, **at, channel="sms", batchReference="batch")) == ["ref-a"]
    assert await rows(client, OVERDUE, **at, channel="\0") == []
    assert references(await rows(client, OVERDUE)) == ["ref-a", "ref-b", "ref-c"], "by the clock"


# CSV


async def as_csv(
    client: httpx.AsyncClient, path: str, **asked: str | int
) -> tuple[httpx.Response, list[Row]]:
    headers = {"x-api-key": CLIENT_API_KEY, "accept": "text/csv, application/json;q=0.5"}
    answer = await client.get(path, params=asked, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/csv")
    return answer, list(csv.DictReader(io.StringIO(answer.text, newline="")))


def test_every_channel_that_a_callback_may_name_has_its_columns() -> None:
    assert set(report_models.CHANNELS) == set(CHANNELS)


async def test_the_delivery_report_as_csv_has_a_line_a_message_and_columns_a_channel(
    client: httpx.AsyncClient, database_url: str
) -> None:
    register(database_url, "clinic", "ref-a", "ref-b")
    await post(
        client,
        told("a", 1, channel="sms", channelStatus="failed", channelFailureReasonCode="C1"),
        told("a", 0, channel="nhsapp", channelStatus="read"),
    )
    answer, (first,) = await as_csv(client, DELIVERY, batchReference="batch", limit=1)
    assert "Link" in answer.headers
    assert first.pop("created_at")
    assert {name: value for name, value in first.items() if value} == {
        "message_reference": "ref-a",
        "message_id": "a",
        "occurredAt": INSTANTS[1],
        "deliveredAt": INSTANTS[0],
        "readAt": INSTANTS[0],
        "nhsappStatus": "read",
        "nhsappDeliveredAt": INSTANTS[0],
        "nhsappReadAt": INSTANTS[0],
        "smsStatus": "failed",
        "smsFailedAt": INSTANTS[1],
        "smsFailureCode": "C1",
    }
    answer, both = await as_csv(client, DELIVERY, batchReference="batch")
    assert "Link" not in answer.headers
    assert both[1] == dict.fromkeys(both[1], "") | {"message_reference": "ref-b"}


@pytest.mark.parametrize("first", list("=+-@\t\r"), ids=repr)
async def test_no_cell_is_a_formula(client: httpx.AsyncClient, database_url: str, first: str) -> None:
    formula = f'{first}cmd|" /C calc"!A1,\n'
    register(database_url, "clinic", formula, batch=formula)
    await post(
        client,
        told(
            formula,
            reference=formula,
            channel="sms",
            channelStatus="sending",
            channelFailureReasonCode=formula,
        ),
    )
    _, (delivery,) = await as_csv(client, DELIVERY, batchReference=formula)
    for column in ("message_reference", "message_id", "smsFailureCode"):
        assert delivery[column] == f"'{formula}"
    _, (overdue,) = await as_csv(client, OVERDUE, asOf="2099-01-01")
    for column in ("message_reference", "message_id", "batchReferences"):
        assert overdue[column] == f"'{formula}"


@pytest.mark.parametrize(
    "accept", [None, "*/*", "application/json", "application/json, text/csv", "text/html"]
)
async def test_json_is_what_is_given_unless_csv_is_asked_for(
    client: httpx.AsyncClient, accept: str | None
) -> None:
    headers = {"x-api-key": CLIENT_API_KEY} | ({} if accept is None else {"accept": accept})
    answer = await client.get(OVERDUE, headers=headers)
    assert answer.content == b'{"status":"success","data":[]}'
    assert answer.headers["vary"] == "Accept"
