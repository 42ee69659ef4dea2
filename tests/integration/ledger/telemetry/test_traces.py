"""Traces and metrics as a collector and Application Insights receive them, and what never reaches either."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from asgi_lifespan import LifespanManager
from pydantic import SecretStr

from ledger.app import create_app
from ledger.settings import Settings
from tests.support.collector import Collector, collecting
from tests.support.database import execute
from tests.support.supplier import CLIENT_API_KEY, body, delivered, signed

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
SAMPLED = f"00-{TRACE}-{PARENT}-01"
UNSAMPLED = f"00-{TRACE}-{PARENT}-00"

NHS_NUMBER = "9990548609"
KEY = {"x-api-key": CLIENT_API_KEY}


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


@asynccontextmanager
async def serving(settings: Settings, **changes: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Serve, and export all when the block ends."""
    app = create_app(settings.model_copy(update={"traces_sampled": 1.0} | changes))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        LifespanManager(app, shutdown_timeout=30),
        httpx.AsyncClient(transport=transport, base_url="http://ledger.test") as client,
    ):
        yield client


async def post(client: httpx.AsyncClient, content: bytes, **headers: str | None) -> httpx.Response:
    return await client.post("/api/status/create", content=content, headers=signed(content, **headers))


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


async def test_a_trace_goes_from_the_request_to_the_commit_and_the_log(
    service_settings: Settings, collector: Collector, capfd: pytest.CaptureFixture[str]
) -> None:
    first, second = delivered("m", key="k"), delivered("m", key="k", channelStatus="failed")
    async with serving(service_settings, otel_exporter_otlp_endpoint=collector.url) as client:
        await post(client, body(first))
        answer = await post(client, body(second), traceparent=SAMPLED)
    request, commit = (
        next(span for span in collector.spans if span.name == name)
        for name in ("POST /api/status/create", "commit")
    )
    assert (request.trace_id, request.parent_id) == (TRACE, PARENT)
    assert (commit.trace_id, commit.parent_id) == (TRACE, request.span_id)
    assert request.starts <= commit.starts < commit.ends <= request.ends
    assert request.attributes == {
        "http.request.method": "POST",
        "http.route": "/api/status/create",
        "http.response.status_code": 200,
        "ledger.entry_id": answer.headers["x-request-id"],
    }
    assert commit.attributes == {"ledger.batch.size": 1, "ledger.entry_id": answer.headers["x-request-id"]}
    (line,) = [one for one in lines(capfd.readouterr().err) if one["event"] == "callback.conflicted"]
    assert (line["trace_id"], line["span_id"]) == (TRACE, request.span_id)


async def test_only_callbacks_whose_caller_sampled_them_have_spans(
    service_settings: Settings, collector: Collector
) -> None:
    async with serving(service_settings, otel_exporter_otlp_endpoint=collector.url) as client:
        for number, parent in enumerate((None, UNSAMPLED, "00-not-a-trace-01", f"00-{'0' * 32}-{PARENT}-01")):
            content = body(delivered(key=f"k-{number}"))
            assert (await post(client, content, traceparent=parent)).status_code == 200
        assert (await post(client, content, traceparent=SAMPLED, x_api_key="wrong")).status_code == 401
    assert [span for span in collector.spans if span.name in ("commit", "POST /api/status/create")] == []


async def test_a_callback_that_fails_is_a_failed_span(
    service_settings: Settings, collector: Collector, database_url: str
) -> None:
    async with serving(service_settings, otel_exporter_otlp_endpoint=collector.url) as client:
        execute(database_url, "ALTER TABLE entries RENAME TO elsewhere")
        await post(client, body(delivered()), traceparent=SAMPLED)
    (span,) = [one for one in collector.spans if one.name == "POST /api/status/create"]
    assert span.attributes["http.response.status_code"] == 500


