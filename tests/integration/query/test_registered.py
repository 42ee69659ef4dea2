"""`batchReference` and `nhsNumber`: the statuses of a client's own batch, or of one recipient."""

import json
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import psycopg
import pytest
from asgi_lifespan import LifespanManager
from pydantic import SecretStr
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from eventstore.recipients import RecipientKeys
from ledger.app import StatusLedger, create_app
from ledger.preflight import UnfitDatabase
from ledger.settings import Settings
from projections.listing import Listing
from query.filters import from_parameters
from query.selects import statuses
from tests.support.client import ANOTHER, BATCH, KEY, NHS_NUMBER, batch, message, nhs_numbers
from tests.support.database import execute
from tests.support.supplier import RECIPIENT_KEY, body, delivered, signed

GET = "/api/statuses"
SEARCH = "/api/statuses/search"


async def callback(client: httpx.AsyncClient, *references: str, **stated: Any) -> None:
    """Tell of one message for each reference; its id is the reference with an `m-` before it."""
    for start in range(0, len(references), 500):
        content = body(
            *(
                delivered(f"m-{reference}", key=f"key-{reference}", reference=reference, **stated)
                for reference in references[start : start + 500]
            )
        )
        answer = await client.post("/api/status/create", content=content, headers=signed(content))
        assert answer.status_code == 200


async def register(client: httpx.AsyncClient, reference: str, *messages: dict[str, Any]) -> None:
    answer = await client.post(BATCH, content=batch(*messages, reference=reference), headers=KEY)
    assert answer.status_code == 201, answer.text


async def found(client: httpx.AsyncClient, **filters: Any) -> list[str]:
    """Return the references of the records that the filters let through; both ways of asking agree."""
    got = await client.get(GET, params=filters, headers=KEY)
    searched = await client.post(SEARCH, json=filters, headers=KEY)
    assert (got.status_code, searched.status_code) == (200, 200), got.text + searched.text
    assert got.json()["data"] == searched.json()["data"]
    return [record["message_reference"] for record in got.json()["data"]]


async def test_a_callback_may_come_before_its_registration_or_after(client: httpx.AsyncClient) -> None:
    await callback(client, "before", "stranger")
    assert await found(client, batchReference="batch") == []
    await register(client, "batch", message("before"), message("after"), message("never"))
    assert await found(client, batchReference="batch") == ["before"]
    await callback(client, "after")
    assert await found(client, batchReference="batch") == ["after", "before"]
    assert await found(client, nhsNumber=NHS_NUMBER) == ["after", "before"]
    assert sorted(await found(client)) == ["after", "before", "stranger"]


async def test_a_recipient_is_found_whatever_the_spaces_and_nobody_else_is(client: httpx.AsyncClient) -> None:
    await register(client, "batch", message("1"), message("2", ANOTHER))
    await register(client, "another", message("3", f"{NHS_NUMBER[:3]} {NHS_NUMBER[3:6]} {NHS_NUMBER[6:]}"))
    await callback(client, "1", "2", "3", "4")
    for written in (NHS_NUMBER, f"{NHS_NUMBER[:3]} {NHS_NUMBER[3:6]} {NHS_NUMBER[6:]}", f" {NHS_NUMBER} "):
        assert sorted(await found(client, nhsNumber=written)) == ["1", "3"]
    assert await found(client, nhsNumber=ANOTHER) == ["2"]


@pytest.mark.parametrize(
    "filters",
    [
        {"batchReference": "unknown"},
        {"batchReference": ""},
        {"batchReference": "batch "},
        {"batchReference": "a\0b"},
        {"nhsNumber": nhs_numbers(3)[2]},
        {"nhsNumber": f"{NHS_NUMBER[:-1]}{(int(NHS_NUMBER[-1]) + 1) % 10}"},
        {"nhsNumber": NHS_NUMBER[:9]},
        {"nhsNumber": ""},
        {"nhsNumber": "' OR true --"},
        {"nhsNumber": "a\0b"},
        {"nhsNumber": "’"},
        {"batchReference": "batch", "nhsNumber": ANOTHER},
        {"batchReference": "batch", "channel": "email"},
    ],
)
async def test_what_is_not_registered_is_an_empty_list(
    client: httpx.AsyncClient, filters: dict[str, str]
) -> None:
    await register(client, "batch", message("1"))
    await register(client, "another", message("2", ANOTHER))
    await callback(client, "1", "2")
    assert await found(client, **filters) == []


