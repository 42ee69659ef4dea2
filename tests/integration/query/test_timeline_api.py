"""`GET /api/messages/{message_id}/timeline`: what an auditor is told of one message."""

from datetime import datetime
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from asgi_lifespan import LifespanManager
from pydantic import SecretStr

from ledger.app import create_app
from ledger.settings import Settings
from tests.support.database import execute
from tests.support.supplier import (
    AUDITOR_API_KEY,
    CLIENT_API_KEY,
    NOTIFY_API_KEY,
    body,
    delivered,
    item,
    signed,
)

KEY = {"x-api-key": AUDITOR_API_KEY}

CREATED = item(
    "m", key="created", kind="MessageStatus", messageStatus="created", timestamp="2026-11-23T09:00:00Z"
)
SENDING = item(
    "m",
    key="sending",
    channel="nhsapp",
    channelStatus="sending",
    supplierStatus="delivered",
    cascadeType="primary",
    cascadeOrder=1,
    retryCount=2,
    timestamp="2026-11-23T09:01:00Z",
)
READ = item(
    "m",
    key="read",
    channel="nhsapp",
    channelStatus="delivered",
    supplierStatus="read",
    timestamp="2026-11-23T09:02:00.123456789Z",
)
CONTRADICTED = item(
    "m",
    key="read",
    channel="nhsapp",
    channelStatus="failed",
    channelFailureReasonCode="CFR_CUSTOMER_CANCELLED",
    timestamp="2026-11-23T09:01:30Z",
)
DELIVERED = item(
    "m", key="done", kind="MessageStatus", messageStatus="delivered", timestamp="2026-11-23T09:03:00Z"
)


async def post(client: httpx.AsyncClient, *items: dict[str, Any]) -> str:
    """Post a callback and return the id of its entry."""
    content = body(*items)
    answer = await client.post("/api/status/create", content=content, headers=signed(content))
    assert answer.status_code == 200
    return answer.headers["x-request-id"]


def path(message_id: str) -> str:
    return f"/api/messages/{quote(message_id, safe='')}/timeline"


async def steps_of(client: httpx.AsyncClient, message_id: str) -> list[dict[str, Any]]:
    answer = await client.get(path(message_id), headers=KEY)
    assert answer.status_code == 200, answer.text
    steps: list[dict[str, Any]] = answer.json()["data"]["timeline"]
    return steps


@pytest.fixture
async def lifecycle(client: httpx.AsyncClient) -> list[str]:
    """The life of message `m`, told out of order in five callbacks, one of them twice; their entries."""
    return [
        await post(client, *items)
        for items in ([DELIVERED, READ], [CREATED], [SENDING], [SENDING], [CONTRADICTED])
    ]


async def test_a_timeline_tells_the_life_of_a_message_by_effective_time(
    client: httpx.AsyncClient, lifecycle: list[str]
) -> None:
    first, created, sending, again, contradicted = lifecycle
    steps = await steps_of(client, "m")
    assert [
        (step["entryId"], step["item"], step["kind"], step["late"], step["conflict"]) for step in steps
    ] == [
        (created, 0, "event", True, False),
        (sending, 0, "event", True, False),
        (again, 0, "repeat", False, False),
        (contradicted, 0, "event", True, True),
        (first, 1, "event", False, True),
        (first, 0, "event", False, False),
    ]
    assert [step["changed"] for step in steps] == [
        {"messageStatus": {"before": None, "after": "created"}},
        {
            "channel": {"before": None, "after": "nhsapp"},
            "nhsapp.channelStatus": {"before": None, "after": "sending"},
            "nhsapp.supplierStatus": {"before": None, "after": "delivered"},
        },
        {},
        {"nhsapp.channelStatus": {"before": "sending", "after": "failed"}},
        {
            "nhsapp.channelStatus": {"before": "failed", "after": "delivered"},
            "nhsapp.supplierStatus": {"before": "delivered", "after": "read"},
        },
        {"messageStatus": {"before": "created", "after": "delivered"}},
    ]
    assert [sorted(step["holds"]) for step in steps] == [
        [],
        [],
        [],
        [],
        ["channel", "nhsapp.channelStatus", "nhsapp.supplierStatus"],
        ["messageStatus"],
    ]


async def test_a_step_says_all_that_its_item_said_and_when_it_was_told(
    client: httpx.AsyncClient, database_url: str
) -> None:
    entry_id = await post(client, SENDING)
    (step,) = await steps_of(client, "m")
    ((received_at, recorded_at, digest),) = execute(
        database_url,
        "SELECT received_at, recorded_at, encode(digest, 'hex')"
        " FROM entries JOIN events USING (entry_id, recorded_at)",
    )
    for name, moment in (("receivedAt", received_at), ("recordedAt", recorded_at)):
        told = step.pop(name)
        assert told.endswith("Z")
        assert datetime.fromisoformat(told) == moment
    step.pop("changed"), step.pop("changedWhenRecorded"), step.pop("holds")
    assert step == {
        "kind": "event",
        "entryId": entry_id,
        "item": 0,
        "ledgerIndex": None,
        "effectiveAt": "2026-11-23T09:01:00Z",
        "occurredAt": "2026-11-23T09:01:00Z",
        "type": "ChannelStatus",
        "idempotencyKey": "sending",
        "digest": digest,
        "messageReference": "1642109b-69eb-447f-8f97-ab70a74f5db4",
        "channel": "nhsapp",
        "messageStatus": None,
        "channelStatus": "sending",
        "supplierStatus": "delivered",
        "messageFailureCode": None,
        "channelFailureCode": None,
        "cascadeType": "primary",
        "cascadeOrder": 1,
        "retryCount": 2,
        "clientId": None,
        "batchReference": None,
        "routingPlanId": None,
        "rejection": None,
        "replays": None,
        "late": False,
        "conflict": False,
        "restated": False,
    }


