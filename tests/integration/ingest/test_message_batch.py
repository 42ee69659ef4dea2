"""`POST /api/message/batch`, every row of the contract's answers, and what each leaves behind."""

import asyncio
import json
import os
import random
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import pytest
from asgi_lifespan import LifespanManager

from ingest import registrar as registrar_module
from ingest.registrar import MOST_AT_ONCE
from ledger.app import create_app
from ledger.settings import Settings
from tests.support.client import (
    ANOTHER,
    BATCH,
    KEY,
    NHS_NUMBER,
    batch,
    batch_of,
    message,
    nhs_numbers,
    written,
)
from tests.support.database import execute
from tests.support.processes import registering
from tests.support.supplier import AUDITOR_API_KEY, CLIENT_API_KEY, NOTIFY_API_KEY

FAILED = (500, {"status": "error"})


async def post(
    client: httpx.AsyncClient, content: bytes | AsyncIterator[bytes], **headers: str
) -> tuple[int, Any]:
    answer = await client.post(BATCH, content=content, headers=KEY | headers)
    assert answer.headers["cache-control"] == "no-store"
    assert UUID(answer.headers["x-request-id"])
    return answer.status_code, answer.json()


def success(registered: int) -> tuple[int, Any]:
    return 201, {"status": "success", "registered": registered}


def counts(url: str) -> tuple[object, ...]:
    """Return how many entries and registrations there are."""
    return execute(url, "SELECT (SELECT count(*) FROM entries), (SELECT count(*) FROM registrations)")[0]


async def test_a_batch_is_registered_and_the_same_again_changes_nothing(
    client: httpx.AsyncClient, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    body = batch(message("1"), message("2", ANOTHER))
    for _ in range(3):
        assert await post(client, body) == success(2)
        assert counts(database_url) == (1, 2)
    ((kind, client_id),) = execute(database_url, "SELECT kind, client_id FROM entries")
    assert (kind, client_id) == ("registration", "client")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["new"] for line in lines if line["event"] == "batch.registered"] == [2, 0, 0]


async def test_the_content_type_is_never_a_reason_to_refuse(client: httpx.AsyncClient) -> None:
    for content_type in ("application/json", "application/vnd.api+json", "text/plain", "nonsense"):
        assert await post(client, batch(message("1")), **{"content-type": content_type}) == success(1)


async def test_a_body_may_come_in_any_pieces(client: httpx.AsyncClient, database_url: str) -> None:
    body = batch(*(message(f"’{number}") for number in range(20)))
    dice = random.Random(20261123)  # noqa: S311 - no secret

    async def pieces() -> AsyncIterator[bytes]:
        rest = body
        while rest:
            size = dice.randrange(0, 50)
            yield rest[:size]
            rest = rest[size:]

    assert await post(client, pieces()) == success(20)
    assert counts(database_url) == (1, 20)


async def test_a_batch_that_breaks_a_rule_is_422_and_nothing_is_kept(
    client: httpx.AsyncClient, database_url: str
) -> None:
    place = "data.attributes.messages[1]"
    for body, told in (
        (batch(message("1"), message("2", "9990000010")), f"{place}.recipient.nhsNumber: must be text, 10 "),
        (batch(message("1"), message("1")), f"{place}.messageReference: the same as that of messages[0]"),
        (batch(message("1"), message("")), f"{place}.messageReference: must be 1 to 255 characters"),
        (batch(message("1"), reference="a\0"), "data.attributes.messageBatchReference: must not contain NUL"),
        (batch(), "data.attributes.messages: must be 1 to 45000 messages"),
        (b"nonsense", "body: not strict JSON: syntax error at character 0"),
        (b'{"data":1,"data":2}', "body: not strict JSON: duplicate key"),
        (b"", "body: not strict JSON: syntax error at character 0"),
    ):
        code, answer = await post(client, body)
        assert (code, list(answer)) == (422, ["status"])
        assert answer["status"].startswith(told)
    assert counts(database_url) == (0, 0)


