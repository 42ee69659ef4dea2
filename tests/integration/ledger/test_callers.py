"""Who is let in: every route to exactly the keys that it should, and an issued key within seconds."""

import json
import re
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from asgi_lifespan import LifespanManager
from pydantic import SecretStr

from eventstore.caller import Scope
from eventstore.database import Database
from ledger.app import create_app
from ledger.issued_keys import FRESH_FOR, IssuedKeys, Kept, read_keys
from ledger.settings import Settings
from tests.support.clients import issued, register, revoke
from tests.support.database import execute
from tests.support.routes import METRICS, OPEN, RULES, SESSION, SUPPLIER, routes_of
from tests.support.supplier import (
    AUDITOR_API_KEY,
    CLIENT_API_KEY,
    NOTIFY_API_KEY,
    body,
    delivered,
    signed,
)

FINDING: dict[str, str] = {
    "GET /api/reports/delivery": "?batchReference=batch",
    "GET /api/reports/overdue": "?asOf=2099-01-01",
}
"""What a client asks of a route that does not tell of every message unasked."""

OLD_CLIENT_KEY, OLD_AUDITOR_KEY = "old-client-key", "old-auditor-key"
OLD_NOTIFY_KEY = "old-notify-key"
METRICS_KEY, OLD_METRICS_KEY = "metrics-key", "old-metrics-key"
READ = "/api/statuses"


