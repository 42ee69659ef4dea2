"""The service enters a database by tokens that expire: each new connection brings one that is valid then."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import httpx
import psycopg
import pytest
from asgi_lifespan import LifespanManager
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import AsyncConnectionPool
from typer.testing import CliRunner

import eventstore.database
from eventstore.database import Database, DatabaseUnavailable, LedgerConnection, url_now
from ledger import entra
from ledger.app import create_app
from ledger.cli import app as command_line
from ledger.database_url import database_url as lent
from ledger.entra import SCOPE, TokenUnavailable, wants_token, with_tokens
from ledger.preflight import inspect
from ledger.runtime import Ledger
from ledger.settings import Settings
from tests.support.client import BATCH, KEY, batch, message
from tests.support.database import execute
from tests.support.supplier import CLIENT_API_KEY, body, delivered, signed

ON_AZURE = "psql-test.postgres.database.azure.com"


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        (f"postgresql://identity@{ON_AZURE}:5432/ledger?sslmode=verify-full", True),
        (f"host={ON_AZURE} user=identity dbname=ledger", True),
        (f"postgresql://identity@{ON_AZURE},other{ON_AZURE}/ledger", True),
        (f"postgresql://identity:sesame@{ON_AZURE}/ledger", False),
        (f"postgresql://identity@{ON_AZURE}/ledger?passfile=/run/passwords", False),
        (f"postgresql://identity@{ON_AZURE}.example/ledger", False),
        (f"postgresql://identity@{ON_AZURE},db.example/ledger", False),  # no token for strangers
        ("postgresql://identity@localhost/ledger", False),
        ("postgresql://postgres@/ledger?host=/run/postgresql", False),
    ],
)
def test_only_a_server_of_azures_is_shown_a_token(url: str, wanted: bool) -> None:
    assert wants_token(url) is wanted


def test_a_password_of_the_environment_is_used_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "the pipeline's")
    assert not wants_token(f"postgresql://identity@{ON_AZURE}/ledger")


class Tokens:
    """Gives tokens as Azure does, and has the server forget those that are over."""

    def __init__(self, server: str, login: str) -> None:
        self._server = server
        self._login = sql.Identifier(login)
        self.generation = 0
        self.used: set[int] = set()
        self.expire()

    def expire(self) -> None:
        """End every token that was given; the next to ask is given another."""
        self.generation += 1
        change = sql.SQL("ALTER ROLE {} PASSWORD {}").format(self._login, self._token)
        with psycopg.connect(self._server, autocommit=True) as connection:
            connection.execute(change)

    @property
    def _token(self) -> str:
        return f"token {self.generation}"

    def get_token(self, *scopes: str) -> AccessToken:
        assert scopes == (SCOPE,)
        self.used.add(self.generation)
        return AccessToken(self._token, int(time.time()) + 3600)


@contextmanager
def admitting_by_password(server: str, login: str) -> Iterator[None]:
    """Have the server ask one login for a password, as long as the block lasts."""
    ((hba_file,),) = execute(server, "SHOW hba_file")
    file = Path(str(hba_file))
    before = file.read_text()
    rules = "SELECT count(*) FROM pg_hba_file_rules"

    def reload(text: str) -> None:
        file.write_text(text)
        execute(server, "SELECT pg_reload_conf()", rules)

    reload(f'local all "{login}" scram-sha-256\n{before}')
    try:
        yield
    finally:
        reload(before)


@pytest.fixture
def tokens(database_url: str, postgres: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tokens]:
    login = "identity_of_the_app"
    execute(postgres, f"CREATE ROLE {login} LOGIN", f"GRANT ledger_service TO {login}")
    given = Tokens(postgres, login)
    monkeypatch.setattr(entra, "SERVERS", "")  # this server is one of Azure's
    monkeypatch.setattr(entra, "credential", lambda: given)
    monkeypatch.delenv("PGPASSWORD", raising=False)
    try:
        with admitting_by_password(postgres, login):
            yield given
    finally:
        # Only then: to drop the role, nobody may be connected as it.
        execute(postgres, f"REVOKE ledger_service FROM {login}", f"DROP ROLE {login}")


@pytest.fixture
def identity_url(tokens: Tokens, database_url: str) -> str:
    """The database's URL with the app's identity as login, and no password."""
    parts = urlsplit(database_url)
    return urlunsplit(parts._replace(netloc=f"identity_of_the_app@{parts.netloc.rpartition('@')[2]}"))


def refused(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError as error:
        return "password authentication failed" in str(error)
    return False


async def test_a_token_that_is_over_opens_no_connection(identity_url: str, tokens: Tokens) -> None:
    """Shows that the server of these tests refuses what Azure's would."""
    first = await url_now(with_tokens(identity_url))
    deadline = time.monotonic() + 60
    while not refused(f"{identity_url}&password=sesame"):  # the rule may take a moment to count
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    psycopg.connect(first).close()
    tokens.expire()
    assert refused(first)


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[tuple[httpx.AsyncClient, Ledger]]:
    application = create_app(settings)
    transport = httpx.ASGITransport(application, raise_app_exceptions=False)
    async with (
        LifespanManager(application, startup_timeout=30, shutdown_timeout=30),
        httpx.AsyncClient(transport=transport, base_url="http://ledger.test") as client,
    ):
        yield client, application.ledger