async def test_the_declared_examples_of_a_refused_batch_are_what_it_is_told(
    client: httpx.AsyncClient,
) -> None:
    described = (await client.get("/openapi.json")).json()["paths"][BATCH]["post"]["responses"]["422"]
    declared = {
        example["value"]["status"]
        for example in described["content"]["application/json"]["examples"].values()
    }
    await post(client, batch(message("1")))
    answers = [await post(client, batch(message("1", number))) for number in ("9990000010", ANOTHER)]
    assert {answer["status"] for _, answer in answers} == declared


async def test_a_reference_of_the_batch_for_another_recipient_is_422_and_changes_nothing(
    client: httpx.AsyncClient, database_url: str
) -> None:
    await post(client, batch(message("1"), message("2")))
    code, answer = await post(client, batch(message("3"), message("2", ANOTHER)))
    assert (code, answer["status"]) == (
        422,
        "data.attributes.messages[1]: registered in this batch for another recipient",
    )
    assert counts(database_url) == (1, 2)
    assert await post(client, batch(message("2", ANOTHER), reference="another batch")) == success(1)


# Keys and headers


async def test_without_the_clients_key_there_is_no_registration(
    client: httpx.AsyncClient, database_url: str
) -> None:
    for key in (None, "", "wrong", CLIENT_API_KEY + " ", "é", NOTIFY_API_KEY, AUDITOR_API_KEY):
        headers = [] if key is None else [(b"x-api-key", key.encode())]
        answer = await client.post(BATCH, content=batch(message("1")), headers=headers)
        assert (answer.status_code, answer.json()) == (401, {"status": "Invalid API key"}), key
    twice = [*KEY.items(), *KEY.items()]
    assert (await client.post(BATCH, content=batch(message("1")), headers=twice)).status_code == 401
    assert counts(database_url) == (0, 0)
    assert registering(os.getpid()) == []


async def test_a_content_encoding_is_415_before_anything_else(client: httpx.AsyncClient) -> None:
    answer = await client.post(BATCH, content=b"", headers={"content-encoding": "gzip"})
    assert (answer.status_code, answer.json()) == (415, {"status": "Unsupported content encoding"})


async def test_another_method_is_405(client: httpx.AsyncClient) -> None:
    assert (await client.get(BATCH, headers=KEY)).status_code == 405


# Sizes


