"""`status-ledger timeline` and `status-ledger entry`, as an auditor types them."""

import asyncio
import json

import httpx
import pytest
from typer.testing import CliRunner, Result

from ledger.cli import app as command_line
from tests.support.clients import register
from tests.support.database import execute
from tests.support.supplier import AUDITOR_API_KEY, body, delivered, item, signed

KEY = {"x-api-key": AUDITOR_API_KEY}


async def command(*words: str) -> Result:
    """Run a command under the settings of the environment, on a wide terminal."""
    return await asyncio.to_thread(CliRunner(env={"COLUMNS": "200"}).invoke, command_line, words)


async def post(client: httpx.AsyncClient, content: bytes, answered: int = 200) -> str:
    """Post a callback and return the id of its entry."""
    answer = await client.post("/api/status/create", content=content, headers=signed(content))
    assert answer.status_code == answered
    return answer.headers["x-request-id"]


@pytest.fixture
async def told(client: httpx.AsyncClient, database_url: str) -> str:
    """A message that fell back from the app to SMS, told out of order; the entry of what came late."""
    register(database_url, "client", "r", batch="batch-7")
    reached = delivered("m", key="1", reference="r", timestamp="2026-11-23T10:00:00Z")
    await post(client, body(reached))
    failed = item(
        "m",
        key="2",
        reference="r",
        channel="nhsapp",
        channelStatus="failed",
        channelFailureReasonCode="CFR_1",
        timestamp="2026-11-23T09:00:00Z",
    )
    late = await post(client, body(failed))
    await post(client, body(reached))
    await post(client, body(item("m", reference="\x1b[2J", channel="sms", channelStatus="odd")), 422)
    return late


async def test_a_timeline_is_drawn_with_a_lane_for_each_channel(told: str) -> None:
    done = await command("timeline", "m")
    assert done.exit_code == 0, done.output
    heading = next(line for line in done.stdout.splitlines() if "effective" in line)
    lanes = [cell.strip() for cell in heading.strip("┃").split("┃")]
    assert lanes == ["effective (UTC)", "message", "nhsapp", "sms", "notes"]
    lines = {
        line.split("│")[1].strip(): line for line in done.stdout.splitlines() if line.startswith("│ 2026")
    }
    late = lines["2026-11-23 09:00:00.000"].split("│")
    assert late[3].strip() == "● failed (CFR_1)"
    assert "late: recorded" in late[-2]
    for seen in (
        "m  (r)",
        "registered",
        "by client in batch batch-7",
        "● delivered",
        "again",
        "refused",
        "422 data[0].attributes.channelStatus: 'odd'",
        "sms: channel delivered, supplier delivered, first delivered 2026-11-23 10:00:00.000",
        "nhsapp: channel failed, first failed 2026-11-23 09:00:00.000",
    ):
        assert seen in done.stdout, seen
    assert "\x1b" not in done.stdout
    assert told in (await command("timeline", "m", "--json")).stdout


async def test_a_cut_is_drawn_as_it_was_known_and_as_of(told: str) -> None:
    done = await command("timeline", "m", "--as-of", "2026-11-23 09:30:00")
    assert "as of 2026-11-23 09:30:00.000" in done.stdout
    assert "nhsapp: channel failed" in done.stdout
    assert "delivered" not in done.stdout
    done = await command("timeline", "m", "--known-at", "2026-01-01")
    assert (done.exit_code, "The ledger knew nothing of this message." in done.stdout) == (0, True)
    done = await command("timeline", "m", "--known-at", "yesterday")
    assert (done.exit_code, "known_at: must be a date" in done.stderr) == (1, True)
    assert told


async def test_the_json_of_a_timeline_is_the_answer_of_the_api(client: httpx.AsyncClient, told: str) -> None:
    answer = await client.get("/api/messages/m/timeline", headers=KEY)
    done = await command("timeline", "--reference", "r", "--json")
    assert json.loads(done.stdout) == answer.json()
    assert told in done.stdout


async def test_every_message_of_a_reference_is_drawn_and_pages_go_on(
    client: httpx.AsyncClient, told: str
) -> None:
    await post(client, body(delivered("n", key="3", reference="r")))
    done = await command("timeline", "--reference", "r")
    assert [name for name in ("m  (r)", "n  (r)") if name in done.stdout] == ["m  (r)", "n  (r)"]
    first = await command("timeline", "m", "--limit", "3")
    cursor = first.stdout.rpartition("--cursor ")[2].strip()
    rest = await command("timeline", "m", "--limit", "3", "--cursor", cursor)
    drawn = [line for page in (first, rest) for line in page.stdout.splitlines() if line.startswith("│ 2026")]
    whole = await command("timeline", "m")
    assert len(drawn) == sum(line.startswith("│ 2026") for line in whole.stdout.splitlines()) == 5
    assert told


async def test_what_is_asked_of_nothing_is_told_in_one_line(database_url: str, told: str) -> None:
    done = await command("timeline", "--reference", "nobody's")
    assert (done.exit_code, done.stderr) == (
        1,
        'The ledger holds nothing of a message with reference "nobody\'s".\n',
    )
    assert (await command("timeline")).exit_code == 2
    assert (await command("timeline", "m", "--reference", "r")).exit_code == 2
    done = await command("entry", "nonsense")
    assert (done.exit_code, done.stderr) == (1, "The ledger has no entry 'nonsense'.\n")
    assert told
    assert database_url


async def test_an_entry_is_shown_as_evidence(client: httpx.AsyncClient, database_url: str, told: str) -> None:
    done = await command("entry", told)
    assert done.exit_code == 0
    for seen in (told, "callback of notify", "not sealed yet", "verified: the secret", '"messageId": "m"'):
        assert seen in done.stdout, seen
    assert "event" in done.stdout
    kept = execute(database_url, f"SELECT body FROM entries WHERE entry_id = '{told}'")[0][0]  # noqa: S608 - an id
    assert (await command("entry", told, "--raw")).stdout_bytes == kept
    answer = await client.get(f"/api/entries/{told}", headers=KEY)
    assert json.loads((await command("entry", told, "--json")).stdout) == answer.json()


async def test_an_entry_that_was_tampered_with_says_so_and_exits_1(database_url: str, told: str) -> None:
    execute(
        database_url,
        "ALTER TABLE entries DISABLE TRIGGER append_only",
        "UPDATE entries SET body = body || ' '::bytea",
        "ALTER TABLE entries ENABLE ALWAYS TRIGGER append_only",
    )
    done = await command("entry", told)
    assert (done.exit_code, "WRONG" in done.stdout) == (1, True)
