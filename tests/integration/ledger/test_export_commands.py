"""`status-ledger export`, as an operator types it."""

import asyncio
import csv
import hashlib
import io
import json
import os
import pwd
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from pyarrow import parquet
from typer.main import get_group
from typer.testing import CliRunner, Result

from ledger.cli import app as command_line
from ledger.commands import export as export_commands
from ledger.parquet import ParquetFile
from query.export import EventFilters, exported_events
from query.filters import ALLOWED
from tests.integration.conftest import OwnServer
from tests.support.clients import register
from tests.support.database import at, execute, make_template
from tests.support.service import ENVIRONMENT, command_environment
from tests.support.supplier import CLIENT_API_KEY, body, item, signed

ME = pwd.getpwuid(os.geteuid()).pw_name

pytestmark = pytest.mark.usefixtures("service_settings")


async def export(*words: str, **settings: str) -> Result:
    """Run a command of `export` under the settings of the environment."""
    runner = CliRunner(env={"COLUMNS": "200", **settings})
    return await asyncio.to_thread(runner.invoke, command_line, ["export", *words])


async def tell(client: httpx.AsyncClient) -> None:
    """Tell of five messages: one by email, failed; one whose reference a spreadsheet would calculate."""
    for number in range(5):
        reference = "=1+1" if number == 4 else f"ref-{number}"
        said: dict[str, Any] = {"channel": "sms", "channelStatus": "delivered"}
        if number == 3:
            said = {"channel": "email", "channelStatus": "failed", "retryCount": 2}
        content = body(item(f"m-{number}", key=f"key-{number}", reference=reference, **said))
        answer = await client.post("/api/status/create", content=content, headers=signed(content))
        assert answer.status_code == 200


async def shown(client: httpx.AsyncClient, **filters: str) -> list[dict[str, Any]]:
    answer = await client.get("/api/statuses", params=filters, headers={"x-api-key": CLIENT_API_KEY})
    records: list[dict[str, Any]] = answer.json()["data"]
    return records


def objects(content: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content.splitlines()]


def rows(content: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content, newline=""), strict=True))


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# Statuses


async def test_statuses_are_the_records_of_the_api_in_every_format(
    client: httpx.AsyncClient, tmp_path: Path
) -> None:
    await tell(client)
    expected = await shown(client)
    for name in ("csv", "ndjson", "parquet"):
        told = await export("statuses", "--format", name, "--out", str(tmp_path / name))
        assert (told.exit_code, told.stdout) == (0, ""), told.stderr
        assert "5 statuses" in told.stderr
    assert objects((tmp_path / "ndjson").read_text()) == expected
    written = rows((tmp_path / "csv").read_bytes().decode())
    assert written[0]["message_reference"] == "'=1+1"
    assert [row["created_at"] for row in written] == [record["created_at"] for record in expected]
    table = parquet.read_table(tmp_path / "parquet")
    assert [str(kind) for kind in table.schema.types[:2]] == ["timestamp[us, tz=UTC]", "string"]
    times = ("created_at", "occurredAt", "deliveredAt", "readAt", "failedAt")
    assert table.to_pylist() == [
        {
            name: datetime.fromisoformat(value) if name in times and value else value
            for name, value in record.items()
        }
        for record in expected
    ]


@pytest.mark.parametrize(
    ("options", "filters"),
    [
        ("--channel email", {"channel": "email"}),
        ("--channel-status delivered", {"channelStatus": "delivered"}),
        ("--supplier-status read", {"supplierStatus": "read"}),
        ("--message-status sending", {"messageStatus": "sending"}),
        ("--message-id m-1", {"messageId": "m-1"}),
        ("--message-reference ref-2", {"messageReference": "ref-2"}),
        ("--batch-reference first --channel sms", {"batchReference": "first", "channel": "sms"}),
        ("--created-at 2026-01-01", {"created_at": "2026-01-01"}),
        ("--created-after 2026-01-01 --channel sms", {"createdAfter": "2026-01-01", "channel": "sms"}),
        ("--created-before 2026-01-01", {"createdBefore": "2026-01-01"}),
    ],
)
async def test_options_filter_as_the_parameters_of_the_api(
    client: httpx.AsyncClient, database_url: str, options: str, filters: dict[str, str]
) -> None:
    await tell(client)
    register(database_url, "clinic", "ref-0", "ref-3", batch="first")
    told = await export("statuses", "--format", "ndjson", "--out", "-", *options.split())
    assert told.exit_code == 0
    assert objects(told.stdout) == await shown(client, **filters)


