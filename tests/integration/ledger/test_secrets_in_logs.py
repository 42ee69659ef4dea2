"""No key, secret, signature or NHS number reaches a log or an answer, whatever is asked, whatever fails."""

import io
import json
import re
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import structlog
from asgi_lifespan import LifespanManager
from pydantic import SecretStr

from ledger.app import StatusLedger, create_app
from ledger.settings import Settings
from tests.support.collector import collecting
from tests.support.database import execute
from tests.support.marked import (
    AUDITOR,
    DATABASE_PASSWORD,
    ISSUED_LIKE,
    KEYS,
    MALFORMED_SIGNATURE,
    NHS_NUMBER,
    PERSONAL,
    SECRETS,
    WRONG_KEY,
    WRONG_SIGNATURE,
    batches,
    callbacks,
    everywhere,
    post,
    queries,
    signed_in,
)
from tests.support.supplier import body, delivered


@pytest.fixture
def marked(service_settings: Settings, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings all of whose secrets can be told apart from anything else, at log level debug."""
    del service_settings  # it cleared the environment
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DATABASE_URL", f"{database_url}&password={DATABASE_PASSWORD}")
    monkeypatch.setenv("LOG_LEVEL", "debug")
    monkeypatch.setenv("QUARANTINE_MAX_REQUESTS", "3")
    for name, module in list(sys.modules.items()):  # loggers keep the level that they were first used at
        if name.partition(".")[0] in ("eventstore", "ingest", "ledger", "projections", "query"):
            monkeypatch.setattr(module, "log", structlog.get_logger(), raising=False)
    return Settings.load()


@asynccontextmanager
async def serving(application: StatusLedger) -> AsyncIterator[httpx.AsyncClient]:
    """Serve, and export every trace and metric when the block ends."""
    transport = httpx.ASGITransport(application, raise_app_exceptions=False)
    async with (
        LifespanManager(application, shutdown_timeout=30),
        httpx.AsyncClient(transport=transport, base_url="http://ledger.test") as session,
    ):
        yield session


def assert_tells_no_secret(text: str) -> None:
    for secret in (*KEYS.values(), WRONG_KEY, ISSUED_LIKE, WRONG_SIGNATURE, MALFORMED_SIGNATURE, "marked-"):
        assert secret not in text
    assert SECRETS.sign(body(PERSONAL)) not in text


def assert_tells_nothing(text: str) -> None:
    assert_tells_no_secret(text)
    for number in (NHS_NUMBER, NHS_NUMBER.encode().hex()):
        at = text.find(number)
        assert at < 0, text[max(0, at - 300) : at + 100]


LED_ON = re.compile(r'name="next" value="[^"]*"')
"""Where somebody was about to go, in the page that asks him to sign in first."""


TYPED = re.compile(r'type="text" value="[^"]*"')
"""What somebody typed, in the form that is shown again because it was wrong; a key is never shown again."""


def assert_answers_tell_nothing(answers: Iterable[httpx.Response]) -> None:
    """Look through answers; one that gives what was asked for may repeat a number, an error may not."""
    for answer in answers:
        headers = {name: value for name, value in answer.headers.items() if name != "set-cookie"}
        told = f"{LED_ON.sub('', answer.text)} {headers}"
        assert_tells_no_secret(told)
        if answer.status_code >= 400:
            assert_tells_nothing(TYPED.sub("", told))


def server_log(url: str) -> Path:
    """Return where this test's server writes its log."""
    ((cluster,),) = execute(url, "SHOW data_directory")
    return Path(str(cluster), "server.log")


REFUSED_BY_THE_DATABASE = body(delivered(NHS_NUMBER, key=NHS_NUMBER, reference=NHS_NUMBER))
"""A callback whose columns are all personal: what an error of PostgreSQL's quotes."""


def refuse_rows(url: str) -> None:
    """Let the database refuse rows, which it then quotes to whoever wanted to insert them."""
    execute(
        url,
        f"ALTER TABLE events ADD CONSTRAINT refused CHECK (message_reference <> '{NHS_NUMBER}') NOT VALID",
        "ALTER TABLE quarantine ADD CONSTRAINT refused CHECK (answer <> 401) NOT VALID",
        "ALTER TABLE access_log ADD CONSTRAINT refused CHECK (actor <> 'auditor') NOT VALID",
    )


def break_database(url: str) -> None:
    execute(
        url,
        *(
            f"ALTER TABLE {table} RENAME TO {table}_elsewhere"
            for table in ("message_status", "entries", "events", "quarantine_usage", "api_keys", "leaves")
        ),
    )


def test_every_secret_of_the_settings_is_marked() -> None:
    secret = {name for name, field in Settings.model_fields.items() if "SecretStr" in repr(field.annotation)}
    addresses = {"DATABASE_URL", "MIGRATION_DATABASE_URL", "APPLICATIONINSIGHTS_CONNECTION_STRING"}
    assert {name.upper() for name in secret} == {*KEYS, *addresses}
    assert all("marked-" in value for value in KEYS.values())


async def test_no_secret_and_no_nhs_number_is_told(
    marked: Settings, database_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Nowhere: not in a log, an answer, a metric, a trace, the log of who looked, PostgreSQL's own log."""
    log = server_log(database_url)
    begun = log.stat().st_size
    answers: list[httpx.Response] = []

    with collecting() as collector:
        exporting = {
            "otel_exporter_otlp_endpoint": collector.url,
            "applicationinsights_connection_string": SecretStr(collector.connection_string),
            "traces_sampled": 1.0,
        }
        application = create_app(marked.model_copy(update=exporting))
        async with serving(application) as client:

            async def ask_everything() -> None:
                answers.extend(await everywhere(client, application))
                answers.extend(await signed_in(client))
                answers.extend(await callbacks(client))
                answers.extend(await batches(client))
                answers.extend(await queries(client))

            await ask_everything()
            refuse_rows(database_url)
            answers.append(await post(client, REFUSED_BY_THE_DATABASE))
            assert answers[-1].status_code == 500
            answers.append(await client.get("/api/messages/m/timeline", headers=AUDITOR))
            assert answers[-1].status_code == 500
            looks = str(execute(database_url, "SELECT one::text FROM access_log AS one"))
            break_database(database_url)
            await ask_everything()
    told = capfd.readouterr()

    assert {answer.status_code for answer in answers} >= {
        *(200, 201, 303, 401, 403, 404, 405, 413, 415, 422, 429, 500)
    }
    events = {json.loads(line)["event"] for line in told.err.splitlines()}
    assert events >= {
        "callback.recorded",
        "callback.conflicted",
        "callback.refused",
        "callback.quarantined",
        "callback.turned_away",
        "callback.failed",
        "quarantine.full",
        "request.failed",
    }
    assert_tells_nothing(told.out + told.err)
    assert_answers_tell_nothing(answers)
    assert "GET /api/messages/{message_id}/timeline" in looks
    assert_tells_nothing(looks)
    assert {span.name for span in collector.spans} >= {"POST /api/status/create", "GET /api/statuses"}
    assert collector.metrics
    assert collector.envelopes
    assert_tells_nothing(collector.everything.decode(errors="replace"))
    with log.open() as file:
        file.seek(begun)
        of_the_server = file.read()
    assert 'violates check constraint "refused"' in of_the_server
    assert_tells_nothing(of_the_server)


async def test_a_failing_start_tells_no_secret(
    marked: Settings, database_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    execute(database_url, "DROP TABLE alembic_version")
    with pytest.raises(Exception, match="migrations") as failed:
        async with LifespanManager(create_app(marked)):
            pass
    told = capfd.readouterr()
    assert_tells_nothing(f"{told.out}{told.err}{failed.value!r}{marked!r}{marked}")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


async def test_a_developers_terminal_shows_no_more(
    marked: Settings, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    application = create_app(marked)
    transport = httpx.ASGITransport(application, raise_app_exceptions=False)
    async with (
        LifespanManager(application),
        httpx.AsyncClient(transport=transport, base_url="http://ledger.test") as client,
    ):
        await callbacks(client)
        await batches(client)
        break_database(database_url)
        await callbacks(client)
        await batches(client)
        await queries(client)
    assert "callback.failed" in terminal.getvalue()
    assert "request.failed" in terminal.getvalue()
    assert "Traceback" in terminal.getvalue()
    assert_tells_nothing(terminal.getvalue())