@pytest.mark.parametrize("parent", [SAMPLED, UNSAMPLED])
async def test_log_lines_name_the_trace_without_any_exporter(
    service_settings: Settings, capfd: pytest.CaptureFixture[str], parent: str
) -> None:
    async with serving(service_settings) as client:
        await post(client, b"{}", traceparent=parent)
        await client.post("/api/message/batch", content=b"{}", headers=KEY | {"traceparent": parent})
        await post(client, b"{}")
    told: dict[str, list[Any]] = {"callback.refused": [], "batch.refused": []}
    for line in lines(capfd.readouterr().err):
        if line["event"] in told:
            told[line["event"]].append(line.get("trace_id"))
    assert told == {"callback.refused": [TRACE, None], "batch.refused": [TRACE]}


@pytest.mark.parametrize("asked", [{}, {"messageId": "m"}])
async def test_a_read_is_traced_to_its_statements(
    service_settings: Settings, collector: Collector, asked: dict[str, str]
) -> None:
    async with serving(service_settings, otel_exporter_otlp_endpoint=collector.url) as client:
        answer = await client.get("/api/statuses", params=asked, headers=KEY | {"traceparent": SAMPLED})
        assert answer.status_code == 200
    spans = [span for span in collector.spans if span.trace_id == TRACE]
    (request,) = [span for span in spans if span.parent_id == PARENT]
    assert request.name == "GET /api/statuses"
    assert request.attributes["http.response.status_code"] == 200
    selects = [span for span in spans if span.parent_id == request.span_id and span.name == "SELECT"]
    assert selects
    assert any("message_status" in span.attributes["db.statement"] for span in selects)


async def ask_of_a_person(client: httpx.AsyncClient) -> None:
    """Name an NHS number wherever a request, an error or a trace can hold one."""
    headers = KEY | {"traceparent": SAMPLED, "tracestate": f"n={NHS_NUMBER}", "baggage": f"n={NHS_NUMBER}"}
    await client.get("/api/statuses", params={"nhsNumber": NHS_NUMBER}, headers=headers)
    await client.get("/api/statuses", params={NHS_NUMBER: NHS_NUMBER}, headers=headers)
    await client.get(f"/{NHS_NUMBER}", headers=headers)
    await client.get("/api/healthcheck", headers=headers | {"host": f"{NHS_NUMBER}.test"})
    await client.request(NHS_NUMBER, "/api/statuses", headers=headers)
    await client.post("/api/statuses/search", json={"nhsNumber": NHS_NUMBER}, headers=headers)
    content = body(delivered(reference=NHS_NUMBER))
    await post(client, content, traceparent=SAMPLED, tracestate=f"n={NHS_NUMBER}")


def fail_naming_a_person(url: str) -> None:
    """Make the database's errors quote what they are about."""
    broken = f"SELECT * FROM elsewhere WHERE '{NHS_NUMBER}x'::text::integer > length(message_id)"  # noqa: S608
    execute(
        url,
        "ALTER TABLE message_status RENAME TO elsewhere",
        f"CREATE VIEW message_status AS {broken}",
        "GRANT SELECT ON message_status TO ledger_service",
    )


async def test_no_nhs_number_reaches_a_span_or_a_metric(
    service_settings: Settings, collector: Collector, database_url: str
) -> None:
    exporting = {
        "otel_exporter_otlp_endpoint": collector.url,
        "applicationinsights_connection_string": SecretStr(collector.connection_string),
    }
    async with serving(service_settings, **exporting) as client:
        await ask_of_a_person(client)
        fail_naming_a_person(database_url)
        await ask_of_a_person(client)
    assert {path for path, _ in collector.received} >= {"/v1/traces", "/v1/metrics"}
    names = {span.name for span in collector.spans}
    assert names >= {"GET /api/statuses", "POST /api/status/create", "commit", "SELECT"}
    assert collector.envelopes
    assert NHS_NUMBER.encode() not in collector.everything