async def test_a_message_of_several_batches_and_clients_is_one_record(
    client: httpx.AsyncClient, database_url: str
) -> None:
    for reference in ("batch", "another"):
        await register(client, reference, message("1"), message("2", ANOTHER))
    columns = "entry_id, batch_reference, message_reference, routing_plan_id, recipient_key_id,"
    columns += " recipient_token, salt"
    execute(
        database_url,
        f"INSERT INTO registrations (client_id, {columns}) SELECT 'other', {columns} FROM registrations",  # noqa: S608 - our own words
    )
    await callback(client, "1", "2")
    assert await found(client, batchReference="batch") == ["1", "2"]
    assert await found(client, nhsNumber=NHS_NUMBER) == ["1"]
    assert await found(client, batchReference="another", nhsNumber=ANOTHER, channel="sms") == ["2"]


async def test_what_is_asked_of_a_registration_must_be_true_of_one(client: httpx.AsyncClient) -> None:
    """The reference is in that batch, and registered for that recipient, but not in that batch."""
    await register(client, "batch", message("1", ANOTHER))
    await register(client, "another", message("1", NHS_NUMBER))
    await callback(client, "1")
    assert await found(client, batchReference="batch") == await found(client, nhsNumber=NHS_NUMBER) == ["1"]
    assert await found(client, batchReference="batch", nhsNumber=ANOTHER) == ["1"]
    assert await found(client, batchReference="batch", nhsNumber=NHS_NUMBER) == []


async def test_they_combine_with_every_other_filter(client: httpx.AsyncClient) -> None:
    await register(client, "batch", *(message(str(number)) for number in range(4)))
    await callback(client, "0", "1", "other")
    await callback(client, "2", channelStatus="failed")
    await callback(client, "3", channel="email")
    for asked, expected in (
        ({"channelStatus": "delivered"}, ["0", "1", "3"]),
        ({"channelStatus": "failed"}, ["2"]),
        ({"channel": "email"}, ["3"]),
        ({"channel": "sms", "channelStatus": "delivered"}, ["0", "1"]),
        ({"supplierStatus": "delivered", "messageId": "m-1"}, ["1"]),
        ({"messageReference": "other"}, []),
        ({"createdAfter": "2020-01-01", "messageReference": "3"}, ["3"]),
        ({"createdBefore": "2020-01-01"}, []),
    ):
        for registered in ({"batchReference": "batch"}, {"nhsNumber": NHS_NUMBER}):
            assert sorted(await found(client, **asked, **registered)) == expected, asked


# Paging


async def pages(client: httpx.AsyncClient, limit: int, **filters: Any) -> list[str]:
    """Return the references of all pages, got by following the links."""
    references: list[str] = []
    url = str(httpx.URL(GET, params={**filters, "limit": limit}))
    while True:
        answer = await client.get(url, headers=KEY)
        assert answer.status_code == 200, answer.text
        references += [record["message_reference"] for record in answer.json()["data"]]
        if "links" not in answer.json():
            return references
        url = answer.json()["links"]["next"]


async def test_pages_are_everything_once_and_newest_first(client: httpx.AsyncClient) -> None:
    references = [str(number) for number in range(7)]
    for reference in references:
        await callback(client, reference, f"stranger-{reference}")
    await register(client, "batch", *map(message, references))
    for filters in ({"batchReference": "batch"}, {"nhsNumber": f"{NHS_NUMBER[:3]} {NHS_NUMBER[3:]}"}):
        for limit in (1, 2, 3, 7):
            assert await pages(client, limit, **filters) == references[::-1]


