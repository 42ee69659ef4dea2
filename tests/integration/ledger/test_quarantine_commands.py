"""`status-ledger quarantine`, as an operator types it, on what a service has refused."""

import asyncio
import json
import os
import pwd
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import pytest
from asgi_lifespan import LifespanManager
from typer.testing import CliRunner, Result

from ingest import vocabulary
from ledger.app import create_app
from ledger.cli import app as command_line
from ledger.settings import Settings
from tests.support.database import execute
from tests.support.refused import MENDED_SECRET, held, refused
from tests.support.supplier import CLIENT_API_KEY, HMAC_SECRET, body, delivered, signed

ME = pwd.getpwuid(os.geteuid()).pw_name


async def command(*words: str, stdin: str | None = None) -> Result:
    """Run a command of `quarantine` under the settings of the environment."""
    runner = CliRunner(env={"COLUMNS": "200"})
    return await asyncio.to_thread(runner.invoke, command_line, ["quarantine", *words], input=stdin)


@pytest.fixture
def mended(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Mends the secret of the commands to come, when it is called."""

    def mend() -> None:
        monkeypatch.setenv("HMAC_SECRET", MENDED_SECRET)
        monkeypatch.setenv("HMAC_SECRET_PREVIOUS", HMAC_SECRET)

    return mend


async def records(client: httpx.AsyncClient, **filters: str) -> list[dict[str, Any]]:
    answer = await client.get("/api/statuses", params=filters, headers={"x-api-key": CLIENT_API_KEY})
    assert answer.status_code == 200
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


# What the issue asks to see ---------------------------------------------------------------------------


@asynccontextmanager
async def served(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """Serve the application under these settings, in process."""
    application = create_app(settings)
    transport = httpx.ASGITransport(application, raise_app_exceptions=False)
    async with (
        LifespanManager(application, startup_timeout=30, shutdown_timeout=30),
        httpx.AsyncClient(transport=transport, base_url="http://ledger.test") as session,
    ):
        yield session


async def test_500_callbacks_refused_under_a_wrong_secret_are_all_recorded_once_it_is_mended(
    service_settings: Settings, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert service_settings.hmac_secret.get_secret_value() == HMAC_SECRET
    monkeypatch.setenv("HMAC_SECRET", "the wrong one")
    expected = {f"m-{n}": ("nhsapp", "email", "sms")[n % 3] for n in range(500)}
    contents = [
        body(delivered(message, key=f"key-{message}", channel=channel, timestamp=None))
        for message, channel in expected.items()
    ]
    began = datetime.now(UTC)
    async with served(Settings.load()) as client:
        answers = await asyncio.gather(
            *(client.post("/api/status/create", content=one, headers=signed(one)) for one in contents)
        )
        ended = datetime.now(UTC)
        assert [answer.status_code for answer in answers] == [403] * 500
        assert await records(client) == []
    received = sorted(execute(database_url, "SELECT quarantine_id::text, received_at FROM quarantine"))
    assert len(received) == 500

    monkeypatch.setenv("HMAC_SECRET", HMAC_SECRET)
    told = await command("replay", "--all", "--as", "alice", "--reason", "HMAC_SECRET was wrong for a minute")
    assert (told.exit_code, told.stdout.split()) == (
        0,
        "500 recorded (500 events, 0 repeats, 0 conflicts)".split(),
    )
    async with served(Settings.load()) as client:
        found = await records(client)
    assert {record["message_id"]: record["channel"] for record in found} == expected
    assert {record["channelStatus"] for record in found} == {"delivered"}
    for record in found:
        assert began <= datetime.fromisoformat(record["occurredAt"]) <= ended
        assert datetime.fromisoformat(record["created_at"]) > ended
    assert sorted(execute(database_url, "SELECT replays::text, received_at FROM entries")) == received
    assert held(database_url) == (0, 0)
    assert execute(database_url, "SELECT DISTINCT actor, act, outcome, reason FROM acts") == [
        (f"alice ({ME})", "quarantine.replay", "recorded", "HMAC_SECRET was wrong for a minute")
    ]

    again = await command("replay", "--all")
    assert (again.exit_code, again.stdout) == (0, "Nothing of the kind waits.\n")


async def test_an_unknown_supplier_status_is_kept_and_recorded_once_it_is_known(
    client: httpx.AsyncClient, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry_id = await refused(client, 422)
    told = await command("replay", "--all")
    assert (told.exit_code, told.stdout.splitlines()[0].split()) == (1, ["1", "still", "refused"])
    assert "'teleported' is not one of" in told.stdout
    assert await records(client) == []

    monkeypatch.setattr(vocabulary, "SUPPLIER_STATUSES", (*vocabulary.SUPPLIER_STATUSES, "teleported"))
    told = await command("replay", "--rejection", "'teleported' is not one of")
    assert (told.exit_code, told.stdout.split()[:2]) == (0, ["1", "recorded"])
    (record,) = await records(client, supplierStatus="teleported")
    assert record["message_id"] == "2WL3qFTEFM0qMY8xjRbt1LIKCzM"
    assert execute(
        database_url,
        "SELECT entry_id, rejection IS NOT NULL, replays FROM entries ORDER BY rejection IS NULL",
    )[0] == (entry_id, True, None)

    told = await command("replay", str(entry_id))
    assert (told.exit_code, told.stdout.split()) == (0, ["1", "already", "replayed"])


# Each command -----------------------------------------------------------------------------------------


async def test_list_shows_what_waits_and_how_full_the_quarantine_is(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = await command("list")
    assert told.stdout == "The quarantine holds 0 of 100,000 requests, 0 bytes of 1.1 GB.\n"
    ids = {answer: await refused(client, answer) for answer in (401, 403, 422)}
    monkeypatch.setenv("QUARANTINE_MAX_REQUESTS", "2")
    told = await command("list")
    assert told.exit_code == 0
    for answer, refusal_id in ids.items():
        (line,) = (line for line in told.stdout.splitlines() if str(refusal_id) in line)
        assert f" {answer} " in line
        assert " waiting " in line
    assert "The quarantine holds 2 of 2 requests" in told.stdout
    assert "It is full: what would go there is answered 429." in told.stdout

    for filters, expected in (
        (("--answer", "403"), [403]),
        (("--answer", "401", "--answer", "422"), [422, 401]),
        (("--rejection", "supplierStatus: 'teleported'"), [422]),
        (("--since", "2999-01-01"), []),
        (("--until", "2000-01-01T00:00:00Z"), []),
        (("--since", "2000-01-01", "--until", "2999-01-01"), [422, 403, 401]),
        (("--limit", "2"), [422, 403]),
    ):
        told = await command("list", "--json", *filters)
        lines = [json.loads(line) for line in told.stdout.splitlines()]
        assert [line["answer"] for line in lines] == expected, filters
    (newest,) = (await command("list", "--json", "--limit", "1")).stdout.splitlines()
    assert json.loads(newest).keys() == {
        *("refusal_id", "received_at", "answer", "secret_id", "bytes", "reason", "state", "settled_at")
    }
    assert "These are the newest 2; there are more" in (await command("list", "--limit", "2")).stdout


async def test_settled_ones_are_listed_when_asked_for(client: httpx.AsyncClient) -> None:
    quarantined = await refused(client, 401)
    assert (await command("replay", str(quarantined))).exit_code == 0
    assert (await command("list", "--json")).stdout == ""
    (line,) = (await command("list", "--json", "--all-states")).stdout.splitlines()
    assert (json.loads(line)["refusal_id"], json.loads(line)["state"]) == (str(quarantined), "replayed")


async def test_show_tells_one_of_them_whole_before_and_after(client: httpx.AsyncClient, mended: Any) -> None:
    content = body(delivered("m", channelStatusDescription="the patient’s"))
    quarantined = await refused(client, 403, content)
    told = await command("show", str(quarantined))
    assert told.exit_code == 0
    for seen in ("403", "signature still wrong", "waiting", '"messageId": "m"', r"the patient\u2019s"):
        assert seen in told.stdout
    mended()
    assert "a replay would record it" in (await command("show", str(quarantined))).stdout
    await command("replay", str(quarantined), "--as", "alice")
    told = await command("show", str(quarantined))
    for seen in ("replayed by", f"quarantine.replay by alice ({ME}): recorded", '"messageId": "m"'):
        assert seen in told.stdout
    assert (await command("show", "--raw", str(quarantined))).stdout_bytes == content

    told = await command("show", str(UUID(int=1)))
    assert (told.exit_code, told.stdout) == (1, "")
    assert told.stderr == f"{UUID(int=1)}: neither quarantined nor refused.\n"


async def test_a_dry_run_says_what_a_replay_would_do_and_writes_nothing(
    client: httpx.AsyncClient, database_url: str, mended: Any
) -> None:
    for answer in (401, 403, 422):
        await refused(client, answer)
    mended()
    tables = ("entries", "quarantine", "quarantine_usage", "acts")
    before = [execute(database_url, f"TABLE {table}") for table in tables]
    told = await command("replay", "--all", "--dry-run")
    assert told.exit_code == 1
    lines = [line.split() for line in told.stdout.splitlines()]
    assert lines[0] == "Nothing was written. A replay would tell:".split()
    assert lines[1:3] == [["2", "recorded"], ["1", "still", "refused"]]
    assert [execute(database_url, f"TABLE {table}") for table in tables] == before


async def test_replay_takes_filters_and_leaves_the_rest(client: httpx.AsyncClient, mended: Any) -> None:
    for answer in (401, 403, 422):
        await refused(client, answer)
    mended()
    assert (await command("replay", "--answer", "403", "--since", "2000-01-01")).exit_code == 0
    lines = (await command("list", "--json")).stdout.splitlines()
    assert [json.loads(line)["answer"] for line in lines] == [422, 401]


async def test_more_than_a_batch_is_replayed_batch_by_batch(
    client: httpx.AsyncClient, database_url: str, mended: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(7):
        await refused(client, 403, body(delivered(f"m-{number}", key=f"key-{number}")))
    monkeypatch.setattr("ingest.refusals.BATCH_REQUESTS", 3)
    mended()
    told = await command("replay", "--all")
    assert (told.exit_code, told.stdout.split()[:2]) == (0, ["7", "recorded"])
    assert execute(database_url, "SELECT count(*), count(DISTINCT transaction_id::text) FROM entries") == [
        (7, 3)
    ]


async def test_discard_asks_first_and_takes_a_reason(client: httpx.AsyncClient, database_url: str) -> None:
    quarantined, entry_id = await refused(client, 403), await refused(client, 422)
    assert (await command("discard", "--all")).exit_code == 2, "without a reason"
    told = await command("discard", "--all", "--reason", "a drill", stdin="n\n")
    assert (told.exit_code, held(database_url)[0]) == (1, 1)
    assert "Discard 1 for good? [y/N]" in told.stderr

    told = await command("discard", "--all", "--reason", "a drill", "--as", "alice", stdin="y\n")
    assert (told.exit_code, told.stdout.split()[-2:]) == (0, ["1", "discarded"])
    assert held(database_url) == (0, 0)
    assert execute(database_url, "SELECT subject, actor, act, reason FROM acts") == [
        (str(quarantined), f"alice ({ME})", "quarantine.discard", "a drill")
    ]
    told = await command("discard", str(entry_id), str(quarantined), "--reason", "a drill", "--yes")
    assert told.exit_code == 1
    assert "1  already discarded" in told.stdout
    assert "1  an entry of the ledger, which is never discarded" in told.stdout
    shown = (await command("show", str(quarantined))).stdout
    assert "quarantine.discard by alice" in shown
    assert "(no bytes are kept)" in shown


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("replay",), "name ids, or filters, or --all: one of the three"),
        (("replay", "--all", "--answer", "403"), "one of the three"),
        (("replay", str(UUID(int=1)), "--all"), "one of the three"),
        (("replay", "not-an-id"), "valid UUID"),
        (("list", "--answer", "404"), "must be one of 401, 403, 422"),
        (("list", "--since", "yesterday"), "neither a date"),
        (("list", "--rejection", "\x1b[31m"), "must be printable text"),
        (("replay", "--all", "--as", " "), "must be printable text"),
        (("discard", "--reason", "r"), "one of the three"),
        (("discard", "--reason", "\udcff", "--all"), "must be printable text"),
        (("discard", "--reason", "r", "--answer", "422"), "never discarded"),
    ],
)
async def test_what_is_typed_wrong_is_said(service_settings: Settings, words: Any, complaint: str) -> None:
    del service_settings
    told = await command(*words)
    assert (told.exit_code, told.stdout) == (2, "")
    assert complaint in " ".join(told.stderr.replace("│", " ").split())


async def test_where_a_commit_could_be_lost_nothing_is_settled(
    service_settings: Settings, database_url: str
) -> None:
    del service_settings
    off = "'ALTER DATABASE %I SET synchronous_commit = off', current_database()"
    execute(database_url, f"DO $$ BEGIN EXECUTE format({off}); END $$")
    told = await command("replay", "--all")
    assert told.exit_code == 1
    assert "synchronous_commit is off" in told.stderr
