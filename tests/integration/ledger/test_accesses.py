"""Who looked is logged before anything is shown: every route and every command that shows, and no other."""

import asyncio
import json
import os
import pwd
import re
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from typer.main import get_command
from typer.testing import CliRunner, Result

from eventstore.accesses import identifier
from eventstore.caller import Scope
from ledger.app import StatusLedger
from ledger.cli import app as command_line
from tests.support.client import NHS_NUMBER
from tests.support.clients import issued
from tests.support.database import execute
from tests.support.refused import refused
from tests.support.routes import RULES
from tests.support.sealing import KEY
from tests.support.supplier import AUDITOR_API_KEY, CLIENT_API_KEY, body, delivered, signed
from tests.unit.ledger.test_readme import commands_of

ME = pwd.getpwuid(os.geteuid()).pw_name
AUDITOR = {"x-api-key": AUDITOR_API_KEY}
M = "2WL3qFTEFM0qMY8xjRbt1LIKCzM"
TIMELINE = "/api/messages/{}/timeline"

LOGGED: dict[str, tuple[str, ...]] = {
    "timeline": (M,),
    "entry": (str(UUID(int=1)),),
    "entries": (),
    "report delivery": ("batch",),
    "report overdue": (),
    "export statuses": ("--out", "-"),
    "export events": ("--out", "-"),
    "audit proof": (str(UUID(int=1)),),
    "audit export-bundle": ("bundle",),
    "audit verify": ("--key", str(KEY.verifying("ledger.test/status-ledger")), "--anchors", "."),
    "quarantine show": (str(UUID(int=1)),),
    "quarantine replay": ("--all",),
    "erase": ("--message", M, "--reason", "r", "--legal-basis", "b", "--dry-run"),
}
"""Commands that show or touch what the ledger holds of a message, with the words of a run."""

NOT_LOGGED = {
    "init": "the ledger is not opened",
    "sign": "the ledger is not opened",
    "health": "the ledger is not opened",
    "simulate": "reads as a client does, through the API",
    "migrate": "shows nothing",
    "serve": "its routes log",
    "verify": "tells where the read model is wrong",
    "rebuild": "tells where the read model is wrong",
    "keys create": "no message's",
    "keys list": "no message's",
    "keys revoke": "no message's",
    "quarantine list": "ids, sizes and reasons, no bodies",
    "quarantine discard": "an act, which is logged as such",
    "accesses list": "the log itself",
    "seal": "shows no message's",
    "rebase": "shows no message's",
    "public-key": "no message's",
    "audit verify-proof": "reads a file",
}
"""The others, with the reason. A new command fails the test until it stands in one of the two."""


def logged(url: str, what: str = "access, subject") -> list[tuple[object, ...]]:
    return execute(url, f"SELECT {what} FROM access_log ORDER BY accessed_at, access_id")  # noqa: S608 - our own words


async def command(*words: str) -> Result:
    runner = CliRunner(env={"COLUMNS": "200"})
    return await asyncio.to_thread(runner.invoke, command_line, [*words])


async def recorded(client: httpx.AsyncClient, message_id: str = M) -> None:
    content = body(delivered(message_id))
    assert (await client.post("/api/status/create", content=content, headers=signed(content))).is_success


# Routes


@pytest.mark.parametrize("route", sorted(RULES))
async def test_a_route_is_logged_if_it_is_the_auditors(
    client: httpx.AsyncClient, database_url: str, route: str
) -> None:
    key = await issued(database_url, "clinic", *Scope)
    method, path = re.sub(r"\{\w+\}", str(UUID(int=1)), route).split(" ")
    answer = await client.request(method, path, headers={"x-api-key": key})
    expected = [route] if RULES[route] == Scope.AUDIT_READ else []
    assert [access for access, _ in logged(database_url)] == expected, answer.status_code


async def test_the_log_tells_who_what_when_and_from_where(
    client: httpx.AsyncClient, database_url: str
) -> None:
    await recorded(client)
    key = await issued(database_url, "audits", Scope.AUDIT_READ, client="clinic")
    before = execute(database_url, "SELECT clock_timestamp()")[0][0]
    claimed = {"x-forwarded-for": "203.0.113.7", "forwarded": "for=203.0.113.7", "x-real-ip": "203.0.113.7"}
    for sent in (AUDITOR, {"x-api-key": key}):
        answer = await client.get(
            TIMELINE.format(M),
            params={"known_at": "2026-11-23", "secret": "the patient"},
            headers=sent | claimed,
        )
        assert answer.status_code in (200, 422)  # as the route takes such a parameter or not
    route = "GET /api/messages/{message_id}/timeline"
    detail = {"known_at": "2026-11-23", "secret": None}
    assert logged(database_url, "actor, key_id, peer, database_login, access, subject, detail") == [
        ("auditor", None, "127.0.0.1", "postgres", route, M, detail),
        ("clinic", key.split("_")[1], "127.0.0.1", "postgres", route, M, detail),
    ]
    for (at,) in logged(database_url, "accessed_at"):
        assert at >= before  # type: ignore[operator] # both are times


async def test_who_is_not_let_in_is_not_in_the_log(client: httpx.AsyncClient, database_url: str) -> None:
    for key in ("unknown", CLIENT_API_KEY):
        assert (await client.get(TIMELINE.format(M), headers={"x-api-key": key})).status_code == 401
    assert logged(database_url) == []