async def test_a_search_goes_on_by_cursor_and_its_link_tells_no_number(client: httpx.AsyncClient) -> None:
    await register(client, "batch", message("1"), message("2"))
    await callback(client, "1", "2")
    asked = {"nhsNumber": NHS_NUMBER, "limit": 1}
    first = (await client.post(SEARCH, json=asked, headers=KEY)).json()
    assert first["links"]["next"] == SEARCH
    second = await client.post(SEARCH, json={**asked, "cursor": first["links"]["cursor"]}, headers=KEY)
    assert {record["message_reference"] for record in first["data"] + second.json()["data"]} == {"1", "2"}
    assert NHS_NUMBER not in json.dumps(first)
    for other in (ANOTHER, "nonsense"):
        refused = await client.post(
            SEARCH, json={"nhsNumber": other, "cursor": first["links"]["cursor"]}, headers=KEY
        )
        assert refused.status_code == 422


async def test_the_link_of_a_url_asks_what_the_url_asked(client: httpx.AsyncClient) -> None:
    await register(client, "batch", message("1"), message("2"))
    await callback(client, "1", "2")
    asked = {"nhsNumber": f"{NHS_NUMBER} ", "batchReference": "batch", "limit": "1"}
    link = (await client.get(GET, params=asked, headers=KEY)).json()["links"]
    assert dict(parse_qsl(urlsplit(link["next"]).query)) == {**asked, "cursor": link["cursor"]}


# Keys


@asynccontextmanager
async def served(settings: Settings, *ring: str) -> AsyncIterator[httpx.AsyncClient]:
    """Lend a client of a service with this ring of recipient keys."""
    keys = tuple(map(SecretStr, ring))
    changed = settings.model_copy(
        update={"recipient_key": keys[0] if keys else None, "recipient_key_previous": keys[1:]}
    )
    app = create_app(changed)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        LifespanManager(app),
        httpx.AsyncClient(transport=transport, base_url="http://ledger.test") as client,
    ):
        yield client


async def test_every_key_of_the_ring_is_searched(service_settings: Settings) -> None:
    for number, ring in enumerate((("a",), ("b", "a"), ("c", "b", "a"))):
        async with served(service_settings, *ring) as client:
            await register(client, f"batch-{number}", message(str(number)), message(f"x-{number}", ANOTHER))
            await callback(client, str(number), f"x-{number}")
            expected = [str(earlier) for earlier in range(number + 1)]
            assert sorted(await found(client, nhsNumber=NHS_NUMBER)) == expected
            assert await pages(client, 1, nhsNumber=NHS_NUMBER) == expected[::-1]


async def test_without_a_recipient_key_no_recipient_is_found(service_settings: Settings) -> None:
    async with served(service_settings) as client:
        await callback(client, "1")
        assert await found(client, nhsNumber=NHS_NUMBER) == []


async def test_a_service_that_lacks_a_key_in_use_does_not_start(service_settings: Settings) -> None:
    async with served(service_settings, "a") as client:
        await register(client, "batch", message("1"))
    for ring in ((), ("b",), ("b", "c")):
        with pytest.raises(UnfitDatabase, match="registrations use the recipient key"):
            async with served(service_settings, *ring):
                pass
    async with served(service_settings, "b", "a"):
        pass


# Many


def explained(url: str, **filters: str) -> str:
    """Return the plan of a question, as PostgreSQL makes it from the statistics that it has."""
    query = from_parameters(filters.items(), RecipientKeys(RECIPIENT_KEY))
    asked = statuses(query).compile(dialect=PGDialect_psycopg(), compile_kwargs={"render_postcompile": True})  # type: ignore[no-untyped-call]
    with psycopg.connect(url) as connection:
        plan = connection.execute(f"EXPLAIN (COSTS OFF) {asked}", asked.params)
        return "\n".join(line for (line,) in plan)


