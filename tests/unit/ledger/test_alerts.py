"""Alerts ask for logs and metrics that the service writes, and docs/operations.md explains each of them."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.metrics import Meter
from typer.main import get_command

from ingest.endpoint import PATH, STATUSES
from ingest.quarantine import Caps
from ledger.cli import app as command_line
from ledger.settings import Settings
from ledger.telemetry.instruments import Watched, instrument, series
from ledger.telemetry.measures import Measures

ROOT = Path(__file__).parents[3]
AUDIT = ROOT / "infra" / "terraform" / "audit"
PACKAGES = ("eventstore", "ingest", "ledger", "projections", "query")
LEVELS = ("debug", "info", "warning", "error", "exception")


def events() -> set[str]:
    """Return the names of all events that the code logs."""
    found = set()
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*.py"):
            found |= set(_logged(ast.parse(file.read_text(encoding="utf-8"))))
    return found


def _logged(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name("log"), attr=level), args=[ast.Constant(str(name)), *_]
            ):
                if level in LEVELS:
                    yield name
            case ast.Call(func=ast.Name("tell"), args=[ast.Constant(str(name)), *_]):
                yield name


def metrics() -> set[str]:
    """Return the names of all metrics of our own."""
    made: set[str] = set()

    class Noting:
        def __getattr__(self, _: str) -> object:
            return lambda name, *_: made.add(name)

    measures = Measures()
    noting: Meter = Noting()  # type: ignore[assignment]
    nothing = Watched({}, measures, lambda: None, lambda: None, lambda: None, Caps(1, 1))
    instrument(noting, nothing)
    return made | {one.name for one in series(measures)}


EVENTS = events()
METRICS = metrics()

ALERTS = (AUDIT / "alerts.tf").read_text(encoding="utf-8")
TILES = (AUDIT / "dashboard.tf").read_text(encoding="utf-8")


def faults(terraform: str) -> list[str]:
    """Return what queries ask for that the service never writes."""
    asked_events = re.findall(r"Message has '([^']+)'", terraform)
    asked_metrics = re.findall(r"Name == '([^'%]+)'", terraform)
    asked_metrics += re.findall(r'format\(local\.newest, "([^"]+)"\)', terraform)
    answers = re.findall(r"ResultCode == '([^']+)'", terraform)
    paths = re.findall(r"(?:Url|RequestUri) has '([^']+)'", terraform)
    found = [name for name in asked_events if name not in EVENTS]
    found += [name for name in asked_metrics if name not in METRICS]
    found += [code for code in answers if code not in map(str, STATUSES)]
    return found + [path for path in paths if path not in (PATH, "/api/statuses")]


def test_events_and_metrics_are_found() -> None:
    assert {"callback.quarantined", "quarantine.full", "sealing.stopped", "callback.failed"} <= EVENTS
    assert {"ledger.callbacks", "ledger.unsealed.age", "ledger.delivery.lag"} <= METRICS
    assert all(re.fullmatch(r"[a-z]+\.[a-z_]+", name) for name in EVENTS), "past-tense dotted names"


@pytest.mark.parametrize("terraform", [ALERTS, TILES], ids=["alerts", "dashboard"])
def test_every_query_asks_for_what_is_written(terraform: str) -> None:
    assert faults(terraform) == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("'callback.quarantined'", "'callback.quarantine'"),
        ("'quarantine.full'", "'quarantine.filled'"),
        ('"ledger.unsealed.age"', '"ledger.unsealed_age"'),
        ("ResultCode == '422'", "ResultCode == '421'"),
        ("Url has '/api/status/create'", "Url has '/api/status/created'"),
    ],
)
def test_a_planted_mistake_is_found(right: str, wrong: str) -> None:
    assert right in ALERTS
    assert faults(ALERTS.replace(right, wrong)) != []


def test_a_query_that_reads_a_log_or_a_metric_is_looked_at() -> None:
    for query in re.findall(r'query\s+= "(.+)"\n', ALERTS) + re.findall(r'query = "(.+?)" }', TILES):
        if "AppTraces" in query:
            assert "Message has '" in query, query
        if "AppMetrics" in query:
            assert "Name == '" in query, query


# docs/operations.md

OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
TOLD = OPERATIONS.partition("## What the service tells")[2].partition("\n## Backups")[0]


def alerts() -> set[str]:
    """Return the names of all alerts."""
    maps = re.findall(r"(?:log_alerts|database_alerts) = \{\n(.*?)\n  \}", ALERTS, re.DOTALL)
    named = {name for one in maps for name in re.findall(r"^    ([a-z0-9-]+) = \{$", one, re.MULTILINE)}
    return named | set(re.findall(r'^  name += "([a-z-]+)"$', ALERTS, re.MULTILINE)) - {
        "available-from-outside"
    }


def test_every_alert_is_explained_and_nothing_else() -> None:
    assert len(alerts()) > 15
    headings = re.findall(r"^### `([a-z0-9-]+)`$", TOLD, re.MULTILINE)
    assert sorted(headings) == sorted(alerts())


def test_every_metric_is_explained() -> None:
    assert set(re.findall(r"^\| `(ledger\.[a-z.]+)`", TOLD, re.MULTILINE)) == METRICS


def test_what_it_names_exists() -> None:
    named = set(re.findall(r"`([a-z]+(?:\.[a-z_]+)+)`", TOLD))
    assert named
    assert named - EVENTS - METRICS == {"http.server.request.duration"}
    commands = get_command(command_line)
    for name in re.findall(r"`status-ledger ([a-z-]+)", TOLD):
        assert name in commands.list_commands(None), name  # type: ignore[attr-defined]
    settings = {name.upper() for name in Settings.model_fields}
    assert set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)`", TOLD)) <= settings | {"OTEL_METRIC_EXPORT_INTERVAL"}
    for link in re.findall(r"\]\(([^)#:]+)\)", TOLD):
        assert (ROOT / "docs" / link).exists(), link
