"""What a client with a key of its own sees: the messages that it alone registered, and no sign of others."""

from collections.abc import Iterable, Iterator
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql
from sqlalchemy import create_engine

from eventstore.caller import Scope
from eventstore.recipients import RecipientKeys
from query.filters import from_parameters
from query.selects import statuses
from tests.support.clients import issued, register
from tests.support.database import cloned, execute
from tests.support.supplier import AUDITOR_API_KEY, CLIENT_API_KEY, body, item, signed

GET = "/api/statuses"
SEARCH = "/api/statuses/search"

Record = dict[str, Any]


@pytest.fixture
async def clinic(database_url: str) -> str:
    """The key of a client."""
    return await issued(database_url, "clinic", Scope.STATUSES_READ)


@pytest.fixture
async def hospital(database_url: str) -> str:
    """The key of another client."""
    return await issued(database_url, "hospital", Scope.STATUSES_READ)


@pytest.fixture
async def keys(clinic: str, hospital: str) -> dict[str, str]:
    """Their keys by their names."""
    return {"clinic": clinic, "hospital": hospital}


async def tell(client: httpx.AsyncClient, *messages: str, channel: str = "sms") -> None:
    """Tell the statuses of messages, each with a reference of its own: `ref-<message>`."""
    content = body(
        *(
            item(name, key=str(uuid4()), reference=f"ref-{name}", channel=channel, channelStatus="delivered")
            for name in messages
        )
    )
    answer = await client.post("/api/status/create", content=content, headers=signed(content))
    assert answer.status_code == 200


async def pages(client: httpx.AsyncClient, key: str, **filters: str | int) -> list[list[Record]]:
    """Return every page, as both ways of asking give them."""
    headers = {"x-api-key": key}
    got = await client.get(GET, params=filters, headers=headers)
    found = [got.json()["data"]]
    while "links" in got.json():
        cursor = got.json()["links"]["cursor"]
        got = await client.get(got.json()["links"]["next"], headers=headers)
        searched = await client.post(SEARCH, json=filters | {"cursor": cursor}, headers=headers)
        assert got.status_code == searched.status_code == 200, got.text
        assert got.json()["data"] == searched.json()["data"]
        found.append(got.json()["data"])
    first = await client.post(SEARCH, json=filters, headers=headers)
    assert first.json()["data"] == found[0]
    return found


async def seen(client: httpx.AsyncClient, key: str, **filters: str | int) -> set[str]:
    """Return the messages that a key shows."""
    return {record["message_id"] for page in await pages(client, key, **filters) for record in page}


# Whose message


async def test_a_client_sees_the_messages_that_it_registered_and_no_others(
    client: httpx.AsyncClient, database_url: str, clinic: str, hospital: str
) -> None:
    await tell(client, "a", "b", "c", "nobody's")
    register(database_url, "clinic", "ref-a", "ref-b", "ref-never-sent")
    register(database_url, "hospital", "ref-c")
    assert await seen(client, clinic) == {"a", "b"}
    assert await seen(client, hospital) == {"c"}
    assert await seen(client, CLIENT_API_KEY) == {"a", "b", "c", "nobody's"}


@pytest.mark.parametrize("first", ["registration", "callback"])
async def test_a_registration_may_come_before_or_after_its_callback(
    client: httpx.AsyncClient, database_url: str, clinic: str, first: str
) -> None:
    if first == "registration":
        register(database_url, "clinic", "ref-a")
        assert await seen(client, clinic) == set()
        await tell(client, "a")
    else:
        await tell(client, "a")
        assert await seen(client, clinic) == set()
        register(database_url, "clinic", "ref-a")
    assert await seen(client, clinic) == {"a"}


async def test_what_a_client_sees_is_told_as_the_key_that_sees_all_is_told_it(
    client: httpx.AsyncClient, database_url: str, clinic: str
) -> None:
    await tell(client, "a")
    register(database_url, "clinic", "ref-a")
    assert await pages(client, clinic) == await pages(client, CLIENT_API_KEY)
    assert await pages(client, clinic, channel="sms") == await pages(client, CLIENT_API_KEY, channel="sms")


async def test_a_message_of_several_batches_is_one_record(
    client: httpx.AsyncClient, database_url: str, clinic: str
) -> None:
    await tell(client, "a")
    for batch in ("monday", "tuesday"):
        register(database_url, "clinic", "ref-a", batch=batch)
    assert [[record["message_id"] for record in page] for page in await pages(client, clinic)] == [["a"]]


async def test_all_messages_of_a_registered_reference_are_seen(
    client: httpx.AsyncClient, database_url: str, clinic: str
) -> None:
    shared = [item(name, key=name, reference="ref", messageStatus="sending") for name in ("a", "b")]
    content = body(*(one | {"type": "MessageStatus"} for one in shared))
    await client.post("/api/status/create", content=content, headers=signed(content))
    register(database_url, "clinic", "ref")
    assert await seen(client, clinic) == {"a", "b"}