def test_the_messages_of_an_old_batch_are_not_looked_for_among_all_that_came_since(database_url: str) -> None:
    token = RecipientKeys(RECIPIENT_KEY).tokens(NHS_NUMBER)
    ((key_id, recipient_token),) = token.items()
    execute(
        database_url,
        "INSERT INTO message_status (recorded_at, occurred_at, message_id, message_reference, channel,"
        " message_status_version, channel_version, latest_version)"
        " SELECT now() + make_interval(secs => n), now(), n, n, 'sms', '', '1', '1'"
        " FROM generate_series(1, 60000) AS n",
        "INSERT INTO channel_status (recorded_at, occurred_at, message_id, channel, channel_status_version,"
        " supplier_status_version, latest_version)"
        " SELECT recorded_at, occurred_at, message_id, 'sms', '', '', '1' FROM message_status",
        "INSERT INTO registrations (entry_id, client_id, batch_reference, message_reference, routing_plan_id,"  # noqa: S608 - our own words
        " recipient_key_id, recipient_token, salt)"
        f" SELECT gen_random_uuid(), 'client', n / 2000, n, 'plan', '{key_id}',"
        f" CASE WHEN n % 5000 = 1 THEN '\\x{recipient_token.hex()}' ELSE sha256(n::text::bytea) END,"
        " substr(sha256(n::text::bytea), 1, 16) FROM generate_series(1, 60000) AS n",
        "VACUUM ANALYZE",
    )
    for filters in (
        {"batchReference": "1"},
        {"nhsNumber": NHS_NUMBER},
        {"batchReference": "1", "nhsNumber": NHS_NUMBER},
        {"batchReference": "1", "createdBefore": "2020-01-01", "messageStatus": "delivered"},
    ):
        for further in ({}, {"limit": "100"}, {"limit": "100", "channel": "sms"}):
            plan = explained(database_url, **filters, **further)
            assert "message_status_reference_idx" in plan
            for scan in ("Seq Scan", "message_status_newest_idx", "channel_status_newest_idx"):
                assert scan not in plan


def halves(references: Iterable[str], dice: random.Random) -> tuple[list[str], list[str]]:
    shuffled = list(references)
    dice.shuffle(shuffled)
    return shuffled[: len(shuffled) // 2], shuffled[len(shuffled) // 2 :]


@pytest.mark.slow
async def test_10000_messages_whose_callbacks_came_before_and_after_are_found_exactly(
    client: httpx.AsyncClient, app: StatusLedger
) -> None:
    dice = random.Random(20261123)  # noqa: S311 - no secret
    numbers = nhs_numbers(700)
    recipient = {f"reference-{number}": dice.choice(numbers) for number in range(10_000)}
    of_batch: dict[str, list[str]] = defaultdict(list)
    for reference in recipient:
        of_batch[f"batch-{dice.choice('aabc')}"].append(reference)
    before, after = halves([*recipient, *(f"stranger-{number}" for number in range(500))], dice)

    await callback(client, *before)
    for reference, messages in of_batch.items():
        await register(client, reference, *(message(one, recipient[one]) for one in messages))
    await callback(client, *after[: len(after) // 2])
    assert await Listing(app.ledger.database).once() == len(of_batch)
    await callback(client, *after[len(after) // 2 :])

    for reference, messages in of_batch.items():
        assert sorted(await found(client, batchReference=reference)) == sorted(messages)
        assert sorted(await pages(client, 999, batchReference=reference)) == sorted(messages)
    of_recipient: dict[str, set[str]] = defaultdict(set)
    for reference, number in recipient.items():
        of_recipient[number].add(reference)
    for number in dice.sample(numbers, 100):
        assert set(await found(client, nhsNumber=number)) == of_recipient[number]
        both = await found(client, nhsNumber=number, batchReference="batch-a")
        assert set(both) == of_recipient[number] & {*of_batch["batch-a"]}
    assert sum(len(of_recipient[number]) for number in numbers) == 10_000
