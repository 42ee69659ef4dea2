"""Timelines at a cut, page by page, with what stands beside the events: registrations, refused entries."""

import asyncio
import json
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import pytest
from typer.testing import CliRunner

from ledger.cli import app as command_line
from tests.support.client import BATCH, batch, message
from tests.support.client import KEY as CLIENT
from tests.support.database import execute
from tests.support.supplier import AUDITOR_API_KEY, body, delivered, item, signed

KEY = {"x-api-key": AUDITOR_API_KEY}
TICK = timedelta(microseconds=1)

CREATED = item(
    "m", key="created", kind="MessageStatus", messageStatus="created", timestamp="2026-11-23T09:00:00Z"
)
SENDING = item("m", key="sending", channel="sms", channelStatus="sending", timestamp="2026-11-23T09:01:00Z")
DELIVERED = delivered("m", key="delivered", messageStatus="delivered", timestamp="2026-11-23T09:02:00Z")
UNKNOWN_STATUS = item("m", key="odd", channel="sms", channelStatus="teleported")

REFERENCE = "1642109b-69eb-447f-8f97-ab70a74f5db4"


async def post(client: httpx.AsyncClient, content: bytes, answered: int = 200) -> str:
    """Post a callback and return the id of its entry."""
    answer = await client.post("/api/status/create", content=content, headers=signed(content))
    assert answer.status_code == answered
    return answer.headers["x-request-id"]


async def timeline(client: httpx.AsyncClient, message_id: str = "m", **asked: Any) -> dict[str, Any]:
    answer = await client.get(
        f"/api/messages/{quote(message_id, safe='')}/timeline", params=asked, headers=KEY
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def moment(text: str, later: timedelta = timedelta()) -> str:
    return (datetime.fromisoformat(text) + later).isoformat()


# Cuts


async def test_a_late_arrival_is_true_before_it_is_known(client: httpx.AsyncClient) -> None:
    for told in (CREATED, DELIVERED, SENDING):
        await post(client, body(told))
    _, late, last = (await timeline(client))["data"]["timeline"]
    assert (late["late"], late["changedWhenRecorded"]) == (True, {})
    before = moment(late["recordedAt"], -TICK)

    known = (await timeline(client, known_at=before))["data"]
    assert [step["idempotencyKey"] for step in known["timeline"]] == ["created", "delivered"]
    assert known["current"]["messageStatus"] == "delivered"
    assert datetime.fromisoformat(known["knownAt"]) == datetime.fromisoformat(before)

    true = (await timeline(client, as_of="2026-11-23T09:01:30Z"))["data"]
    assert [step["idempotencyKey"] for step in true["timeline"]] == ["created", "sending"]
    assert (true["current"]["messageStatus"], true["current"]["channelStatus"]) == ("created", "sending")
    assert [record["channelStatus"] for record in true["channels"]] == ["sending"]
    assert sorted(true["timeline"][1]["holds"]) == ["channel", "sms.channelStatus"]

    both = (await timeline(client, known_at=before, as_of="2026-11-23T09:01:30Z"))["data"]
    assert [step["idempotencyKey"] for step in both["timeline"]] == ["created"]
    assert (both["current"]["channel"], both["channels"]) == (None, [])
    assert last["recordedAt"] < late["recordedAt"]


async def test_before_anything_was_known_there_is_a_timeline_without_lines(client: httpx.AsyncClient) -> None:
    await post(client, body(CREATED))
    for cut in ({"known_at": "2026-01-01"}, {"as_of": "2026-01-01"}):
        found = (await timeline(client, **cut))["data"]
        assert (found["current"], found["channels"], found["timeline"]) == (None, [], [])


async def test_a_time_may_be_written_with_an_offset_and_a_date_is_its_midnight(
    client: httpx.AsyncClient,
) -> None:
    await post(client, body(CREATED))
    for as_of, lines in (
        ("2026-11-23T10:00:00+01:00", 1),
        ("2026-11-23T09:59:59.999999+01:00", 0),
        ("2026-11-23", 0),
        ("2026-11-24", 1),
        ("2026-11-23T09:00:00", 1),
    ):
        assert len((await timeline(client, as_of=as_of))["data"]["timeline"]) == lines, as_of


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ("known_at=yesterday", "known_at: must be a date"),
        ("as_of=", "as_of: must be a date"),
        ("as_of=9999-12-31T23:59:59-23:59", "as_of: must be a date"),
        ("known_at=17", "known_at: the sealed ledger has 0 entries; give no more, or a time"),
        ("as_of=17", "as_of: must be a date"),
        ("limit=0", "limit: must be a whole number from 1 to 1000"),
        ("limit=1001", "limit: must be"),
        ("cursor=x", "cursor: not one"),
        ("known_At=2026-11-23", "'known_At': unknown parameter"),
        ("as_of=2026-11-23&as_of=2026-11-23", "'as_of': given more than once"),
    ],
)
async def test_a_question_that_cannot_be_answered_as_asked_is_422(
    client: httpx.AsyncClient, query: str, complaint: str
) -> None:
    answer = await client.get(f"/api/messages/m/timeline?{query}", headers=KEY)
    assert answer.status_code == 422
    assert answer.json()["status"].startswith(complaint)


