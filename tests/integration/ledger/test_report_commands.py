"""`status-ledger report`, as an operator types it: tables for people, CSV and JSON for programs."""

import asyncio
import csv
import io
import json
from collections.abc import Iterator

import httpx
import pytest
from typer.testing import CliRunner, Result

from ledger.cli import app as command_line
from query import report_filters
from query.filters import MOST_RECORDS
from tests.support.clients import register
from tests.support.supplier import body, delivered, signed


async def command(*words: str) -> Result:
    """Run a command of `report` under the settings of the environment."""
    runner = CliRunner(env={"COLUMNS": "200"})
    return await asyncio.to_thread(runner.invoke, command_line, ["report", *words])


@pytest.fixture
async def _told(client: httpx.AsyncClient, database_url: str) -> None:
    """A batch of three: one delivered, one on its way, one of which nothing came."""
    register(database_url, "clinic", "ref-a", "ref-b", "ref-c")
    content = body(
        delivered("a", reference="ref-a", key="a"),
        delivered("b", reference="ref-b", key="b", channelStatus="sending"),
    )
    assert (await client.post("/api/status/create", content=content, headers=signed(content))).is_success


REPORTS = (report_filters.DeliveryFilters, report_filters.OverdueFilters)


@pytest.fixture(params=[1, 2, 10_000], ids=lambda limit: f"{limit} a page")
def _limit(request: pytest.FixtureRequest) -> Iterator[None]:
    """Makes a page hold so many rows unless it is told otherwise."""
    _page_of(request.param)
    yield
    _page_of(MOST_RECORDS)


def _page_of(limit: int) -> None:
    for model in REPORTS:
        model.model_fields["limit"].default = limit
        model.model_rebuild(force=True)


@pytest.mark.usefixtures("_told", "_limit")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("delivery", "batch"), ["ref-a", "ref-b", "ref-c"]),
        (("delivery", "none"), []),
        (("overdue", "--as-of", "2099-01-01"), ["ref-b", "ref-c"]),
        (("overdue", "--as-of", "2099-01-01", "--channel", "sms", "--batch", "batch"), ["ref-b"]),
        (("overdue", "--as-of", "2020-01-01"), []),
    ],
    ids=["delivery", "no such batch", "overdue", "filtered", "nothing overdue"],
)
async def test_every_page_is_printed_in_every_form(words: tuple[str, ...], expected: list[str]) -> None:
    forms = [await command(*words, "--format", form) for form in ("json", "csv", "table")]
    assert [told.exit_code for told in forms] == [0, 0, 0], [told.output for told in forms]
    as_json, as_csv, drawn = (told.stdout for told in forms)
    assert [row["message_reference"] for row in json.loads(as_json)] == expected
    lines = list(csv.reader(io.StringIO(as_csv, newline="")))
    assert lines[0][:2] == ["message_reference", "message_id"]
    assert [line[0] for line in lines[1:]] == expected
    assert [name for name in ("ref-a", "ref-b", "ref-c") if name in drawn] == expected


@pytest.mark.usefixtures("_told")
async def test_the_terms_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    day_20 = ("overdue", "--channel", "sms", "--as-of", "2026-12-13T09:15:02Z", "--format", "json")
    assert len(json.loads((await command(*day_20)).stdout)) == 1
    monkeypatch.setenv("OVERDUE_DAYS_SMS", "21")
    assert json.loads((await command(*day_20)).stdout) == []
    monkeypatch.setenv("OVERDUE_DAYS_SMS", "0")
    told = await command(*day_20)
    assert told.exit_code == 1
    assert "OVERDUE_DAYS_SMS: input should be greater than or equal to 1" in told.stderr


async def test_a_time_that_is_none_is_told_in_one_line(service_settings: object) -> None:
    told = await command("overdue", "--as-of", "soon")
    assert (told.exit_code, told.stdout) == (1, "")
    assert "asOf: must be a date" in told.stderr