def test_every_filter_of_the_api_is_an_option() -> None:
    """But for an NHS number: what is typed at a command line is seen in histories and lists of processes."""
    options = {option.name for option in get_group(export_commands.app).commands["statuses"].params}
    plain = {"".join(f"_{c.lower()}" if c.isupper() else c for c in name) for name in ALLOWED}
    assert plain - {"limit", "cursor"} - options == {"nhs_number"}


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["statuses", "--created-after", "yesterday"], "createdAfter: must be a date"),
        (["events", "--recorded-after", "yesterday"], "neither a date"),
        (["statuses", "--format", "xlsx"], "'xlsx' is not one of"),
    ],
)
async def test_a_malformed_option_is_refused_and_nothing_is_written(
    tmp_path: Path, words: list[str], why: str
) -> None:
    told = await export(*words, "--out", str(tmp_path / "out"))
    assert told.exit_code == 2
    assert why in told.stderr
    assert files(tmp_path) == []


# Events


async def test_events_are_what_the_ledger_holds_in_the_order_of_their_receipt(
    client: httpx.AsyncClient, database_url: str, tmp_path: Path
) -> None:
    await tell(client)
    told = await export("events", "--format", "ndjson", "--out", "-")
    events = objects(told.stdout)
    assert [event["messageId"] for event in events] == [f"m-{n}" for n in range(5)]
    held = execute(database_url, "SELECT entry_id::text, encode(digest, 'hex') FROM events ORDER BY entry_id")
    assert [(event["entryId"], event["digest"]) for event in events] == held
    event = {name: value for name, value in events[3].items() if not name.endswith("At")}
    assert {name: event[name] for name in ("item", "type", "idempotencyKey", "channel", "retryCount")} == {
        "item": 0,
        "type": "ChannelStatus",
        "idempotencyKey": "key-3",
        "channel": "email",
        "retryCount": 2,
    }
    assert events[3]["occurredAt"] == events[3]["effectiveAt"] == "2026-11-23T09:15:01.413000Z"
    path = tmp_path / "events.parquet"
    assert (await export("events", "--format", "parquet", "--out", str(path))).exit_code == 0
    assert parquet.read_table(path).column("retryCount").to_pylist() == [None, None, None, 2, None]


async def test_events_are_filtered(client: httpx.AsyncClient, database_url: str) -> None:
    await tell(client)
    ((third,),) = execute(
        database_url, "SELECT to_json(recorded_at) #>> '{}' FROM events WHERE message_id = 'm-2'"
    )
    for options, expected in (
        (["--message-id", "m-1"], ["m-1"]),
        (["--channel", "email"], ["m-3"]),
        (["--recorded-after", str(third)], ["m-3", "m-4"]),
        (["--recorded-before", str(third)], ["m-0", "m-1"]),
        (["--recorded-after", str(third), "--channel", "sms"], ["m-4"]),
        (["--message-id", "m-9"], []),
    ):
        told = await export("events", "--out", "-", *options)
        assert [row["messageId"] for row in rows(told.stdout)] == expected


# The file


async def test_a_file_is_replaced_whole_and_only_its_owner_reads_it(
    client: httpx.AsyncClient, tmp_path: Path
) -> None:
    await tell(client)
    target = tmp_path / "out.csv"
    target.write_text("before")
    assert (await export("statuses", "--out", str(target))).exit_code == 0
    assert target.read_bytes().startswith(b"created_at,")
    assert target.stat().st_mode & 0o777 == 0o600
    assert files(tmp_path) == ["out.csv"]


async def test_what_fails_midway_leaves_nothing_and_the_file_of_before(
    client: httpx.AsyncClient, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await tell(client)
    monkeypatch.setattr("query.export.FETCHED", 2)
    execute(database_url, "UPDATE message_status SET occurred_at = 'infinity' WHERE message_id = 'm-0'")
    target = tmp_path / "out.csv"
    target.write_text("before")
    for name in ("csv", "parquet"):
        told = await export("statuses", "--format", name, "--out", str(target))
        assert told.exit_code == 1
        assert target.read_text() == "before"
        assert files(tmp_path) == ["out.csv"]
        if name == "parquet":  # on standard output it lacks its end
            told = await export("statuses", "--format", name, "--out", "-")
            assert told.exit_code == 1
            assert not told.stdout_bytes.endswith(b"PAR1", 5)
    assert execute(database_url, "SELECT count(*) FROM acts") == [(0,)]


async def test_a_place_that_cannot_be_written_is_told_in_one_line(tmp_path: Path) -> None:
    for place, why in ((tmp_path, "is a folder"), (tmp_path / "none" / "out", "No such file or directory")):
        told = await export("statuses", "--out", str(place))
        assert told.exit_code == 1
        assert told.stderr.splitlines() == [
            f"status-ledger: The file cannot be written: {place}{' ' if place == tmp_path else ': '}{why}"
        ]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["csv", "parquet"])