async def test_who_looked_in_vain_is_in_the_log(client: httpx.AsyncClient, database_url: str) -> None:
    assert (await client.get(TIMELINE.format("nobody"), headers=AUDITOR)).status_code == 404
    assert logged(database_url) == [("GET /api/messages/{message_id}/timeline", "nobody")]


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE access_log RENAME TO elsewhere",
        "REVOKE INSERT ON access_log FROM ledger_service",
        "ALTER TABLE access_log ADD CONSTRAINT full_up CHECK (false) NOT VALID",
    ],
)
async def test_who_cannot_be_logged_is_shown_nothing(
    client: httpx.AsyncClient, database_url: str, change: str
) -> None:
    await recorded(client)
    if change.startswith("REVOKE"):  # which was granted column by column
        change = "REVOKE ALL ON access_log FROM ledger_service"
    execute(database_url, change)
    answer = await client.get(TIMELINE.format(M), headers=AUDITOR)
    assert (answer.status_code, answer.json()) == (500, {"status": "error"})
    told = await command("timeline", M)
    assert (told.exit_code, told.stdout) == (1, "")
    await recorded(client, "another")  # callbacks do not care


async def test_the_line_is_committed_before_the_route_runs(
    app: StatusLedger, client: httpx.AsyncClient, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    del app
    seen: list[Any] = []

    async def looking(*_: object) -> None:
        seen.extend(logged(database_url))

    monkeypatch.setattr("query.audit_routes.message_history", looking)
    await client.get(TIMELINE.format(M), headers=AUDITOR)
    assert seen == [("GET /api/messages/{message_id}/timeline", M)]


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        (NHS_NUMBER, "[NHS number]"),
        (f"{NHS_NUMBER[:3]} {NHS_NUMBER[3:6]} {NHS_NUMBER[6:]}", "[NHS number]"),
        (f"{NHS_NUMBER[:3]}-{NHS_NUMBER[3:6]}-{NHS_NUMBER[6:]}", "[NHS number]"),
        (f"of {NHS_NUMBER}!", "of [NHS number]!"),
        ("1234567890", "1234567890"),  # whose check digit is wrong
        (f"0{NHS_NUMBER}", f"0{NHS_NUMBER}"),
        (M, M),
        ("a\0b", r"a\x00b"),
        ("\ud800", r"\ud800"),
        ("état", "état"),
        ("x" * 300, "x" * 255),
    ],
)
async def test_an_identifier_is_storable_short_and_no_nhs_number(asked: str, kept: str) -> None:
    assert identifier(asked) == kept


async def test_no_nhs_number_reaches_the_log(client: httpx.AsyncClient, database_url: str) -> None:
    for path in (TIMELINE.format(NHS_NUMBER), f"{TIMELINE.format('a%00b')}?nhsNumber={NHS_NUMBER}"):
        await client.get(path, headers=AUDITOR)
    await client.get(f"{TIMELINE.format('m')}?known_at={NHS_NUMBER}&{NHS_NUMBER}", headers=AUDITOR)
    lines = logged(database_url, "access_log::text")
    assert len(lines) == 3
    assert NHS_NUMBER not in str(lines)


# Commands


def test_of_every_command_it_is_decided_whether_it_is_logged() -> None:
    assert set(commands_of(get_command(command_line))) == {*LOGGED, *NOT_LOGGED}


@pytest.mark.parametrize("name", sorted(LOGGED))
async def test_a_command_that_shows_is_logged(
    client: httpx.AsyncClient, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    await recorded(client)
    told = await command(*name.split(), *LOGGED[name])
    assert told.exit_code in (0, 1)
    ((actor, access, login),) = logged(database_url, "actor, access, database_login")
    assert (actor, access, login) == (ME, name, "postgres")


async def test_a_replay_is_logged_with_what_it_names(client: httpx.AsyncClient, database_url: str) -> None:
    ids = [str(await refused(client, answer)) for answer in (401, 403)]
    await command("quarantine", "replay", ids[0], "--as", "alice")
    await command("quarantine", "replay", *ids, "--dry-run")
    assert logged(database_url, "actor, subject, detail") == [
        (f"alice ({ME})", ids[0], {"dry_run": False}),
        (ME, None, {"dry_run": True, "ids": ids}),
    ]


async def test_the_log_is_listed_newest_first_by_filters(client: httpx.AsyncClient) -> None:
    assert (await command("accesses", "list")).stdout == "Nobody looked at anything of the kind.\n"
    for message in ("first", "second"):
        await client.get(TIMELINE.format(message), headers=AUDITOR)
    await command("timeline", "first")

    async def listed(*filters: str) -> list[tuple[str, str]]:
        told = await command("accesses", "list", "--json", *filters)
        assert told.exit_code == 0
        lines = [json.loads(line) for line in told.stdout.splitlines()]
        return [(line["access"], line["subject"]) for line in lines]

    route = "GET /api/messages/{message_id}/timeline"
    everything = [("timeline", "first"), (route, "second"), (route, "first")]
    assert await listed() == everything
    assert await listed("--limit", "1") == everything[:1]
    assert await listed("--id", "first") == [everything[0], everything[2]]
    assert await listed("--who", "audit") == everything[1:]
    assert await listed("--what", "GET") == everything[1:]
    assert await listed("--since", "2999-01-01") == await listed("--until", "2000-01-01") == []
    told = (await command("accesses", "list", "--limit", "2")).stdout
    for seen in ("auditor", ME, "second", "127.0.0.1", "These are the newest 2; there are more (--limit)."):
        assert seen in told
