"""The command line, as an operator types it: `python -m ledger …`."""

import contextlib
import hashlib
import hmac
import pkgutil
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer
from typer.main import get_command, get_group
from typer.testing import CliRunner

from ledger import commands
from ledger.cli import COMMANDS, app
from ledger.migration import head
from ledger.settings import Settings
from tests.support.database import cloned, execute
from tests.support.service import ENVIRONMENT, command_environment, free_port, running
from tests.support.supplier import CLIENT_API_KEY, HMAC_SECRET, NOTIFY_API_KEY, body, delivered

NOWHERE = "postgresql://ledger:marked-password@127.0.0.1:1/ledger"


def typed(
    folder: Path, *words: str, settings: Mapping[str, str] = {}, stdin: bytes = b""
) -> tuple[int, str, str]:
    """Run a command in a process of its own, under these settings alone; return code, output, errors."""
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "ledger", *words],
        cwd=folder,
        env=command_environment(COLUMNS="160", **settings),
        input=stdin,
        capture_output=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def command(
    folder: Path, *words: str, settings: Mapping[str, str] = {}, stdin: bytes = b""
) -> tuple[int, str, str]:
    """Run a command as `typed` does, but in this process: a second sooner.

    Never two at once: it takes over stdout.
    """
    unset = dict.fromkeys(name.upper() for name in Settings.model_fields)
    with contextlib.chdir(folder):
        done = CliRunner(env={**unset, "COLUMNS": "160", **settings}).invoke(app, words, input=stdin)
    return done.exit_code, done.stdout, done.stderr


def without(*names: str) -> dict[str, str]:
    return {name: value for name, value in ENVIRONMENT.items() if name not in names}


@pytest.fixture
def empty_database(postgres: str) -> Iterator[str]:
    """The URL of a database that was never migrated."""
    with cloned(postgres, template="template1") as url:
        yield url


def test_help_lists_every_command_with_what_it_does(tmp_path: Path) -> None:
    code, told, _ = typed(tmp_path, "--help")
    assert code == 0
    assert "append-only ledger of signed callbacks" in told
    group: Any = get_command(app)
    for name in COMMANDS:
        sentence = (group.get_command(None, name).help or "").strip().partition("\n")[0]
        assert f"{name} " in told
        assert sentence.replace("`", "") in told.replace("`", "")


def test_no_command_is_forgotten() -> None:
    for module in pkgutil.iter_modules(commands.__path__):
        offered: typer.Typer | None = getattr(import_module(f"ledger.commands.{module.name}"), "app", None)
        if offered is not None:
            group = get_group(offered)
            names = [group.name] if group.name else list(group.commands)
            assert [COMMANDS.get(name or "") for name in names] == [module.name] * len(names)


def test_the_version_is_the_packages(tmp_path: Path) -> None:
    assert typed(tmp_path, "--version") == (0, f"status-ledger {version('status-ledger')}\n", "")


def test_init_writes_fresh_secrets_that_only_their_owner_can_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command(tmp_path, "init") == (0, ".env written, with random secrets.\n", "")
    assert command(tmp_path, "init", "--path", "other.env")[0] == 0
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    one, other = (Settings(_env_file=tmp_path / name) for name in (".env", "other.env"))
    secrets = {
        getattr(settings, name).get_secret_value() for settings in (one, other) for name in Settings.SECRETS
    }
    assert len(secrets) == 2 * len(Settings.SECRETS)
    assert min(map(len, secrets)) >= 32
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600

    content = b'{"data":[]}'
    expected = hmac.new(one.hmac_secret.get_secret_value().encode(), content, hashlib.sha256).hexdigest()
    assert command(tmp_path, "sign", "-", stdin=content) == (0, f"{expected}\n", "")


