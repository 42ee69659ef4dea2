"""`status-ledger erase`, as an operator types it."""

import asyncio
import json
import os
import pwd
from typing import Any

import httpx
import psycopg
import pytest
from typer.testing import CliRunner, Result

from ledger.cli import app as command_line
from ledger.settings import Settings
from projections.refold import REBUILD_LOCK
from tests.support.database import execute
from tests.support.refused import refused
from tests.support.supplier import body, delivered, signed

ME = pwd.getpwuid(os.geteuid()).pw_name
M, OTHER = "2WL3qFTEFM0qMY8xjRbt1LIKCzM", "35FCkhQeHYEbnoeuzI6PUmyNtlA"
WHY = ("--reason", "asked by the patient", "--legal-basis", "UK GDPR art. 17")


async def erase(*words: str, stdin: str | None = None, message: str = M) -> Result:
    runner = CliRunner(env={"COLUMNS": "200"})
    arguments = ["erase", "--message", message, *WHY, *words]
    return await asyncio.to_thread(runner.invoke, command_line, arguments, input=stdin)


async def record(client: httpx.AsyncClient, *items: dict[str, Any]) -> str:
    content = body(*items)
    answer = await client.post("/api/status/create", content=content, headers=signed(content))
    assert answer.status_code == 200
    return answer.headers["x-request-id"]


def events(url: str) -> int:
    ((number,),) = execute(url, f"SELECT count(*) FROM events WHERE message_id = '{M}'")  # noqa: S608 - our own words
    assert isinstance(number, int)
    return number


async def test_it_is_erased_once_and_said_to_be_erased_already_after_that(
    client: httpx.AsyncClient, database_url: str
) -> None:
    entry = await record(client, delivered(M))
    told = await erase("--yes", "--as", "alice")
    assert (told.exit_code, told.stderr) == (0, "")
    lines = told.stdout.splitlines()
    assert [line.split(None, 1) for line in lines[:5]] == [
        ["1", "entries, blanked"],
        ["1", "events, deleted"],
        ["0", "repeats, deleted"],
        ["0", "registrations, deleted"],
        ["0", "requests in quarantine, blanked"],
    ]
    assert lines[5].strip() == f"entry {entry}"
    ((erasure_id, said),) = execute(database_url, "SELECT entry_id, body FROM entries WHERE kind = 'erasure'")
    assert isinstance(said, bytes)
    assert lines[6] == f"Erased. Entry {erasure_id} says so."
    assert "Backups" in lines[7], "what cannot be reached is said"
    assert json.loads(said)["by"] == f"alice ({ME})"
    assert events(database_url) == 0

    told = await erase("--yes")
    assert (told.exit_code, told.stdout) == (0, "Erased already, and nothing came since.\n")
    assert execute(database_url, "SELECT actor, database_login FROM acts") == [(f"alice ({ME})", "postgres")]


async def test_a_dry_run_says_what_would_go(client: httpx.AsyncClient, database_url: str) -> None:
    entry = await record(client, delivered(M))
    quarantined = await refused(client, 403, body(delivered(M, key="2")))
    told = await erase("--dry-run")
    assert told.exit_code == 0
    assert told.stdout.startswith("Nothing was erased. An erasure would reach:\n")
    for seen in (f"entry {entry}", f"quarantined request {quarantined}", "Backups"):
        assert seen in told.stdout
    assert events(database_url) == 1


async def test_it_asks_first(client: httpx.AsyncClient, database_url: str) -> None:
    await record(client, delivered(M))
    told = await erase(stdin="n\n")
    assert (told.exit_code, events(database_url)) == (1, 1)
    assert f"Erase all this of '{M}' for good? [y/N]" in told.stderr
    assert "1  entries, blanked" in told.stdout
    told = await erase(stdin="y\n")
    assert (told.exit_code, events(database_url)) == (0, 0)


async def test_what_the_ledger_does_not_hold_is_said(service_settings: Settings) -> None:
    del service_settings
    for words in (("--yes",), ("--dry-run",), ()):
        told = await erase(*words, message="nobody")
        assert (told.exit_code, told.stdout) == (1, "")
        assert told.stderr == "The ledger holds nothing of message 'nobody'.\n"


@pytest.mark.parametrize("words", [("--yes",), ("--dry-run",), ()])
async def test_other_messages_are_named_and_kept_unless_they_are_meant(
    client: httpx.AsyncClient, database_url: str, words: tuple[str, ...]
) -> None:
    both = await record(client, delivered(M, key="m"), delivered(OTHER, key="o"))
    told = await erase(*words)
    assert (told.exit_code, events(database_url)) == (1, 1)
    assert f"entry {both}, which carries also '{OTHER}'" in told.stdout
    assert "Nothing was erased: what carries other messages too goes with --whole-entry alone." in told.stderr
    told = await erase(*words, "--whole-entry", stdin="y\n")
    assert (told.exit_code, events(database_url)) == (0, 1 if "--dry-run" in words else 0)
    assert OTHER in told.stdout


async def test_what_is_in_the_way_is_said_in_one_line(client: httpx.AsyncClient, database_url: str) -> None:
    await record(client, delivered(M))
    with psycopg.connect(database_url) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s)", [REBUILD_LOCK])
        told = await erase("--yes")
        other.rollback()
    assert (told.exit_code, told.stdout) == (1, "")
    assert told.stderr.endswith("a rebuild is running\n")


@pytest.mark.parametrize("missing", ["--message", "--reason", "--legal-basis"])
async def test_nothing_is_erased_without_a_reason_and_a_legal_basis(
    service_settings: Settings, missing: str
) -> None:
    del service_settings
    words = ["erase", "--message", M, *WHY, "--yes"]
    at = words.index(missing)
    told = await asyncio.to_thread(CliRunner().invoke, command_line, words[:at] + words[at + 2 :])
    assert told.exit_code == 2
    words[at + 1] = "\udcff"
    told = await asyncio.to_thread(CliRunner().invoke, command_line, words)
    assert told.exit_code == 2