async def test_what_an_item_left_out_is_null(client: httpx.AsyncClient) -> None:
    await post(client, item("m", channelStatus="failed", channelFailureReasonCode="X", timestamp=None))
    (step,) = await steps_of(client, "m")
    assert step["occurredAt"] is None
    assert step["effectiveAt"] == step["receivedAt"]
    assert step["channelFailureCode"] == "X"
    assert step["holds"] == []


async def test_a_repeat_bears_its_own_entry_and_times_and_what_its_event_said(
    client: httpx.AsyncClient,
) -> None:
    entries = [await post(client, READ) for _ in range(3)]
    event, *repeats = await steps_of(client, "m")
    assert [event["entryId"], *(repeat["entryId"] for repeat in repeats)] == entries
    same = ("digest", "idempotencyKey", "channelStatus", "supplierStatus", "effectiveAt", "occurredAt")
    before = event
    for repeat in repeats:
        assert {name: repeat[name] for name in same} == {name: event[name] for name in same}
        assert (repeat["kind"], repeat["changed"], repeat["holds"]) == ("repeat", {}, [])
        assert repeat["recordedAt"] > before["recordedAt"]
        before = repeat


async def test_the_current_record_is_what_clients_see(
    client: httpx.AsyncClient, lifecycle: list[str]
) -> None:
    timeline = await client.get(path("m"), headers=KEY)
    statuses = await client.get("/api/statuses", headers={"x-api-key": CLIENT_API_KEY})
    answer = timeline.json()
    assert (answer["status"], answer["data"]["messageId"]) == ("success", "m")
    assert [answer["data"]["current"]] == statuses.json()["data"]
    assert list(answer) == ["status", "data"]
    assert list(answer["data"]) == ["messageId", "knownAt", "asOf", "current", "channels", "timeline"]
    assert len(lifecycle) == 5


async def test_other_messages_are_left_out(client: httpx.AsyncClient) -> None:
    await post(client, delivered("m", key="1"), delivered("n", key="2"), delivered("M", key="3"))
    assert [step["idempotencyKey"] for step in await steps_of(client, "m")] == ["1"]


async def test_an_unknown_message_is_404(client: httpx.AsyncClient) -> None:
    await post(client, delivered("m"))
    for message_id in ("unknown", "M", "m ", "%", "a\0b", "\N{REPLACEMENT CHARACTER}", "é" * 1000):
        answer = await client.get(path(message_id), headers=KEY)
        assert (answer.status_code, answer.json()) == (404, {"status": "Not Found"}), message_id
    answer = await client.get("/api/messages/%FF/timeline", headers=KEY)
    assert answer.status_code == 404


async def test_any_message_id_that_a_callback_may_bear_has_a_timeline(client: httpx.AsyncClient) -> None:
    for number, message_id in enumerate(["a b", "a/b", "/", "a/timeline", "é😀", "%2F", "a?b#c", "{}"]):
        await post(client, delivered(message_id, key=str(number)))
        answer = await client.get(path(message_id), headers=KEY)
        assert answer.status_code == 200, message_id
        assert answer.json()["data"]["messageId"] == message_id
        assert answer.json()["data"]["current"]["message_id"] == message_id


async def test_without_the_auditors_key_there_is_no_answer(client: httpx.AsyncClient) -> None:
    await post(client, delivered("m"))
    for key in (None, "", "wrong", AUDITOR_API_KEY + " ", CLIENT_API_KEY, NOTIFY_API_KEY):
        headers = {} if key is None else {"x-api-key": key}
        for message_id in ("m", "unknown"):
            answer = await client.get(path(message_id), headers=headers)
            assert (answer.status_code, answer.json()) == (401, {"status": "Invalid API key"}), key
    twice = [*KEY.items(), *KEY.items()]
    assert (await client.get(path("m"), headers=twice)).status_code == 401


@pytest.mark.parametrize("previous", [(), (SecretStr(AUDITOR_API_KEY),)])
async def test_without_an_auditors_key_set_it_is_always_401(
    service_settings: Settings, previous: tuple[SecretStr, ...]
) -> None:
    unset = service_settings.model_copy(
        update={"auditor_api_key": None, "auditor_api_key_previous": previous}
    )
    application = create_app(unset)
    transport = httpx.ASGITransport(application)
    async with (
        LifespanManager(application),
        httpx.AsyncClient(transport=transport, base_url="http://x") as client,
    ):
        await post(client, delivered("m"))
        for key in (AUDITOR_API_KEY, CLIENT_API_KEY, NOTIFY_API_KEY, "", "None"):
            answer = await client.get(path("m"), headers={"x-api-key": key})
            assert (answer.status_code, answer.json()) == (401, {"status": "Invalid API key"})


async def test_a_failed_read_is_500_and_never_a_404(client: httpx.AsyncClient, database_url: str) -> None:
    await post(client, delivered("m"))
    execute(database_url, "ALTER TABLE repeats RENAME TO elsewhere")
    for message_id in ("m", "unknown"):
        answer = await client.get(path(message_id), headers=KEY)
        assert (answer.status_code, answer.json()) == (500, {"status": "error"})