async def test_every_key_of_a_client_shows_the_same(
    client: httpx.AsyncClient, database_url: str, clinic: str
) -> None:
    another = await issued(database_url, "clinic-2", Scope.STATUSES_READ, client="clinic")
    await tell(client, "a", "b")
    register(database_url, "clinic", "ref-a")
    assert await seen(client, another) == await seen(client, clinic) == {"a"}


@pytest.mark.parametrize(
    "near_miss", ["ref-A", "ref-a ", "ref-", "ref-%", "Ref-a"], ids=["case", "space", "short", "%", "first"]
)
async def test_a_reference_is_registered_byte_for_byte(
    client: httpx.AsyncClient, database_url: str, clinic: str, near_miss: str
) -> None:
    await tell(client, "a")
    register(database_url, "clinic", near_miss)
    assert await seen(client, clinic) == set()


# What others may learn


UNKNOWN = "never-heard-of"


async def test_others_messages_are_answered_as_if_they_did_not_exist(
    client: httpx.AsyncClient, database_url: str, clinic: str
) -> None:
    await tell(client, "theirs", "nobody's")
    register(database_url, "hospital", "ref-theirs")
    for name in ("messageId", "messageReference"):
        prefix = "ref-" if name == "messageReference" else ""
        for method, path in (("GET", GET), ("POST", SEARCH)):
            answers = []
            for message in ("theirs", "nobody's", UNKNOWN):
                asked = {name: f"{prefix}{message}"}
                sent: Any = {"params": asked} if method == "GET" else {"json": asked}
                answers.append(await client.request(method, path, headers={"x-api-key": clinic}, **sent))
            assert {(answer.status_code, answer.content) for answer in answers} == {
                (200, b'{"status":"success","data":[]}')
            }


async def test_a_reference_that_two_clients_claim_is_seen_with_the_key_that_sees_all_alone(
    client: httpx.AsyncClient, database_url: str, clinic: str, hospital: str
) -> None:
    await tell(client, "a", "b")
    register(database_url, "clinic", "ref-a", "ref-b")
    assert await seen(client, clinic) == {"a", "b"}
    register(database_url, "hospital", "ref-a")
    assert await seen(client, clinic) == {"b"}
    assert await seen(client, hospital) == set()
    assert await seen(client, CLIENT_API_KEY) == {"a", "b"}


async def test_registering_anothers_reference_reveals_nothing(
    client: httpx.AsyncClient, database_url: str, clinic: str, hospital: str
) -> None:
    await tell(client, "theirs")
    register(database_url, "hospital", "ref-theirs")
    register(database_url, "clinic", "ref-theirs", f"ref-{UNKNOWN}")
    for filters in ({}, {"channel": "sms"}, {"messageReference": "ref-theirs"}, {"messageId": "theirs"}):
        for key in (clinic, hospital):
            answer = await client.get(GET, params=filters, headers={"x-api-key": key})
            assert (answer.status_code, answer.content) == (200, b'{"status":"success","data":[]}')


async def test_what_was_registered_with_the_environments_key_is_a_claim_like_any_other(
    client: httpx.AsyncClient, database_url: str, clinic: str
) -> None:
    await tell(client, "a", "b")
    register(database_url, "client", "ref-a", "ref-b")
    register(database_url, "clinic", "ref-a")
    meant = await issued(database_url, "successor", Scope.STATUSES_READ, client="client")
    assert await seen(client, clinic) == set()
    assert await seen(client, meant) == {"b"}


async def test_an_auditors_issued_key_shows_every_message_whoever_registered_it(
    client: httpx.AsyncClient, database_url: str
) -> None:
    auditor = await issued(database_url, "audits", Scope.AUDIT_READ, client="clinic")
    await tell(client, "theirs")
    register(database_url, "hospital", "ref-theirs")
    timelines = [
        await client.get("/api/messages/theirs/timeline", headers={"x-api-key": key})
        for key in (auditor, AUDITOR_API_KEY)
    ]
    assert timelines[0].status_code == 200
    assert timelines[0].json() == timelines[1].json()
    assert timelines[0].json()["data"]["current"]["message_id"] == "theirs"


# Filters and pages


async def test_every_filter_applies_within_what_a_client_sees(
    client: httpx.AsyncClient, database_url: str, clinic: str
) -> None:
    await tell(client, "a", "theirs")
    await tell(client, "b", "theirs", channel="email")
    register(database_url, "clinic", "ref-a", "ref-b")
    expected: list[tuple[dict[str, str | int], set[str]]] = [
        ({"channel": "sms"}, {"a"}),
        ({"channel": "email"}, {"b"}),
        ({"channelStatus": "delivered"}, {"a", "b"}),
        ({"channelStatus": "failed"}, set()),
        ({"messageId": "a"}, {"a"}),
        ({"messageReference": "ref-b"}, {"b"}),
        ({"createdAfter": "2000-01-01", "limit": 1}, {"a", "b"}),
        ({"createdBefore": "2000-01-01"}, set()),
    ]
    for filters, messages in expected:
        assert await seen(client, clinic, **filters) == messages, filters