def test_init_leaves_a_file_that_is_there_as_it_is(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("HMAC_SECRET=mine\n")
    assert command(tmp_path, "init") == (0, ".env is there already: left as it is.\n", "")
    assert (tmp_path / ".env").read_text() == "HMAC_SECRET=mine\n"


def test_sign_prints_the_signature_of_the_exact_bytes(tmp_path: Path) -> None:
    content = body(delivered(channelStatusDescription="it’s")) + b"\xff\0\r\n \n\n"
    expected = hmac.new(HMAC_SECRET.encode(), content, hashlib.sha256).hexdigest()
    (tmp_path / "body").write_bytes(content)
    assert command(tmp_path, "sign", "-", stdin=content, settings=ENVIRONMENT) == (0, f"{expected}\n", "")
    assert command(tmp_path, "sign", "body", settings=ENVIRONMENT) == (0, f"{expected}\n", "")


def test_a_database_is_migrated_served_asked_and_read(tmp_path: Path, empty_database: str) -> None:
    database = {"DATABASE_URL": empty_database}
    for _ in range(2):
        told = f"The database is at revision {head()}.\n"
        assert command(tmp_path, "migrate", settings=database) == (0, told, "")

    with running(tmp_path, DATABASE_URL=empty_database) as service:
        address = f"http://127.0.0.1:{service.port}"
        assert command(tmp_path, "health", "--url", f"{address}/") == (0, f"{address}/: ready\n", "")

        content = body(delivered("m"))
        _, signature, _ = command(tmp_path, "sign", "-", stdin=content, settings=ENVIRONMENT)
        for _ in range(2):
            answer = httpx.post(
                f"{address}/api/status/create",
                content=content,
                headers={"x-api-key": NOTIFY_API_KEY, "x-hmac-sha256-signature": signature.strip()},
            )
            assert (answer.status_code, answer.json()) == (200, {"status": "success"})

        code, drawn, complaints = command(tmp_path, "timeline", "m", settings=database)
        assert (code, complaints) == (0, "")
        for seen in (
            "m  (1642109b-69eb-447f-8f97-ab70a74f5db4)",
            "2026-11-23 09:15:01.413",
            "sms",
            "● delivered",
            "● supplier delivered",
            "again",
            "message: no status, first delivered 2026-11-23 09:15:01.413",
        ):
            assert seen in drawn, drawn

        execute(empty_database, "UPDATE alembic_version SET version_num = '0000'")
        told = f"{address}: not ready (migrations missing)\n"
        assert command(tmp_path, "health", "--url", address) == (1, told, "")


def test_the_timeline_of_an_unknown_message_is_an_error(tmp_path: Path, database_url: str) -> None:
    asked = "unknown" * 20
    code, told, complaints = command(tmp_path, "timeline", asked, settings={"DATABASE_URL": database_url})
    assert (code, told) == (1, "")
    assert complaints == f"The ledger holds nothing of message '{asked}'.\n"


def test_a_key_is_shown_once_listed_by_its_id_and_revoked(tmp_path: Path, database_url: str) -> None:
    database = {"DATABASE_URL": NOWHERE, "MIGRATION_DATABASE_URL": database_url}
    scopes = ("--scope", "statuses:read", "--scope", "batches:write")
    code, told, notes = command(tmp_path, "keys", "create", "--name", "clinic", *scopes, settings=database)
    assert code == 0
    assert re.fullmatch(r"slk_[0-9a-f]{16}_[\w-]{43}\n", told), (
        "the key, and nothing that a script must cut off"
    )
    key, key_id = told.strip(), told.split("_")[1]
    assert f"Key {key_id} of client clinic" in notes
    assert "not shown again" in notes

    code, listed, complaints = command(tmp_path, "keys", "list", settings=database)
    assert (code, complaints) == (0, "")
    for shown in (key_id, "clinic", "batches:write", "statuses:read"):
        assert shown in listed

    revoked = [command(tmp_path, "keys", "revoke", given, settings=database) for given in (key_id, key)]
    assert [(code, told) for code, told, _ in revoked] == [(0, ""), (0, "")]
    assert "is revoked" in revoked[0][2]
    assert "was revoked at" in revoked[1][2]
    assert key[-43:] not in notes + listed + str(revoked)


@pytest.mark.slow
def test_an_issued_key_opens_every_worker_of_a_running_service_until_it_is_revoked(
    tmp_path: Path, database_url: str
) -> None:
    database = {"DATABASE_URL": database_url}
    with running(tmp_path, workers=2, DATABASE_URL=database_url) as service:

        def all_answer(told: int, key: str) -> bool:
            with ThreadPoolExecutor(max_workers=8) as pool:
                address, headers = f"http://127.0.0.1:{service.port}/api/statuses", {"x-api-key": key}
                answers = pool.map(lambda _: httpx.get(address, headers=headers, timeout=30), range(40))
                return {answer.status_code for answer in answers} == {told}

        create = ("keys", "create", "--name", "clinic", "--scope", "statuses:read")
        _, told, _ = command(tmp_path, *create, settings=database)
        key, deadline = told.strip(), time.monotonic() + 60
        while not all_answer(200, key):
            assert time.monotonic() < deadline
        command(tmp_path, "keys", "revoke", key.split("_")[1], settings=database)
        while not all_answer(401, key):
            assert time.monotonic() < deadline
        assert all_answer(200, CLIENT_API_KEY)
    assert key[-43:] not in service.log.read_text()


@pytest.mark.slow
def test_every_foreseen_error_is_one_line_and_no_traceback(
    tmp_path: Path, empty_database: str, database_url: str
) -> None:
    serve = ("serve", "--port", str(free_port()))
    unmigrated, unreachable = {"DATABASE_URL": empty_database}, {"DATABASE_URL": NOWHERE}
    malformed, migrated = {"DATABASE_URL": "marked-password"}, {"DATABASE_URL": database_url}
    unresolved = {"HMAC_SECRET": "@Microsoft.KeyVault(SecretUri=https://marked-password.test)"}
    expected: list[tuple[tuple[str, ...], dict[str, str], str]] = [
        (serve, migrated | without("HMAC_SECRET"), "HMAC_SECRET is not set"),
        (serve, migrated | ENVIRONMENT | unresolved, "HMAC_SECRET is a Key Vault reference"),
        (serve, unmigrated | ENVIRONMENT, "migrations are at nothing"),
        (serve, unreachable | ENVIRONMENT, "The database cannot be reached"),
        (("sign", "-"), without("HMAC_SECRET"), "HMAC_SECRET is not set"),
        (("timeline", "m"), unmigrated, "migrations are at nothing"),
        (("timeline", "m"), unreachable, "The database cannot be reached"),
        (("keys", "list"), unmigrated, "migrations are at nothing"),
        (("keys", "list"), unreachable, "The database cannot be reached"),
        (("keys", "revoke", "marked-password"), migrated, "No key has this id."),
        (
            ("keys", "create", "--name", "A", "--scope", "audit:read"),
            migrated,
            "The name of a key or a client",
        ),
        (
            ("keys", "create", "--name", "notify", "--scope", "audit:read"),
            migrated,
            "A key cannot be made for",
        ),
        (("migrate",), unreachable, "The database cannot be reached"),
        (("migrate",), malformed, "DATABASE_URL is not a PostgreSQL URL"),
        (("migrate", "9999"), migrated, "The database cannot be migrated: Can't locate revision"),
        (("health", "--url", "http://127.0.0.1:1"), {}, "http://127.0.0.1:1: no answer (ConnectError)"),
    ]
    for words, settings, complaint in expected:
        run = typed if "serve" in words else command  # a service configures the log of its process
        code, told, complaints = run(tmp_path, *words, settings=settings)
        assert (code, told) == (1, ""), (words, complaints)
        assert complaints.count("\n") == 1, complaints
        assert complaint in complaints, words
        assert "marked-password" not in complaints
