"""The application around its routes: health, headers, errors."""

import asyncio
import importlib
import json
import pkgutil
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import psycopg
import pytest
from asgi_lifespan import LifespanManager

import eventstore
import ingest
import ledger
import projections
import query
from eventstore.errors import LedgerError
from ledger.app import STATUS_OF, StatusLedger, create_app
from ledger.settings import Settings
from ledger.telemetry.requests import Requests
from query.filters import InvalidQuery
from tests.support.client import BATCH, batch, message
from tests.support.database import execute
from tests.support.supplier import AUDITOR_API_KEY, CLIENT_API_KEY, body, delivered, signed

READY = "/api/healthcheck/ready"
CLIENT = {"x-api-key": CLIENT_API_KEY}
AUDITOR = {"x-api-key": AUDITOR_API_KEY}


def in_process(app: StatusLedger) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://ledger.test")


def told(client_answer: httpx.Response) -> tuple[int, Any]:
    return client_answer.status_code, client_answer.json()


# Health


async def test_a_healthy_service_says_so_without_a_key(client: httpx.AsyncClient) -> None:
    assert told(await client.get("/api/healthcheck")) == (200, {"status": "healthy"})
    assert told(await client.get(READY)) == (200, {"status": "ready", "missing": []})


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE alembic_version SET version_num = '0000'",
        "DELETE FROM alembic_version",
        "INSERT INTO alembic_version VALUES ('9999')",
        "DROP TABLE alembic_version",
    ],
)
async def test_an_older_schema_than_the_newest_is_not_ready(
    client: httpx.AsyncClient, database_url: str, change: str
) -> None:
    execute(database_url, change)
    assert told(await client.get(READY)) == (503, {"status": "not ready", "missing": ["migrations"]})
    assert (await client.get("/api/healthcheck")).status_code == 200


async def test_a_schema_that_a_deployment_has_migrated_further_is_ready(
    client: httpx.AsyncClient, database_url: str
) -> None:
    execute(database_url, "UPDATE alembic_version SET version_num = '9999'")
    assert told(await client.get(READY)) == (200, {"status": "ready", "missing": []})