@pytest.fixture
async def small(service_settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a service that takes batches of 2,000 bytes at most."""
    app = create_app(service_settings.model_copy(update={"max_batch_body_bytes": 2000}))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        LifespanManager(app),
        httpx.AsyncClient(transport=transport, base_url="http://ledger.test") as client,
    ):
        yield client


TOO_LARGE = (413, {"status": "Request body too large"})


async def test_a_body_that_says_it_is_too_large_is_413_before_any_of_it_is_read(
    small: httpx.AsyncClient,
) -> None:
    assert await post(small, b" " * 2001) == TOO_LARGE
    assert registering(os.getpid()) == []
    fits = batch(message("1"))
    assert await post(small, fits + b" " * (2000 - len(fits))) == success(1)


async def test_a_body_that_becomes_too_large_is_413_before_it_is_all_read(
    small: httpx.AsyncClient, database_url: str
) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        yield batch(message("1"))
        for _ in range(1000):
            sent += 1
            yield b" " * 100

    assert await post(small, endless()) == TOO_LARGE
    assert sent < 100
    assert counts(database_url) == (0, 0)
    assert await post(small, batch(message("1"))) == success(1)


# What goes wrong


async def test_more_batches_than_a_few_at_once_are_429_and_may_come_again(client: httpx.AsyncClient) -> None:
    arrived = [asyncio.Event() for _ in range(MOST_AT_ONCE)]
    go_on = asyncio.Event()

    async def arriving(number: int) -> AsyncIterator[bytes]:
        body = batch(message(str(number)))
        yield body[:10]
        arrived[number].set()
        await go_on.wait()
        yield body[10:]

    tasks = [asyncio.create_task(post(client, arriving(number))) for number in range(MOST_AT_ONCE)]
    for event in arrived:
        await event.wait()
    answer = await client.post(BATCH, content=batch(message("1")), headers=KEY)
    assert (answer.status_code, answer.json()) == (429, {"status": "Too many requests"})
    assert 5 <= int(answer.headers["retry-after"]) <= 60
    go_on.set()
    assert await asyncio.gather(*tasks) == [success(1)] * MOST_AT_ONCE
    assert await post(client, batch(message("1"))) == success(1)


async def test_a_body_that_does_not_come_is_408(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registrar_module, "PATIENCE", 0.2)

    async def stalled() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    assert await post(client, stalled()) == (408, {"status": "Request timeout"})


async def test_without_a_recipient_key_registration_is_503_and_a_start_says_so(
    service_settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    keyless = service_settings.model_copy(update={"recipient_key": None})
    app = create_app(keyless)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        LifespanManager(app),
        httpx.AsyncClient(transport=transport, base_url="http://ledger.test") as client,
    ):
        told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
        answer = await post(client, batch(message("1")))
        unknown = await client.post(BATCH, content=batch(message("1")))
    assert answer == (503, {"status": "Registration is not set up"})
    assert unknown.status_code == 401, "a stranger is not told"
    (missing,) = [line for line in told if line["event"] == "setting.missing"]
    assert (missing["level"], missing["setting"]) == ("warning", "RECIPIENT_KEY")
    assert missing["effect"] == "registration answers 503, and nhsNumber finds nothing"


async def test_a_database_that_refuses_is_500_and_may_be_asked_again(
    client: httpx.AsyncClient, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    execute(database_url, "ALTER TABLE registrations RENAME TO elsewhere")
    assert await post(client, batch(message("1"))) == FAILED
    (failed,) = [
        line
        for line in map(json.loads, capsys.readouterr().err.splitlines())
        if line["event"] == "request.failed"
    ]
    assert failed["error"] == "RegistrationFailed"
    assert 'relation "registrations" does not exist' in failed["exception"]
    execute(database_url, "ALTER TABLE elsewhere RENAME TO registrations")
    assert await post(client, batch(message("1"))) == success(1)


@pytest.mark.slow  # a database that is gone is waited for, for it may be starting
async def test_a_database_that_is_gone_is_500_and_registration_recovers_with_it(
    client: httpx.AsyncClient, database_url: str, postgres: str
) -> None:
    name = urlsplit(database_url).path.removeprefix("/")
    execute(
        postgres,
        f"ALTER DATABASE {name} ALLOW_CONNECTIONS false",
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",  # noqa: S608 - the test's own words
    )
    assert await post(client, batch(message("1"))) == FAILED
    execute(postgres, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    assert await post(client, batch(message("1"))) == success(1)


@pytest.mark.slow
async def test_45000_messages_are_one_entry_in_one_transaction(
    client: httpx.AsyncClient, database_url: str
) -> None:
    numbers = nhs_numbers(45_000)
    further = {"personalisation": {"text": "x" * 200}, "originator": {"odsCode": "X123"}}
    body = written(
        batch_of(message(f"reference-{place}", number, **further) for place, number in enumerate(numbers))
    )
    for _ in range(2):
        assert await post(client, body) == success(45_000)
        assert counts(database_url) == (1, 45_000)
    written_by = execute(database_url, "SELECT DISTINCT xmin::text FROM registrations")
    assert written_by == execute(database_url, "SELECT xmin::text FROM entries")
    assert registering(os.getpid()) == [], "a large batch's memory is given back"
    changed = body.replace(numbers[-1].encode(), NHS_NUMBER.encode())
    assert (await post(client, changed))[0] == 422
    assert counts(database_url) == (1, 45_000)