def test_a_full_disk_is_told_in_one_line(database_url: str, tmp_path: Path, name: str) -> None:
    command = [sys.executable, "-m", "ledger", "export", "statuses", "--format", name, "--out", "-"]
    environment = command_environment(**ENVIRONMENT, DATABASE_URL=database_url)
    with Path("/dev/full").open("wb") as full:
        told = subprocess.run(command, env=environment, cwd=tmp_path, stdout=full, stderr=-1, check=False)  # noqa: S603
    assert (told.returncode, told.stderr.decode()) == (
        1,
        "status-ledger: The file cannot be written: standard output: No space left on device\n",
    )


async def test_without_pyarrow_parquet_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    told = await export("statuses", "--format", "parquet", "--out", str(tmp_path / "out"))
    assert told.exit_code == 1
    assert (
        "status-ledger: Parquet needs pyarrow, which is not installed: pip install 'status-ledger[parquet]'."
        in told.stderr.splitlines()
    )
    assert files(tmp_path) == []


def test_parquet_is_written_in_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.parquet.ROW_GROUP", 4)
    columns = exported_events(EventFilters()).columns
    with (tmp_path / "out").open("wb") as file:
        written = ParquetFile(file, {"type": columns["type"], "item": columns["item"]})
        for start in range(0, 9, 3):
            written.write([("x", start + place) for place in range(3)])
        written.close()
    read = parquet.ParquetFile(tmp_path / "out")
    assert [read.metadata.row_group(n).num_rows for n in range(read.num_row_groups)] == [6, 3]
    assert read.read().column("item").to_pylist() == list(range(9))


@pytest.mark.slow
async def test_an_export_that_is_told_to_stop_leaves_nothing(
    client: httpx.AsyncClient, database_url: str, tmp_path: Path
) -> None:
    await tell(client)
    lock = "LOCK TABLE message_status IN ACCESS EXCLUSIVE MODE"
    with psycopg.connect(database_url) as holder:
        holder.execute(lock)
        command = [sys.executable, "-m", "ledger", "export", "statuses", "--out", str(tmp_path / "out.csv")]
        environment = command_environment(**ENVIRONMENT, DATABASE_URL=database_url)
        process = subprocess.Popen(command, env=environment, cwd=tmp_path, stderr=subprocess.DEVNULL)  # noqa: ASYNC220, S603
        try:
            async with asyncio.timeout(60):
                while not any(name.endswith(".part") for name in files(tmp_path)):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            process.send_signal(signal.SIGTERM)
        finally:
            holder.rollback()
        assert await asyncio.to_thread(process.wait, 60) != 0
    assert files(tmp_path) == []


# The log of acts


async def test_an_export_is_an_act_by_its_hash_without_the_values_of_filters(
    client: httpx.AsyncClient, database_url: str, tmp_path: Path
) -> None:
    await tell(client)
    target = tmp_path / "out.csv"
    told = await export(
        "statuses",
        "--out",
        str(target),
        "--message-id",
        "m-1",
        "--as",
        "alice",
        "--reason",
        "asked by the clinic",
    )
    sha256 = hashlib.sha256(target.read_bytes()).hexdigest()
    assert sha256 in told.stderr
    assert execute(database_url, "SELECT actor, act, subject, outcome, reason, detail FROM acts") == [
        (
            f"alice ({ME})",
            "statuses.export",
            f"sha256:{sha256}",
            "written",
            "asked by the clinic",
            {"format": "csv", "records": 1, "bytes": target.stat().st_size, "filters": ["messageId"]},
        )
    ]
    piped = await export("events", "--out", "-")
    ((subject,),) = execute(database_url, "SELECT subject FROM acts WHERE act = 'events.export'")
    assert subject == f"sha256:{hashlib.sha256(piped.stdout_bytes).hexdigest()}"


async def test_a_login_that_may_only_read_exports_and_says_that_it_left_no_act(
    own_server: OwnServer, tmp_path: Path
) -> None:
    make_template(own_server.url)
    url = at(own_server.url, "migrated")
    execute(own_server.url, "CREATE ROLE only_serves LOGIN", "GRANT ledger_service TO only_serves")
    told = await export(
        "statuses", "--out", str(tmp_path / "out"), DATABASE_URL=own_server.as_login("only_serves", url)
    )
    assert told.exit_code == 0
    assert "Not in the log of acts: the database's login may not act as ledger_operator." in told.stderr
    assert (tmp_path / "out").read_bytes().startswith(b"created_at,")
    assert execute(url, "SELECT count(*) FROM acts") == [(0,)]