CLAIMS = {
    "x-forwarded-for": "127.0.0.1",
    "x-forwarded-host": "ledger.test",
    "x-original-url": "/api/healthcheck",
    "x-rewrite-url": "/api/healthcheck",
    "x-http-method-override": "GET",
    "x-ms-client-principal": "eyJ1c2VySWQiOiJhZGEifQ==",
    "x-ms-client-principal-id": "ada",
    "x-ms-client-principal-name": "ada@example.org",
    "x-arr-clientcert": "MIIB",
    "authorization": f"Bearer {AUDITOR_API_KEY}",
    "cookie": f"audit={AUDITOR_API_KEY}; __Host-audit={AUDITOR_API_KEY}",
}
"""What a proxy would say of who asks, and from where: unless a setting names it no proxy is
believed, so anybody may say it in vain."""


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def move_on(self) -> None:
        """Let what was read of the keys grow too old."""
        self.now += FRESH_FOR + 0.001


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock by which applications of this test read the issued keys anew."""
    moved = Clock()
    monkeypatch.setattr("ledger.app.IssuedKeys", partial(IssuedKeys, clock=moved))
    return moved


@asynccontextmanager
async def served(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    application = create_app(settings)
    transport = httpx.ASGITransport(application, raise_app_exceptions=False)
    async with (
        LifespanManager(application, startup_timeout=30, shutdown_timeout=30),
        httpx.AsyncClient(transport=transport, base_url="http://ledger.test") as session,
    ):
        yield session


async def answer_to(client: httpx.AsyncClient, key: str | None, path: str = READ) -> int:
    answer = await client.get(path, headers={} if key is None else {"x-api-key": key})
    if answer.status_code == 401:
        assert answer.json() == {"status": "Invalid API key"}
    return answer.status_code


# The matrix


async def issue_every_kind(url: str) -> dict[str, tuple[str | None, set[str]]]:
    """Return keys of every kind by a name, each with what it opens."""
    read, write, audit = Scope.STATUSES_READ, Scope.BATCHES_WRITE, Scope.AUDIT_READ
    reader = await issued(url, "clinic-reads", read, client="clinic")
    other = await issued(url, "other", read)
    return {
        "none": (None, set()),
        "empty": ("", set()),
        "unknown": ("unknown", set()),
        "supplier": (NOTIFY_API_KEY, {SUPPLIER}),
        "previous supplier": (OLD_NOTIFY_KEY, {SUPPLIER}),
        "metrics": (METRICS_KEY, {METRICS}),
        "previous metrics": (OLD_METRICS_KEY, {METRICS}),
        "client": (CLIENT_API_KEY, {read, write}),
        "previous client": (OLD_CLIENT_KEY, {read, write}),
        "auditor": (AUDITOR_API_KEY, {audit}),
        "previous auditor": (OLD_AUDITOR_KEY, {audit}),
        "reads": (reader, {read}),
        "another's reads": (other, {read}),
        "writes": (await issued(url, "clinic-writes", write, client="clinic"), {write}),
        "audits": (await issued(url, "clinic-audits", audit, client="clinic"), {audit}),
        "everything": (await issued(url, "clinic-all", *Scope, client="clinic"), {*Scope}),
        "revoked": (await issued(url, "clinic-old", *Scope, client="clinic", revoked=True), set()),
        "never issued": (f"slk_{'0' * 16}_{'A' * 43}", set()),
        "another's secret": (reader[:-43] + other[-43:], set()),
        "cut short": (reader[:-1], set()),
        "its hash": (execute(url, "SELECT encode(hash, 'hex') FROM api_keys LIMIT 1")[0][0], set()),  # type: ignore[dict-item] # text
        "its id": (reader.split("_")[1], set()),
    }


async def test_every_route_opens_to_the_keys_of_its_rule_and_to_no_other(
    service_settings: Settings, database_url: str
) -> None:
    settings = service_settings.model_copy(
        update={
            "client_api_key_previous": (SecretStr(OLD_CLIENT_KEY),),
            "auditor_api_key_previous": (SecretStr(OLD_AUDITOR_KEY),),
            "notify_api_key_previous": (SecretStr(OLD_NOTIFY_KEY),),
            "metrics_api_key": SecretStr(METRICS_KEY),
            "metrics_api_key_previous": (SecretStr(OLD_METRICS_KEY),),
        }
    )
    routes = set(routes_of(create_app(settings).router.routes))
    assert routes == set(RULES), "a route without its rule, or a rule without its route"
    keys = await issue_every_kind(database_url)
    async with served(settings) as client:
        for route in sorted(routes):
            method, path = re.sub(r"\{\w+\}", "m", route).split(" ")
            for name, (key, opens) in keys.items():
                headers = [] if key is None else [("x-api-key", key)]
                answer = await client.request(method, path, headers=headers)
                let_in = RULES[route] == OPEN or RULES[route] in opens
                assert (answer.status_code != 401) == let_in, (route, name)
                for header in ("x-content-type-options", "content-security-policy", "referrer-policy"):
                    assert len(answer.headers.get_list(header)) == 1, (route, name, header)
                if RULES[route] == SESSION:
                    assert "Sign in to audit" in answer.text, route
                elif not let_in:
                    assert answer.json() == {"status": "Invalid API key"}
                    assert set(answer.headers) == {
                        "content-type",
                        "content-length",
                        "cache-control",
                        "x-request-id",
                        "x-content-type-options",
                        "content-security-policy",
                        "referrer-policy",
                    }, (route, name)
            claimed = await client.request(method, path, headers=CLAIMS)
            assert (claimed.status_code != 401) == (RULES[route] == OPEN), route
            rightful = [key for key, opens in keys.values() if key is not None and RULES[route] in opens]
            for first in rightful[:1]:
                for second in (first, "unknown"):
                    repeated = [("x-api-key", first), ("x-api-key", second)]
                    assert (await client.request(method, path, headers=repeated)).status_code == 401, route


@pytest.mark.parametrize("accept", ["application/json", "text/csv", "application/x-ndjson"])
async def test_no_route_of_clients_tells_one_of_anothers_messages(
    client: httpx.AsyncClient, database_url: str, accept: str
) -> None:
    undelivered = delivered("theirs-late", reference="theirs-r", key="late", channelStatus="sending")
    content = body(delivered("theirs-m", reference="theirs-r"), undelivered)
    assert (await client.post("/api/status/create", content=content, headers=signed(content))).is_success
    register(database_url, "hospital", "theirs-r")
    stranger, owner = [
        await issued(database_url, name, *Scope, client=name) for name in ("clinic", "hospital")
    ]
    for route in (route for route, rule in RULES.items() if rule == Scope.STATUSES_READ):
        method, path = re.sub(r"\{\w+\}", "theirs-m", route).split(" ")
        path += FINDING.get(route, "")
        told = [
            await client.request(
                method, path, headers={"x-api-key": key, "accept": accept}, content=b"{}" * (method == "POST")
            )
            for key in (owner, stranger)
        ]
        assert "theirs-late" in told[0].text, route
        assert "theirs" not in f"{told[1].text} {told[1].headers}", route


# Within seconds, without a restart


async def test_a_key_opens_and_a_revoked_one_opens_nothing_within_seconds(
    client: httpx.AsyncClient, database_url: str
) -> None:
    assert await answer_to(client, f"slk_{'0' * 16}_{'A' * 43}") == 401
    key = await issued(database_url, "clinic", Scope.STATUSES_READ)
    for told, change in ((200, None), (401, revoke)):
        if change is not None:
            await change(database_url, key)
        deadline = time.monotonic() + FRESH_FOR + 5  # generous to a busy machine
        while await answer_to(client, key) != told:
            assert time.monotonic() < deadline
    assert await answer_to(client, CLIENT_API_KEY) == 200


async def test_a_key_is_rotated_with_nothing_refused(
    clock: Clock, service_settings: Settings, database_url: str
) -> None:
    old = await issued(database_url, "clinic", Scope.STATUSES_READ)
    async with served(service_settings) as client:
        assert await answer_to(client, old) == 200
        new = await issued(database_url, "clinic-2", Scope.STATUSES_READ, client="clinic")
        clock.move_on()
        assert [await answer_to(client, key) for key in (old, new)] == [200, 200]
        await revoke(database_url, old)
        clock.move_on()
        assert [await answer_to(client, key) for key in (old, new)] == [401, 200]


async def test_keys_are_read_once_for_many_requests(
    clock: Clock, service_settings: Settings, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = 0

    async def counted(database: Database) -> Mapping[str, Kept]:
        nonlocal reads
        reads += 1
        return await read_keys(database)

    monkeypatch.setattr("ledger.app.read_keys", counted)
    key = await issued(database_url, "clinic", Scope.STATUSES_READ)
    async with served(service_settings) as client:
        for _ in range(20):
            assert await answer_to(client, CLIENT_API_KEY) == 200
            assert await answer_to(client, "unknown") == 401
        assert reads == 0, "keys of the environment, and what is no issued key, need no table"
        for moves in (1, 2, 3):
            for _ in range(20):
                assert await answer_to(client, key) == 200
            assert reads == moves
            clock.move_on()


async def test_without_the_database_an_issued_key_opens_nothing_until_it_is_back(
    clock: Clock, service_settings: Settings, database_url: str, postgres: str
) -> None:
    key = await issued(database_url, "clinic", Scope.STATUSES_READ)
    name = urlsplit(database_url).path.removeprefix("/")
    async with served(service_settings) as client:
        assert await answer_to(client, key) == 200
        execute(
            postgres,
            f"ALTER DATABASE {name} ALLOW_CONNECTIONS false",
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",  # noqa: S608 - the test's own words
        )
        clock.move_on()
        answer = await client.get(READ, headers={"x-api-key": key})
        assert (answer.status_code, answer.json()) == (500, {"status": "error"})
        assert await answer_to(client, "unknown") == 401
        assert await answer_to(client, None) == 401
        execute(postgres, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        deadline = time.monotonic() + 30
        while await answer_to(client, key) == 500:
            assert time.monotonic() < deadline
        assert await answer_to(client, key) == 200


# Logs


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


async def test_the_log_lines_of_a_request_name_its_caller_and_no_other(
    client: httpx.AsyncClient, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    key = await issued(database_url, "clinic-2026", Scope.STATUSES_READ, client="clinic")
    key_id = key.split("_")[1]
    execute(database_url, "ALTER TABLE message_status RENAME TO elsewhere")
    capsys.readouterr()
    for sent, named in ((key, ("clinic", key_id)), (CLIENT_API_KEY, ("client", None))):
        assert await answer_to(client, sent) == 500
        assert await answer_to(client, sent, "/api/healthcheck") == 200
        (line,) = lines(capsys)
        assert (line["event"], line["client_id"], line.get("key_id")) == ("request.failed", *named)
    content = b"{}"
    await client.post(
        "/api/status/create", content=content, headers={"x-api-key": NOTIFY_API_KEY}
    )  # quarantined, and logged, in the same task
    (line,) = lines(capsys)
    assert line["event"] == "callback.quarantined"
    assert not {"client_id", "key_id"} & set(line)


async def test_a_key_that_lacks_the_scope_is_told_apart_in_the_log_alone(
    client: httpx.AsyncClient, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    key = await issued(database_url, "clinic", Scope.BATCHES_WRITE)
    capsys.readouterr()
    refused = [await client.get(READ, headers={"x-api-key": sent}) for sent in (key, "unknown")]
    one, other = [
        (answer.status_code, answer.content, {**answer.headers, "x-request-id": ""}) for answer in refused
    ]
    assert one == other
    (line,) = lines(capsys)
    assert (line["event"], line["client_id"]) == ("caller.refused", "clinic")
    assert (line["key_id"], line["lacking"]) == (key.split("_")[1], "statuses:read")


async def test_no_issued_key_reaches_a_log_or_an_answer(
    clock: Clock, service_settings: Settings, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    key = await issued(database_url, "clinic", Scope.STATUSES_READ)
    async with served(service_settings.model_copy(update={"log_level": "debug"})) as client:
        sent = {"x-api-key": key}
        answers = [
            await client.get(READ, headers=sent),
            await client.get(f"{READ}?nonsense", headers=sent),
            await client.get("/api/messages/m/timeline", headers=sent),
            await client.post("/api/status/create", headers=sent, content=b"{}"),
            await client.get("/nowhere", headers=sent),
        ]
        execute(database_url, "ALTER TABLE api_keys RENAME TO elsewhere")
        clock.move_on()
        answers.append(await client.get(READ, headers=sent))
    assert [answer.status_code for answer in answers] == [200, 422, 401, 401, 404, 500]
    told = capsys.readouterr()
    secret = key[-43:]
    assert "clinic" in told.err
    for text in (told.out, told.err, *(f"{answer.text} {answer.headers}" for answer in answers)):
        assert secret not in text
        assert secret.encode().hex() not in text
