"""Of a batch full of personal data nothing is kept, logged or told, whatever is asked, whatever fails."""

import asyncio
import hashlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import structlog
from asgi_lifespan import LifespanManager
from opentelemetry.trace import NoOpTracer, Span, Tracer, TracerProvider

from ingest import registrar as registrar_module
from ingest.registrar import MOST_AT_ONCE
from ledger.app import create_app
from ledger.settings import Settings
from tests.support.client import BATCH, KEY, batch_of, nhs_numbers, written
from tests.support.database import execute
from tests.support.processes import registering
from tests.support.supplier import body, delivered, signed

NUMBER, OTHER = nhs_numbers(3002)[3000:]
WRONG = f"{NUMBER[:-1]}{(int(NUMBER[-1]) + 1) % 10}"
SPACED = f"{NUMBER[:3]} {NUMBER[3:6]} {NUMBER[6:]}"

MARKERS = (
    NUMBER[:9],  # and so the number itself, and one with another last digit, or with one more
    SPACED[:11],
    OTHER,
    "marked-patient@example.test",
    "07700900123",
    "1 Marked Street",
    "MK1 1MK",
    "Marked-Surname",
    "marked-personalisation",
    "marked-field",
)

FORBIDDEN = [form for marker in MARKERS for form in (marker.encode(), marker.encode().hex().encode())]
FORBIDDEN += [hashlib.sha256(number.encode()).hexdigest().encode() for number in (NUMBER, OTHER)]
"""The markers as they are, as PostgreSQL writes bytes, and what a hash without a key makes of a number."""

CONTACT = {
    "email": "marked-patient@example.test",
    "sms": "07700900123",
    "address": {"lines": ["1 Marked Street", "Leeds"], "postcode": "MK1 1MK"},
    "name": {"firstName": "A", "lastName": "Marked-Surname"},
}


def message(reference: str, nhs_number: Any = NUMBER, **changes: Any) -> dict[str, Any]:
    return {
        "messageReference": reference,
        "recipient": {"nhsNumber": nhs_number, "contactDetails": CONTACT},
        "personalisation": {"marked-field": "marked-personalisation", NUMBER: SPACED},
    } | changes


def batch(*messages: Any, **changes: str) -> bytes:
    return written(batch_of(messages, **changes))


GOOD = batch(message("1"), message("2", SPACED), message("3", OTHER))

BAD_NUMBERS: list[Any] = [WRONG, NUMBER[:9], f"{NUMBER}1", int(NUMBER), [NUMBER], {NUMBER: 1}, None]

REFUSED = [
    batch(message("1", OTHER)),
    batch(message("1"), routing_plan="another"),
    batch(message("4"), message("4", OTHER)),
    *(batch(message("4", bad)) for bad in BAD_NUMBERS),
    batch(message(NUMBER * 26)),
    batch(message(f"{NUMBER}\0")),
    batch(message("4", messageReference=[NUMBER])),
    batch(message("4", recipient=NUMBER)),
    batch(message("4", recipient={NUMBER: NUMBER})),
    batch({NUMBER: NUMBER}),
    batch(NUMBER),
    batch(message("4"), reference=f"{NUMBER}\0"),
    batch(message("4"), routing_plan=""),
    written({"data": {"type": NUMBER, "attributes": NUMBER}}),
    written({"data": {"type": "MessageBatch", "attributes": NUMBER}}),
    written({NUMBER: NUMBER}),
    written(NUMBER),
    GOOD[:-1],
    GOOD + NUMBER.encode(),
    GOOD.replace(NUMBER.encode(), b"\xff" + NUMBER.encode()),
    GOOD.replace(NUMBER.encode(), b"\\ud800" + NUMBER.encode()),
    f'{{"{NUMBER}": 1, "{NUMBER}": 2}}'.encode(),
]


TALKATIVE = {
    "log_statement": "all",
    "log_min_duration_statement": "0",
    "log_min_error_statement": "debug5",
    "log_parameter_max_length": "-1",
    "log_parameter_max_length_on_error": "-1",
    "log_error_verbosity": "verbose",
}
"""Settings with which PostgreSQL logs all that it is told."""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of temporary files of the service and of the process that registers."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