# Pages


async def test_pages_follow_their_links_to_the_end(client: httpx.AsyncClient) -> None:
    for told in (CREATED, DELIVERED, SENDING, SENDING, DELIVERED):
        await post(client, body(told))
    whole = await timeline(client)
    assert "links" not in whole
    paged: list[dict[str, Any]] = []
    following = "/api/messages/m/timeline?limit=2&as_of=2026-11-24"
    while following:
        answer = await client.get(following, headers=KEY)
        page = answer.json()
        paged += page["data"]["timeline"]
        following = page.get("links", {}).get("next")
        assert answer.headers.get("link") == (f'<{following}>; rel="next"' if following else None)
    assert paged == whole["data"]["timeline"]
    assert len(paged) == 5


async def test_a_cursor_is_good_for_its_own_message_and_cut_alone(client: httpx.AsyncClient) -> None:
    await post(client, body(CREATED, SENDING, delivered("n")))
    following = (await timeline(client, limit=1))["links"]["next"]
    for changed in (
        following.replace("/m/", "/n/"),
        f"{following}&as_of=2026-11-24",
        f"{following[:-4]}AAAA",
    ):
        answer = await client.get(changed, headers=KEY)
        assert answer.status_code == 422, changed
        assert answer.json()["status"].startswith("cursor: ")


# What stands beside the events


async def test_registrations_stand_in_the_timeline_of_the_messages_that_bear_their_reference(
    client: httpx.AsyncClient, database_url: str
) -> None:
    content = batch(message(REFERENCE), message("another"), reference="batch-1")
    answer = await client.post(BATCH, content=content, headers=CLIENT)
    assert answer.status_code == 201
    ((entry_id,),) = execute(database_url, "SELECT entry_id::text FROM entries")
    ahead = "2999-01-01T00:00:00Z"  # counts from 5 minutes after its receipt
    await post(client, body(delivered("m", timestamp=ahead)))
    registration, event = (await timeline(client))["data"]["timeline"]
    assert (registration["kind"], registration["entryId"]) == ("registration", entry_id)
    assert (registration["clientId"], registration["batchReference"]) == ("client", "batch-1")
    assert registration["messageReference"] == event["messageReference"] == REFERENCE
    assert registration["effectiveAt"] == registration["receivedAt"] <= registration["recordedAt"]
    assert (registration["changed"], registration["holds"], registration["digest"]) == ({}, [], None)
    known = (await timeline(client, known_at=registration["recordedAt"]))["data"]
    assert known["timeline"] == [], "the message was not known yet, so nor was whose registration it is"


async def test_a_refused_entry_stands_in_the_timeline_of_the_message_that_it_names(
    client: httpx.AsyncClient,
) -> None:
    await post(client, body(CREATED))
    refused = await post(client, body(UNKNOWN_STATUS), 422)
    spaced = await post(client, json.dumps({"data": [UNKNOWN_STATUS]}).encode(), 422)
    await post(client, body(item("mm", channel="sms", channelStatus="teleported")), 422)
    await post(client, body(item("n", reference="m", channel="sms", channelStatus="teleported")), 422)
    event, *others = (await timeline(client))["data"]["timeline"]
    assert event["kind"] == "event"
    assert [(one["kind"], one["entryId"]) for one in others] == [("refused", refused), ("refused", spaced)]
    assert others[0]["rejection"].startswith("data[0].attributes.channelStatus: 'teleported'")
    assert (await timeline(client, known_at=event["recordedAt"]))["data"]["timeline"] == [event]


