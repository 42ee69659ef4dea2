"""`GET /metrics` tells what was done: each metric is read from a real export of the service."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from asgi_lifespan import LifespanManager
from prometheus_client.parser import text_string_to_metric_families

from eventstore.database import Database
from eventstore.sealing import Sealing
from ledger.app import create_app
from ledger.settings import Settings
from ledger.telemetry.exposition import MEDIA_TYPE
from ledger.telemetry.vitals import FRESH, Watch
from tests.support.database import execute
from tests.support.supplier import CLIENT_API_KEY, body, delivered, item, signed

METRICS = "/metrics"


@asynccontextmanager
async def serving(settings: Settings, **changes: Any) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(settings.model_copy(update=changes))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        LifespanManager(app),
        httpx.AsyncClient(transport=transport, base_url="http://ledger.test") as client,
    ):
        yield client


async def post(client: httpx.AsyncClient, content: bytes, **headers: str | None) -> int:
    answer = await client.post("/api/status/create", content=content, headers=signed(content, **headers))
    return answer.status_code


async def scrape(client: httpx.AsyncClient, **headers: str) -> dict[str, float]:
    """Return every sample by its name and labels, without the worker's."""
    answer = await client.get(METRICS, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (200, MEDIA_TYPE)
    found = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            labels = sorted((name, value) for name, value in sample.labels.items() if name != "worker")
            assert sample.labels["worker"] == "0"
            told = ",".join(f'{name}="{value}"' for name, value in labels)
            found[f"{sample.name}{{{told}}}" if told else sample.name] = sample.value
    return found


async def test_every_answer_to_a_callback_is_counted(service_settings: Settings) -> None:
    content = body(delivered("m"))
    async with serving(
        service_settings, quarantine_max_requests=2, max_body_bytes=2000, max_waiting_requests=1000
    ) as client:
        answers = [
            await post(client, content),
            await post(client, content),
            await post(client, content, x_api_key="wrong"),
            await post(client, content, x_hmac_sha256_signature="f0" * 32),
            await post(client, content, x_hmac_sha256_signature="f1" * 32),  # the quarantine is full
            await post(client, content * 20),
            await post(client, content, content_encoding="gzip"),
            await post(client, b"{}"),
        ]
        told = await scrape(client)
    assert answers == [200, 200, 401, 403, 429, 413, 415, 422]
    counted = {
        code: told[f'ledger_callbacks_total{{answer="{code}"}}'] for code in (*sorted({*answers}), 500)
    }
    assert counted == {200: 2, 401: 1, 403: 1, 413: 1, 415: 1, 422: 1, 429: 1, 500: 0}


async def test_what_callbacks_came_to_is_counted(service_settings: Settings) -> None:
    first = delivered("m", key="k")
    conflicting = first | {"attributes": first["attributes"] | {"channelStatus": "failed"}}
    async with serving(service_settings) as client:
        for one in (first, first, conflicting):
            assert await post(client, body(one)) == 200
        assert await post(client, body(delivered("a", key="a"), delivered("b", key="b"))) == 200
        told = await scrape(client)
    assert told['ledger_events_total{outcome="new"}'] == 4
    assert told['ledger_events_total{outcome="repeat"}'] == 1
    assert told["ledger_conflicts_total"] == 1
    assert told["ledger_batch_size_count"] == 4
    assert told["ledger_batch_size_sum"] == 4
    assert told['ledger_batch_size_bucket{le="1.0"}'] == 4
    assert told["ledger_commit_duration_seconds_count"] == 4
    assert 0 < told["ledger_commit_duration_seconds_sum"] < 60


async def test_a_batch_counts_its_callbacks(service_settings: Settings) -> None:
    contents = [body(delivered(f"m-{number}", key=f"k-{number}")) for number in range(40)]
    async with serving(service_settings) as client:
        await asyncio.gather(*(post(client, content) for content in contents))
        told = await scrape(client)
    assert told["ledger_batch_size_sum"] == 40
    assert told["ledger_batch_size_count"] < 40
    assert told['ledger_batch_size_bucket{le="+Inf"}'] == told["ledger_batch_size_count"]


async def test_the_lag_of_delivery_is_told_by_channel_and_not_of_repeats(service_settings: Settings) -> None:
    old = body(delivered("m", key="old", channel="sms", timestamp="2020-01-01T00:00:00Z"))
    ahead = body(delivered("m", key="ahead", channel="email", timestamp="2999-01-01T00:00:00Z"))
    whole = body(
        item("m", key="w", kind="MessageStatus", messageStatus="sending", timestamp="2020-01-01T00:00:00Z")
    )
    async with serving(service_settings) as client:
        for content in (old, old, ahead, whole):
            assert await post(client, content) == 200
        told = await scrape(client)
    lag = "ledger_delivery_lag_seconds"
    assert told[f'{lag}_count{{channel="sms"}}'] == 1
    assert told[f'{lag}_bucket{{channel="sms",le="86400.0"}}'] == 0
    assert told[f'{lag}_sum{{channel="sms"}}'] > 86400
    assert told[f'{lag}_bucket{{channel="email",le="0.5"}}'] == 1
    assert told[f'{lag}_sum{{channel="email"}}'] == 0
    assert told[f'{lag}_count{{channel="none"}}'] == 1
    assert told[f'{lag}_count{{channel="letter"}}'] == 0


async def test_the_state_of_quarantine_seals_and_pool_is_told(
    service_settings: Settings, database_url: str
) -> None:
    content = body(delivered("m"))
    async with serving(service_settings, quarantine_max_requests=4, database_connections=7) as client:
        assert await post(client, content) == 200
        assert await post(client, content, x_api_key="wrong") == 401
        execute(database_url, "ALTER TABLE entries DISABLE TRIGGER ALL")
        execute(database_url, "UPDATE entries SET recorded_at = now() - interval '1 hour'")
        told = await scrape(client)
        for name in ("append_only", "erased_only", "erasures_by_the_eraser"):
            execute(database_url, f"ALTER TABLE entries ENABLE ALWAYS TRIGGER {name}")
    assert told["ledger_database_up"] == 1
    assert told["ledger_quarantine_callbacks"] == 1
    assert told["ledger_quarantine_size_bytes"] == len(content)
    assert told["ledger_quarantine_fill"] == 0.25
    assert 3600 <= told["ledger_unsealed_age_seconds"] < 3700
    assert told["ledger_sealed"] == 0
    assert told["ledger_pool_limit"] == 7
    assert told['ledger_pool_connections{state="used"}'] >= 1
    assert (
        told["ledger_pool_waiting"] == told["ledger_queue_callbacks"] == told["ledger_queue_size_bytes"] == 0
    )
    async with Database(database_url) as database:
        await Sealing(database, None).once()
    async with serving(service_settings) as client:
        told = await scrape(client)
    assert (told["ledger_sealed"], told["ledger_unsealed_age_seconds"]) == (1, 0)


async def test_a_checkpoint_that_is_not_anchored_ages(service_settings: Settings, database_url: str) -> None:
    async with serving(service_settings) as client:
        await post(client, body(delivered("m")))
        async with Database(database_url) as database:
            await Sealing(database, None).once()
        execute(
            database_url,
            "INSERT INTO checkpoints (signed_at, size, incarnation, root, note) "
            "SELECT now() - interval '2 hours', 1, incarnation, sha256('root'), 'note' FROM sealer",
        )
        told = await scrape(client)
    assert 7200 <= told["ledger_anchor_age_seconds"] < 7300


async def test_what_the_database_does_not_say_is_not_told(
    service_settings: Settings, database_url: str
) -> None:
    async with serving(service_settings) as client:
        execute(database_url, "ALTER TABLE sealer RENAME TO elsewhere")
        told = await scrape(client)
    assert told["ledger_database_up"] == 0
    assert not [name for name in told if name.startswith(("ledger_quarantine", "ledger_unsealed"))]
    assert 'ledger_callbacks_total{answer="200"}' in told


async def test_what_the_database_said_once_is_not_told_when_it_is_silent(database_url: str) -> None:
    now = 0.0
    async with Database(database_url) as database:
        watch = Watch(lambda: database, clock=lambda: now)
        await watch.look()
        said = watch.vitals
        assert said is not None
        execute(database_url, "ALTER TABLE sealer RENAME TO elsewhere")
        await watch.look()
        assert watch.vitals is said, "asked a moment ago"
        now += FRESH
        await watch.look()
        assert watch.vitals is None


async def test_other_requests_are_measured_by_route(service_settings: Settings) -> None:
    async with serving(service_settings) as client:
        await client.get("/api/statuses", params={"nhsNumber": "9990548609"}, headers={"x-api-key": "wrong"})
        await client.get("/api/messages/9990548609/timeline")
        await client.get("/9990548609")
        text = (await client.get(METRICS)).text
    assert 'http_route="/api/statuses"' in text
    assert 'http_route="/api/messages/{message_id}/timeline"' in text
    assert "9990548609" not in text
    assert 'http_route="/api/status/create"' not in text


async def test_reads_that_the_framework_does_not_see_are_measured_with_those_that_it_does(
    service_settings: Settings, database_url: str
) -> None:
    key = {"x-api-key": CLIENT_API_KEY}
    async with serving(service_settings) as client:
        for headers in (key, key, {}):
            await client.get("/api/statuses", headers=headers)
        await client.post("/api/statuses/search", json={}, headers=key)
        execute(database_url, "ALTER TABLE message_status RENAME TO elsewhere")
        await client.get("/api/statuses", params={"messageId": "m"}, headers=key)
        text = (await client.get(METRICS)).text
        told = await scrape(client)
    labels = 'http_request_method="{}",http_response_status_code="{}",http_route="{}"'
    counted = {
        (method, route, code): value
        for method, route in (("GET", "/api/statuses"), ("POST", "/api/statuses/search"))
        for code in (200, 401, 500)
        for name, value in told.items()
        if name.startswith("http_server_request_duration_seconds_count")
        and labels.format(method, code, route) in name
    }
    assert counted == {
        ("GET", "/api/statuses", 200): 2,
        ("GET", "/api/statuses", 401): 1,
        ("GET", "/api/statuses", 500): 1,
        ("POST", "/api/statuses/search", 200): 1,
    }
    for metric in ("http_server_request_duration_seconds", "http_server_active_requests"):
        assert text.count(f"# TYPE {metric} ") == 1
    active = [value for name, value in told.items() if name.startswith("http_server_active_requests")]
    assert sum(active) == 1, "the one that asks"


@pytest.mark.parametrize(
    "headers",
    [
        {"x-api-key": "metrics-key"},
        {"x-api-key": "metrics-key-before"},
        {"authorization": "Bearer metrics-key"},
        {"authorization": "bearer metrics-key"},
    ],
)
async def test_a_key_opens_them(service_settings: Settings, headers: dict[str, str]) -> None:
    async with serving(service_settings, **keys()) as client:
        assert (await client.get(METRICS, headers=headers)).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("x-api-key", "wrong")],
        [("authorization", "Basic metrics-key")],
        [("authorization", "metrics-key")],
        [("x-api-key", "metrics-key"), ("authorization", "Bearer metrics-key")],
        [("x-api-key", "test-client-api-key")],
    ],
)
async def test_nothing_else_does(service_settings: Settings, headers: list[tuple[str, str]]) -> None:
    async with serving(service_settings, **keys()) as client:
        answer = await client.get(METRICS, headers=headers)
    assert (answer.status_code, answer.json()) == (401, {"status": "Invalid API key"})


def keys() -> dict[str, Any]:
    one = Settings.model_validate(
        {
            **dict.fromkeys(("notify_api_key", "client_api_key", "hmac_secret"), "x"),
            "metrics_api_key": "metrics-key",
            "metrics_api_key_previous": "metrics-key-before",
        }
    )
    return {name: getattr(one, name) for name in ("metrics_api_key", "metrics_api_key_previous")}


async def test_deployed_they_need_a_key(service_settings: Settings) -> None:
    app = create_app(service_settings.model_copy(update={"environment": "dev"}))  # never opened: no database
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://ledger.test") as client:
        assert (await client.get(METRICS)).status_code == 401


async def test_they_are_told_before_the_service_is_open(service_settings: Settings) -> None:
    transport = httpx.ASGITransport(create_app(service_settings))
    async with httpx.AsyncClient(transport=transport, base_url="http://ledger.test") as client:
        told = await scrape(client)
    assert told["ledger_database_up"] == 0
    assert "ledger_queue_callbacks" not in told