CLAIMS = st.lists(st.sets(st.sampled_from(["clinic", "hospital", "client"])), max_size=7)
ASKED = st.builds(
    lambda limit, more: {"limit": limit} | more, st.integers(1, 3), st.sampled_from([{}, {"channel": "sms"}])
)


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(claims=CLAIMS, asked=ASKED)
async def test_the_pages_of_a_client_are_its_messages_in_order_each_once(
    client: httpx.AsyncClient,
    database_url: str,
    keys: dict[str, str],
    claims: list[set[str]],
    asked: dict[str, str | int],
) -> None:
    run = uuid4().hex
    named = {f"{run}-{number}": claimants for number, claimants in enumerate(claims)}
    for message, claimants in named.items():
        await tell(client, message)
        for claimant in claimants:
            register(database_url, claimant, f"ref-{message}")
    for name, key in keys.items():
        found = await pages(client, key, **asked)
        assert [len(page) for page in found[:-1]] == [asked["limit"]] * (len(found) - 1)
        records = [record for page in found for record in page if record["message_id"].startswith(run)]
        newest_first = sorted(records, key=lambda record: record["created_at"], reverse=True)
        assert records == newest_first
        assert [record["message_id"] for record in records] == [
            message for message in reversed(named) if named[message] == {name}
        ]


async def test_a_cursor_of_one_caller_is_refused_for_another(
    client: httpx.AsyncClient, database_url: str, clinic: str, hospital: str
) -> None:
    await tell(client, "a", "b", "c", "d")
    register(database_url, "clinic", "ref-a", "ref-b")
    register(database_url, "hospital", "ref-c", "ref-d")
    rotated = await issued(database_url, "clinic-2", Scope.STATUSES_READ, client="clinic")
    cursors = {}
    for key in (clinic, hospital, CLIENT_API_KEY):
        answer = await client.get(GET, params={"limit": 1}, headers={"x-api-key": key})
        cursors[key] = answer.json()["links"]["cursor"]
    for made_for, cursor in cursors.items():
        for key in (clinic, hospital, CLIENT_API_KEY, rotated):
            right = key == made_for or (made_for, key) == (clinic, rotated)
            for answer in (
                await client.get(GET, params={"cursor": cursor}, headers={"x-api-key": key}),
                await client.post(SEARCH, json={"cursor": cursor}, headers={"x-api-key": key}),
            ):
                assert answer.status_code == (200 if right else 422)


# Plans


@pytest.fixture(scope="module")
def many(postgres: str) -> Iterator[str]:
    """The URL of a database with 20,000 messages: the five oldest are one client's, all others another's."""
    with cloned(postgres) as url:
        execute(
            url,
            "INSERT INTO message_status SELECT now() - i * interval '1 second', now(), NULL, NULL, NULL,"
            " 'm' || i, md5(i::text), 'delivered', 'sms', 'delivered', 'delivered', 'v', 'v', 'v'"
            " FROM generate_series(1, 20000) AS i",
            "INSERT INTO channel_status SELECT recorded_at, occurred_at, NULL, NULL, NULL,"
            " message_id, channel, 'delivered', 'delivered', 'v', 'v', 'v' FROM message_status",
            "INSERT INTO registrations SELECT now(), gen_random_uuid(),"
            " CASE WHEN i > 19995 THEN 'clinic' ELSE 'hospital' END, 'batch-' || i / 1000, md5(i::text),"
            " 'plan', 'key', sha256('token'), decode(repeat('5a', 16), 'hex')"
            " FROM generate_series(1, 20000) AS i",
            "VACUUM ANALYZE message_status, channel_status, registrations",
        )
        yield url


def plan(url: str, client: str, mode: str, asked: Iterable[tuple[str, str]]) -> str:
    """Return the plan of a client's question, as the service prepares it."""
    compiled = statuses(from_parameters(asked, RecipientKeys(), client)).compile(
        create_engine("postgresql+psycopg://"), compile_kwargs={"render_postcompile": True}
    )
    with psycopg.connect(url) as connection:
        connection.execute("SET ROLE ledger_service")
        connection.execute(sql.SQL("SET plan_cache_mode = {}").format(mode))
        cursor = connection.execute(f"EXPLAIN (COSTS OFF) {compiled}", compiled.params, prepare=True)
        return "\n".join(line for (line,) in cursor)


QUESTIONS: list[list[tuple[str, str]]] = [
    [],
    [("limit", "100")],
    [("channel", "sms")],
    [("messageStatus", "delivered"), ("limit", "1")],
]


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize("asked", QUESTIONS)
def test_of_a_client_with_few_messages_the_registrations_are_read_first(
    many: str, mode: str, asked: list[tuple[str, str]]
) -> None:
    told = plan(many, "clinic", mode, asked)
    assert "Index Cond: (client_id = 'clinic'::text)" in told.replace('::text COLLATE "C"', "::text")
    assert "message_status_reference_idx" in told
    assert "Seq Scan" not in told
    assert "newest_idx" not in told


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
def test_of_a_client_with_most_messages_the_newest_are_read_first(many: str, mode: str) -> None:
    assert "message_status_newest_idx" in plan(many, "hospital", mode, [("limit", "100")])