async def test_a_message_of_which_all_was_refused_is_known(client: httpx.AsyncClient) -> None:
    for number, message_id in enumerate(("m", "é", 'a"b\\c')):
        told = item(message_id, key=str(number), channel="sms", channelStatus="teleported")
        refused = await post(client, body(told), 422)
        found = (await timeline(client, message_id))["data"]
        assert (found["current"], [step["entryId"] for step in found["timeline"]]) == (None, [refused])


# By reference


async def test_messages_are_found_by_their_clients_reference(client: httpx.AsyncClient) -> None:
    await post(client, body(*(delivered(name, key=name, reference="r/1") for name in "abc"), CREATED))
    answer = await client.get("/api/messages", params={"reference": "r/1"}, headers=KEY)
    assert [record["message_id"] for record in answer.json()["data"]] == ["a", "b", "c"]
    found, following = [], "/api/messages?reference=r%2F1&limit=2"
    while following:
        answer = await client.get(following, headers=KEY)
        found += [record["message_id"] for record in answer.json()["data"]]
        following = answer.json().get("links", {}).get("next")
    assert found == ["a", "b", "c"]
    for unknown in ("nobody", "", "a\0b"):
        answer = await client.get("/api/messages", params={"reference": unknown}, headers=KEY)
        assert (answer.status_code, answer.json()) == (200, {"status": "success", "data": []})


@pytest.mark.parametrize("query", ["", "limit=1", "reference=a&reference=b", "reference=a&channel=sms"])
async def test_messages_are_asked_for_by_one_reference(client: httpx.AsyncClient, query: str) -> None:
    answer = await client.get(f"/api/messages?{query}", headers=KEY)
    assert answer.status_code == 422


# Beside traffic


async def test_a_timeline_needs_no_right_to_write_and_no_temporary_table(
    client: httpx.AsyncClient, database_url: str
) -> None:
    await post(client, body(CREATED))
    name = urlsplit(database_url).path.removeprefix("/")
    execute(
        database_url,
        f"REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC",
        "REVOKE INSERT, UPDATE ON entries, events, repeats FROM ledger_service",
        "REVOKE INSERT, UPDATE ON message_status, channel_status FROM ledger_service",
    )
    assert (await timeline(client))["data"]["current"]["messageStatus"] == "created"


async def test_known_at_a_number_of_sealed_entries_is_exact(client: httpx.AsyncClient) -> None:
    await post(client, body(CREATED))
    await post(
        client,
        body(
            item(
                "m", key="k2", kind="MessageStatus", messageStatus="sending", timestamp="2026-11-23T09:01:00Z"
            )
        ),
    )
    assert (await asyncio.to_thread(CliRunner().invoke, command_line, ["seal"])).exit_code == 0
    await post(
        client,
        body(
            item(
                "m",
                key="k3",
                kind="MessageStatus",
                messageStatus="delivered",
                timestamp="2026-11-23T09:02:00Z",
            )
        ),
    )
    whole = await timeline(client)
    assert [one["ledgerIndex"] for one in whole["data"]["timeline"]] == [0, 1, None]
    for first, status in ((0, None), (1, "created"), (2, "sending")):
        told = (await timeline(client, known_at=str(first)))["data"]
        assert (told["knownAt"], len(told["timeline"])) == (first, first)
        assert (told["current"] and told["current"]["messageStatus"]) == status
    beyond = await client.get("/api/messages/m/timeline?known_at=3", headers=KEY)
    assert beyond.status_code == 422
    assert beyond.json() == {"status": "known_at: the sealed ledger has 2 entries; give no more, or a time"}
    page = await timeline(client, known_at="2", limit="1")
    following = await client.get(page["links"]["next"], headers=KEY)
    assert [one["ledgerIndex"] for one in following.json()["data"]["timeline"]] == [1]