async def test_a_number_in_a_url_would_be_found(
    service_settings: Settings, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted mistake: spans that leave as the framework makes them."""
    monkeypatch.setattr("ledger.telemetry.discretion.discreet", lambda span: span)
    async with serving(service_settings, otel_exporter_otlp_endpoint=collector.url) as client:
        await client.get("/api/statuses", params={"nhsNumber": NHS_NUMBER}, headers=KEY)
    assert NHS_NUMBER.encode() in collector.everything


async def test_a_number_in_an_error_would_be_found(
    service_settings: Settings,
    collector: Collector,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ledger.telemetry.discretion.discreet", lambda span: span)
    async with serving(service_settings, otel_exporter_otlp_endpoint=collector.url) as client:
        await post(client, body(delivered("m")))
        fail_naming_a_person(database_url)
        assert (await client.get("/api/statuses", headers=KEY)).status_code == 500
    assert f'"{NHS_NUMBER}x"'.encode() in collector.everything


async def test_a_collector_receives_the_metrics(service_settings: Settings, collector: Collector) -> None:
    async with serving(service_settings, otel_exporter_otlp_endpoint=collector.url) as client:
        await post(client, body(delivered(channel="sms")))
        await client.get("/api/healthcheck")
    metrics = collector.metrics
    (commits,) = metrics["ledger.commit.duration"].histogram.data_points
    assert (commits.count, metrics["ledger.commit.duration"].unit) == (1, "s")
    assert sum(commits.bucket_counts) == 1
    lags = {
        point.attributes[0].value.string_value: point.count
        for point in metrics["ledger.delivery.lag"].histogram.data_points
    }
    assert lags == {"nhsapp": 0, "email": 0, "sms": 1, "letter": 0, "none": 0}
    answers = {
        point.attributes[0].value.string_value: point.as_int
        for point in metrics["ledger.callbacks"].sum.data_points
    }
    assert answers["200"] == 1
    assert "http.server.request.duration" in metrics
    assert b"status-ledger" in collector.everything


async def test_application_insights_receives_traces_and_metrics(
    service_settings: Settings, collector: Collector, capfd: pytest.CaptureFixture[str]
) -> None:
    told = SecretStr(collector.connection_string)
    async with serving(service_settings, applicationinsights_connection_string=told) as client:
        await post(client, body(delivered(channel="sms")), traceparent=SAMPLED)
        await client.get("/api/statuses", headers=KEY)
        await client.get("/metrics")  # the database was asked by now
    received = collector.envelopes
    requests = {
        one["data"]["baseData"]["name"]: one["tags"]["ai.operation.id"]
        for one in received
        if one["data"]["baseType"] == "RequestData"
    }
    assert requests["POST /api/status/create"] == TRACE
    assert "GET /api/statuses" in requests
    urls = {one["data"]["baseData"]["url"] for one in received if one["data"]["baseType"] == "RequestData"}
    assert urls == {""}, "alerts tell the host's requests by theirs"
    metrics = {
        (point["name"], one["data"]["baseData"].get("properties", {}).get("channel")): point
        for one in received
        if one["data"]["baseType"] == "MetricData"
        for point in one["data"]["baseData"]["metrics"]
    }
    assert metrics["ledger.unsealed.age", None]["value"] >= 0
    assert metrics["ledger.commit.duration", None]["count"] == 1
    assert metrics["ledger.delivery.lag", "sms"]["count"] == 1
    assert ("ledger.delivery.lag", "letter") not in metrics
    assert {path for path, _ in collector.received} == {"/v2.1/track"}
    assert {name.partition(".")[0] for name, _ in metrics} == {"ledger", "http"}, "and nothing about itself"
    assert {one["event"] for one in lines(capfd.readouterr().err)} == {"service.opened", "service.closed"}


async def test_a_collector_that_is_away_disturbs_nothing(service_settings: Settings) -> None:
    async with serving(service_settings, otel_exporter_otlp_endpoint="http://127.0.0.1:9") as client:
        assert (await post(client, body(delivered()), traceparent=SAMPLED)).status_code == 200
        assert (await client.get("/api/statuses", headers=KEY)).status_code == 200