@pytest.fixture
async def client(
    service_settings: Settings, temporary: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a service that logs all it can, on a database that logs all it is told."""
    database = urlsplit(database_url).path.removeprefix("/")
    for name, value in TALKATIVE.items():
        execute(database_url, f"ALTER DATABASE {database} SET {name} = '{value}'")
    for name, module in list(sys.modules.items()):  # loggers keep the level that they were first used at
        if name.partition(".")[0] in ("eventstore", "ingest", "ledger", "projections", "query"):
            monkeypatch.setattr(module, "log", structlog.get_logger(), raising=False)
    changes = {"log_level": "debug", "max_batch_body_bytes": 100_000}
    app = create_app(service_settings.model_copy(update=changes))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        LifespanManager(app),
        httpx.AsyncClient(transport=transport, base_url="http://ledger.test") as session,
    ):
        yield session


async def post(client: httpx.AsyncClient, content: Any, **headers: str) -> httpx.Response:
    return await client.post(BATCH, content=content, headers=KEY | headers)


async def batches(client: httpx.AsyncClient) -> list[httpx.Response]:
    """Return the answers to batches of every kind."""
    return [
        await post(client, GOOD),
        await post(client, GOOD),
        *[await post(client, content) for content in REFUSED],
        await post(client, GOOD, **{"content-encoding": f"gzip;{NUMBER}"}),
        await post(client, GOOD, **{"content-type": NUMBER}),
        await post(client, GOOD * 100),
        await client.post(BATCH, content=GOOD, headers={"x-api-key": NUMBER}),
        await client.get(f"{BATCH}?nhsNumber={NUMBER}", headers=KEY),
    ]


async def queries(client: httpx.AsyncClient) -> list[httpx.Response]:
    """Return the answers to questions of every kind."""
    asked: list[Mapping[str, Any]] = [
        *({"nhsNumber": number} for number in (NUMBER, SPACED, OTHER, WRONG, NUMBER[:9], f"{NUMBER}\0")),
        {"nhsNumber": NUMBER, "batchReference": "another"},
        {"nhsNumber": NUMBER, "limit": NUMBER},
        {"nhsNumber": NUMBER, "cursor": NUMBER},
        {"nhsNumber": NUMBER, "createdAfter": NUMBER},
        {"nhsNumber": NUMBER, "nhsNumberr": NUMBER},
        {"nhsNumber": [NUMBER, NUMBER]},
    ]
    answers = []
    for filters in asked:
        answers.append(await client.get("/api/statuses", params=filters, headers=KEY))
        answers.append(await client.post("/api/statuses/search", json=filters, headers=KEY))
    paged: dict[str, Any] = {"nhsNumber": NUMBER, "limit": 1}
    first = await client.post("/api/statuses/search", json=paged, headers=KEY)
    cursor = first.json().get("links", {}).get("cursor", "none")
    answers += [
        first,
        await client.post("/api/statuses/search", json=paged | {"cursor": cursor}, headers=KEY),
    ]
    for content in (f'{{"nhsNumber": {NUMBER}}}', f'{{"nhsNumber": "{NUMBER}"'):
        answers.append(await client.post("/api/statuses/search", content=content, headers=KEY))
    return answers


async def too_many(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> list[httpx.Response]:
    """Return the answers to batches that stall, and to one more."""
    arrived = [asyncio.Event() for _ in range(MOST_AT_ONCE)]

    async def stalling(event: asyncio.Event) -> AsyncIterator[bytes]:
        yield GOOD[:200]
        event.set()
        await asyncio.Event().wait()

    with monkeypatch.context() as patch:
        patch.setattr(registrar_module, "PATIENCE", 1)
        tasks = [asyncio.create_task(post(client, stalling(event))) for event in arrived]
        for event in arrived:
            await event.wait()
        one_more = await post(client, GOOD)
        return [one_more, *await asyncio.gather(*tasks)]


async def crash(client: httpx.AsyncClient) -> httpx.Response:
    """Return the answer to a batch whose process crashes when it holds half of it."""

    async def crashing() -> AsyncIterator[bytes]:
        yield GOOD[:-20]
        for process in registering(os.getpid()):
            os.kill(process, signal.SIGSEGV)
        yield GOOD[-20:]

    return await post(client, crashing())


def break_database(url: str, how: str) -> None:
    execute(
        url,
        {
            "a row is refused": "ALTER TABLE registrations ADD CHECK (length(routing_plan_id) < 3) NOT VALID",
            "an entry is refused": "ALTER TABLE entries ADD CHECK (length(body) < 3) NOT VALID",
            "a column is gone": "ALTER TABLE registrations RENAME salt TO pepper",
            "a table is gone": "ALTER TABLE registrations RENAME TO elsewhere",
        }[how],
    )


def tables(url: str) -> Iterator[bytes]:
    """Yield every row of every table, each column in its text form."""
    for (name,) in execute(url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
        for (row,) in execute(url, f"SELECT whole::text FROM {name} AS whole"):  # noqa: S608 - the schema's names
            yield str(row).encode()


def files(url: str) -> Iterator[bytes]:
    """Yield what PostgreSQL has written to disk: this database, the write-ahead log, at last its log."""
    ((cluster, database),) = execute(
        url,
        "CHECKPOINT",
        "SELECT current_setting('data_directory'), oid FROM pg_database WHERE datname = current_database()",
    )
    for folder in (f"base/{database}", "base/pgsql_tmp", "pg_wal"):
        for path in Path(str(cluster), folder).glob("*"):
            if path.is_file():
                yield path.read_bytes()
    yield Path(str(cluster), "server.log").read_bytes()


def assert_tells_nothing(told: bytes) -> None:
    for marker in FORBIDDEN:
        at = told.find(marker)
        assert at < 0, told[max(0, at - 300) : at + 100]


async def test_a_batch_full_of_personal_data_leaves_none_behind(
    client: httpx.AsyncClient,
    database_url: str,
    temporary: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    content = body(*(delivered(f"m-{number}", key=number, reference=number) for number in "123"))
    await client.post("/api/status/create", content=content, headers=signed(content))
    answers = await batches(client) + await queries(client) + [await crash(client)]
    answers += await too_many(client, monkeypatch)
    assert len(list(tables(database_url))) > 10
    for row in tables(database_url):
        assert_tells_nothing(row)
    for how in ("a row is refused", "an entry is refused", "a column is gone", "a table is gone"):
        break_database(database_url, how)
        answers.append(await post(client, GOOD.replace(b'"1"', b'"a new one"')))
        answers += await batches(client) + await queries(client)
    told = capfd.readouterr()

    assert {answer.status_code for answer in answers} == {200, 201, 401, 405, 408, 413, 415, 422, 429, 500}
    events = {json.loads(line)["event"] for line in told.err.splitlines()}
    assert events >= {
        "batch.registered",
        "batch.refused",
        "batch.turned_away",
        "batch.broken_off",
        "request.failed",
    }
    assert_tells_nothing((told.out + told.err).encode())
    for answer in answers:
        assert_tells_nothing(f"{answer.text} {answer.headers}".encode())
    log = b""
    for log in files(database_url):
        assert_tells_nothing(log)
    assert b"Failing row contains" in log, "the server tells what it can"
    assert b"Parameters: " in log or b"parameters: " in log
    assert os.listdir(temporary) == []  # noqa: PTH208


class Tracing(TracerProvider):
    """A provider of tracers that remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def get_tracer(self, *args: Any, **kwargs: Any) -> Tracer:
        provider = self

        class Remembering(NoOpTracer):
            def start_span(self, *args: Any, **kwargs: Any) -> Span:
                provider.told.append((args, kwargs))
                return super().start_span(*args, **kwargs)

        return Remembering()


async def test_no_trace_tells_what_a_url_asked(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The framework would trace every URL, its query included, as soon as anybody sets up tracing."""
    tracing = Tracing()
    monkeypatch.setattr("opentelemetry.trace.get_tracer_provider", lambda: tracing)
    await queries(client)
    await batches(client)
    assert tracing.told == []


def test_the_markers_would_be_found() -> None:
    for told in (GOOD, GOOD.hex().encode(), f"the number {SPACED}".encode()):
        with pytest.raises(AssertionError):
            assert_tells_nothing(told)