async def test_without_its_database_it_is_up_but_not_ready_until_the_database_is_back(
    client: httpx.AsyncClient, database_url: str, postgres: str
) -> None:
    name = urlsplit(database_url).path.removeprefix("/")
    execute(
        postgres,
        f"ALTER DATABASE {name} ALLOW_CONNECTIONS false",
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",  # noqa: S608 - the test's own words
    )
    assert told(await client.get(READY)) == (503, {"status": "not ready", "missing": ["database"]})
    assert told(await client.get("/api/healthcheck")) == (200, {"status": "healthy"})
    execute(postgres, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    deadline = time.monotonic() + 30
    while (answer := await client.get(READY)).status_code == 503 and time.monotonic() < deadline:
        pass  # the request itself waits for a connection
    assert told(answer) == (200, {"status": "ready", "missing": []})


async def test_a_process_that_comes_up_while_the_database_is_away_answers_500_and_opens_with_it(
    service_settings: Settings, database_url: str, postgres: str
) -> None:
    name = urlsplit(database_url).path.removeprefix("/")
    execute(postgres, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    content = body(delivered())
    application = create_app(service_settings)
    async with LifespanManager(application), in_process(application) as client:
        assert told(await client.get(READY)) == (503, {"status": "not ready", "missing": ["database"]})
        answer = await client.post("/api/status/create", content=content, headers=signed(content))
        assert told(answer) == (500, {"status": "error"})
        execute(postgres, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        deadline = time.monotonic() + 30
        while (await client.get(READY)).status_code == 503 and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.05)  # nothing tells of it
        answer = await client.post("/api/status/create", content=content, headers=signed(content))
        assert told(answer) == (200, {"status": "success"})


async def test_a_service_that_is_not_open_yet_is_up_but_not_ready(unopened: Settings) -> None:
    async with in_process(create_app(unopened)) as client:
        assert told(await client.get(READY)) == (503, {"status": "not ready", "missing": ["database"]})
        assert told(await client.get("/api/healthcheck")) == (200, {"status": "healthy"})
        content = body(delivered())
        answer = await client.post("/api/status/create", content=content, headers=signed(content))
        assert told(answer) == (500, {"status": "error"})
        assert told(await client.get("/api/statuses", headers=CLIENT)) == (500, {"status": "error"})
        answer = await client.post(BATCH, content=batch(message("1")), headers=CLIENT)
        assert told(answer) == (500, {"status": "error"})


# Headers


async def every_kind_of_answer(client: httpx.AsyncClient, database_url: str) -> list[httpx.Response]:
    content = body(delivered("m"))
    wrong = signed(content, x_hmac_sha256_signature="0" * 64)
    answers = [
        await client.post("/api/status/create", content=content, headers=signed(content)),
        await client.post("/api/status/create", content=content),
        await client.post("/api/status/create", content=content, headers=wrong),
        await client.post("/api/status/create", content=b"x", headers=signed(b"x")),
        await client.get("/api/status/create"),
        await client.get("/api/statuses", headers=CLIENT),
        await client.get("/api/statuses"),
        await client.get("/api/statuses?nonsense", headers=CLIENT),
        await client.delete("/api/statuses", headers=CLIENT),
        await client.post("/api/statuses/search", json={}, headers=CLIENT),
        await client.post("/api/statuses/search", content=b" " * 70_000, headers=CLIENT),
        await client.post(BATCH, content=batch(message("1")), headers=CLIENT),
        await client.post(BATCH, content=b"x", headers=CLIENT),
        await client.post(BATCH, content=b"x", headers=CLIENT | {"content-encoding": "gzip"}),
        await client.get("/api/messages/m/timeline", headers=AUDITOR),
        await client.get("/api/messages/unknown/timeline", headers=AUDITOR),
        await client.get("/api/messages/m/timeline?known_at=1", headers=AUDITOR),
        await client.get("/api/messages?reference=r", headers=AUDITOR),
        await client.get("/api/messages", headers=AUDITOR),
        await client.get("/api/entries/unknown", headers=AUDITOR),
        await client.get("/api/healthcheck"),
        await client.get("/nowhere"),
        await client.get("/openapi.json"),
    ]
    execute(
        database_url,
        "ALTER TABLE message_status RENAME TO elsewhere",
        "ALTER TABLE events RENAME TO nowhere",
        "DROP TABLE alembic_version",
    )
    return [
        *answers,
        await client.get(READY),
        await client.get("/api/statuses", headers=CLIENT),
        await client.get("/api/messages/m/timeline", headers=AUDITOR),
        await client.post("/api/status/create", content=content, headers=signed(content)),
    ]


async def test_every_answer_is_json_with_an_id_of_its_own_and_is_never_stored(
    client: httpx.AsyncClient, database_url: str
) -> None:
    answers = await every_kind_of_answer(client, database_url)
    expected = {200, 201, 401, 403, 404, 405, 413, 415, 422, 500, 503}
    assert {answer.status_code for answer in answers} == expected
    for answer in answers:
        asked = f"{answer.request.method} {answer.request.url} {answer.status_code}"
        assert answer.headers["content-type"] == "application/json", asked
        assert answer.headers.get_list("cache-control") == ["no-store"], asked
        assert answer.headers.get_list("x-content-type-options") == ["nosniff"], asked
        assert answer.headers.get_list("content-security-policy") == [
            "default-src 'none'; frame-ancestors 'none'"
        ], asked
        assert answer.headers.get_list("referrer-policy") == ["no-referrer"], asked
        (request_id,) = answer.headers.get_list("x-request-id")
        assert str(UUID(request_id)) == request_id
    assert len({answer.headers["x-request-id"] for answer in answers}) == len(answers)


async def test_no_answer_invites_another_origin(client: httpx.AsyncClient, database_url: str) -> None:
    client.headers["origin"] = "https://elsewhere.test"
    preflight = {"access-control-request-method": "GET", "access-control-request-headers": "x-api-key"}
    answers = [
        await client.options("/api/statuses", headers=preflight),
        await client.options("/api/status/create", headers=preflight),
    ]
    assert [answer.status_code for answer in answers] == [405, 405]
    for answer in answers + await every_kind_of_answer(client, database_url):
        assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    "path", ["/", "/nowhere", "/api", "/api/messages/m", "/api/statuses/m", "/docs", "/redoc"]
)
async def test_an_unknown_path_is_404(unopened: Settings, path: str) -> None:
    async with in_process(create_app(unopened)) as client:
        for method in ("GET", "POST"):
            assert told(await client.request(method, path)) == (404, {"status": "Not Found"})


async def test_another_method_is_405_and_names_the_right_one(unopened: Settings) -> None:
    async with in_process(create_app(unopened)) as client:
        for method, path, allowed in (
            ("POST", "/api/statuses", "GET"),
            ("GET", "/api/statuses/search", "POST"),
            ("PUT", "/api/status/create", "POST"),
            ("GET", BATCH, "POST"),
            ("DELETE", "/api/messages/m/timeline", "GET"),
            ("POST", "/api/healthcheck", "GET"),
        ):
            answer = await client.request(method, path)
            assert told(answer) == (405, {"status": "Method Not Allowed"})
            assert answer.headers["allow"] == allowed


# Errors

ANSWERS = {
    "eventstore.anchors.AnchorConflict": 500,
    "eventstore.anchors.AnchorsUnavailable": 500,
    "eventstore.tiles.LogInconsistent": 500,
    "eventstore.notes.InvalidNote": 500,
    "eventstore.sealer.ServerChanged": 500,
    "eventstore.sealer_state.OvertakenSealer": 500,
    "ledger.azure_identity.AzureMissing": 500,
    "ledger.telemetry.exporters.ExporterMissing": 500,
    "ledger.batch_files.RegistrationNotSetUp": 500,
    "ledger.bundling.BundleExists": 500,
    "ledger.commands.audit.NotPublic": 500,
    "ledger.commands.seals.NothingSealed": 500,
    "ledger.commands.seals.SealingKeyMissing": 500,
    "eventstore.database.DatabaseUnavailable": 500,
    "eventstore.durable.CommitUncertain": 500,
    "eventstore.durable.Unrecorded": 500,
    "eventstore.erasure.ErasureInTheWay": 500,
    "eventstore.erasure.LedgerBusy": 500,
    "eventstore.group_commit.Closed": 500,
    "eventstore.group_commit.Overloaded": 500,  # the callback endpoint answers it with 429 itself
    "ingest.batches.InvalidBatch": 422,
    "ingest.callbacks.Unprocessable": 500,  # the recorder turns it into 422 itself
    "ingest.quarantine.QuarantineFull": 500,  # the callback endpoint answers it with 429 itself
    "ingest.registering.UnknownRecipientKey": 500,
    "ingest.registrar.RegistrationFailed": 500,
    "ingest.registrar.TooSlow": 500,  # the batch's route answers it with 408 itself
    "ingest.strict_json.NotStrictJson": 500,  # the parser turns it into Unprocessable
    "ledger.api_keys.ClientTaken": 500,
    "ledger.api_keys.KeyUnknown": 500,
    "ledger.api_keys.NameTaken": 500,
    "ledger.api_keys.NotTheOwner": 500,
    "ledger.commands.opened.RoleMissing": 500,
    "ledger.commands.simulate.NotInProduction": 500,
    "ledger.commands.whole_file.NotWritable": 500,
    "ledger.demo.ServiceFailed": 500,
    "ledger.commands.projections.DatabaseRefused": 500,
    "ledger.entra.TokenUnavailable": 500,
    "ledger.embedded.PostgresFailedError": 500,
    "ledger.embedded.PostgresMissingError": 500,
    "ledger.embedded.PostgresVersionError": 500,
    "ledger.key_format.NameMalformed": 500,
    "ledger.migration.MigrationFailed": 500,
    "ledger.parquet.ParquetMissing": 500,
    "ledger.preflight.UnfitDatabase": 500,
    "ledger.runtime.NotOpen": 500,
    "ledger.settings.SettingsInvalid": 500,
    "projections.projection.UnknownProjection": 500,
    "projections.rebuild.TableBusy": 500,
    "projections.rebuild.TableInUse": 500,
    "projections.verify.RebuildRunning": 500,
    "ledger.simulator.patience.GaveUp": 500,
    "ledger.simulator.reading.ReadingRefused": 500,
    "ledger.simulator.sender.KeysRefused": 500,
    "ledger.simulator.simulation.NotReady": 500,
    "query.filters.InvalidQuery": 422,
}
"""What a caller is told where one of the product's errors reaches the application."""


def errors() -> Iterator[type[LedgerError]]:
    """Yield every error of the product."""
    for package in (eventstore, ingest, ledger, projections, query):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    waiting: list[type[LedgerError]] = [LedgerError]
    while waiting:
        found = waiting.pop().__subclasses__()
        waiting += found
        yield from (error for error in found if not error.__module__.startswith("test"))


def test_the_answer_to_every_error_is_decided() -> None:
    decided = {f"{error.__module__}.{error.__qualname__}": STATUS_OF.get(error, 500) for error in errors()}
    assert decided == ANSWERS


def raising(settings: Settings, error: Exception) -> httpx.AsyncClient:
    """Return a client of an application one route of which raises, and one shortcut."""
    app = create_app(settings)

    @app.get("/raise")
    async def _() -> None:
        raise error

    async def failing(*_: object) -> None:
        raise error

    app.shorten("GET", "/raise/shortly", failing, Requests("GET", "/raise/shortly"))
    return in_process(app)


RAISING = "/raise", "/raise/shortly"


async def test_an_error_of_the_callers_is_told_in_the_words_of_its_detail(unopened: Settings) -> None:
    async with raising(unopened, InvalidQuery("limit: too much")) as client:
        for path in RAISING:
            assert told(await client.get(path)) == (422, {"status": "limit: too much"})


@pytest.mark.parametrize(
    "error",
    [
        *(error("a secret") for error in errors() if error not in STATUS_OF),
        RuntimeError("a secret"),
        psycopg.OperationalError("a secret"),
        psycopg.ProgrammingError("a secret"),
        TimeoutError("a secret"),
        KeyError("a secret"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_any_other_error_is_500_that_tells_nothing_and_an_event_in_the_log(
    unopened: Settings, error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    async with raising(unopened, error) as client:
        answers = [await client.get(path) for path in RAISING]
    events = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    for answer, event in zip(answers, events, strict=True):
        assert told(answer) == (500, {"status": "error"})
        assert answer.headers["cache-control"] == "no-store"
        assert (event["event"], event["level"]) == ("request.failed", "error")
        assert event["error"] == type(error).__name__
        assert event["request_id"] == answer.headers["x-request-id"]
        assert "Traceback" in event["exception"]


async def test_what_nothing_foresees_is_raised_too_for_the_servers_own_log(unopened: Settings) -> None:
    app = create_app(unopened)

    async def failing(*_: object) -> None:
        raise KeyError

    app.shorten("GET", "/raise", failing, Requests("GET", "/raise"))
    transport = httpx.ASGITransport(app, raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url="http://ledger.test") as client:
        with pytest.raises(KeyError):
            await client.get("/raise")
