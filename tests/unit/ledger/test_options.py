"""Options that are neither text nor plain numbers are read strictly, and refused with an example."""

from datetime import UTC, datetime, timedelta

import pytest
import typer
from typer.testing import CliRunner

from ledger.cli import app
from ledger.commands.options import address, past_moment, percentage
from tests.support.service import ENVIRONMENT


@pytest.mark.parametrize(
    ("text", "share"), [("0%", 0), ("5%", 0.05), ("0.5%", 0.005), ("12.25%", 0.1225), ("100%", 1)]
)
def test_a_percentage_is_a_share(text: str, share: float) -> None:
    assert percentage(text) == share


@pytest.mark.parametrize("text", ["5", "0.05", "-1%", "101%", "100.1%", "%", "5 %", "5%%", "५%", "nan%", ""])
def test_what_is_no_percentage_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="such as 5%"):
        percentage(text)


@pytest.mark.parametrize(
    "text", ["http://127.0.0.1:8000/", "https://ledger.test/under/a/path", "http://[::1]:80"]
)
def test_an_address_loses_the_slash_at_its_end(text: str) -> None:
    assert address(text) == text.rstrip("/")


@pytest.mark.parametrize(
    "text", ["127.0.0.1:8000", "ftp://ledger.test", "http://", "http://ledger.test:port", "http://[::1", ""]
)
def test_what_is_no_address_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="such as http://127"):
        address(text)


@pytest.mark.parametrize("text", ["2025-11-23", "2025-11-23T00:00:00Z", "2025-11-23T01:00+01:00"])
def test_a_moment_is_read_with_or_without_its_offset(text: str) -> None:
    assert past_moment(text) == datetime(2025, 11, 23, tzinfo=UTC)


def test_a_moment_to_come_or_before_the_ids_of_messages_is_refused() -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    for text in (tomorrow.isoformat(), "2014-12-31", "0001-01-01T00:00+14:00", "today"):
        with pytest.raises(typer.BadParameter, match="is not a time"):
            past_moment(text)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--duplicates", "5"),
        ("--shuffle", "all"),
        ("--url", "ledger.test"),
        ("--until", "9999-01-01"),
        ("--messages", "0"),
        ("--messages", "100001"),
        ("--rate", "-1"),
        ("--seed", "-1"),
        ("--concurrency", "0"),
    ],
)
def test_a_simulation_names_the_option_that_it_cannot_take(option: str, value: str) -> None:
    refused = CliRunner().invoke(app, ["simulate", option, value])
    assert refused.exit_code == 2
    assert f"Invalid value for '{option}'" in refused.output


def test_a_simulation_is_not_told_in_production() -> None:
    settings = ENVIRONMENT | {"ENVIRONMENT": "prd", "DATABASE_URL": "postgresql://ledger.test/ledger"}
    refused = CliRunner().invoke(app, ["simulate"], env=settings)
    assert refused.exit_code == 1
    assert "never told to a ledger in production" in refused.output