async def test_no_request_fails_while_tokens_expire(
    service_settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    identity_url: str,
    tokens: Tokens,
    database_url: str,
) -> None:
    monkeypatch.setenv("DATABASE_URL", identity_url)
    answers: list[int] = []
    done = asyncio.Event()

    async def come_and_go(client: httpx.AsyncClient, number: int) -> None:
        turn = 0
        while not done.is_set():
            turn += 1
            callback = body(delivered(f"{number}-{turn}", key=f"{number}-{turn}"))
            sent = await client.post("/api/status/create", content=callback, headers=signed(callback))
            read = await client.get(
                "/api/statuses",
                params={"messageId": f"{number}-{turn}"},
                headers={"x-api-key": CLIENT_API_KEY},
            )
            answers.extend([sent.status_code, read.status_code if read.json()["data"] else 0])

    async with serving(Settings.load()) as (client, ledger):
        at_work = [asyncio.create_task(come_and_go(client, number)) for number in range(6)]
        for generation in range(2, 6):
            await connected(database_url, ledger)
            tokens.expire()
            for pool in pools_of(ledger):
                await pool.drain()  # as if each connection had reached its age
            sent = batch(message(f"of {generation}"), reference=f"batch {generation}")
            answers.append((await client.post(BATCH, content=sent, headers=KEY)).status_code)
            served = len(answers)
            while len(answers) < served + 24 or generation not in tokens.used:
                assert not any(task.done() for task in at_work)
                await asyncio.sleep(0.01)
        done.set()
        await asyncio.gather(*at_work)
    assert {code: answers.count(code) for code in set(answers) - {200, 201}} == {}
    assert answers.count(201) == 4
    assert tokens.used == {1, 2, 3, 4, 5}


def pools_of(ledger: Ledger) -> list[AsyncConnectionPool[LedgerConnection]]:
    databases = (ledger._intake, ledger._database)  # noqa: SLF001 - nobody but this test replaces connections
    return [one._pool for one in databases if one is not None]  # noqa: SLF001


async def connected(url: str, ledger: Ledger) -> None:
    """Wait until no connection is on its way: one that brings a token of before would be refused."""
    there = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'identity_of_the_app'"
    deadline = time.monotonic() + 60
    while execute(url, there) != [(sum(pool.get_stats()["pool_size"] for pool in pools_of(ledger)),)]:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def test_without_a_token_the_database_is_out_of_reach_and_says_why(
    identity_url: str, tokens: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_token(*_: str) -> AccessToken:
        raise ClientAuthenticationError("ManagedIdentityCredential: no identity\nand many lines of advice")

    monkeypatch.setattr(tokens, "get_token", no_token)
    monkeypatch.setattr(eventstore.database, "CONNECT_TIMEOUT", 0.05)
    url = with_tokens(identity_url)
    with pytest.raises(TokenUnavailable, match=r"no identity$"):
        await inspect(url, head="", deployed=False, allow_unsafe=True)
    with pytest.raises(DatabaseUnavailable):
        await Database(url, wait=0.1).open()


def test_a_token_is_the_password_of_whoever_migrates_too(
    tokens: Tokens,
    identity_url: str,
    database_url: str,
    service_settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MIGRATION_DATABASE_URL", identity_url)
    with lent(Settings.load(), migrating=True) as url:
        assert not isinstance(url, str)
        assert conninfo_to_dict(asyncio.run(url_now(url)))["password"] == "token 1"
    done = CliRunner().invoke(command_line, ["verify"], env={"DATABASE_URL": identity_url})
    assert done.exit_code == 0, done.output
