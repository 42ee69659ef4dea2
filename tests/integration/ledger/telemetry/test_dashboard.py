"""Grafana's dashboard asks for metrics and labels that a real export has, and tells of all that there is."""

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from asgi_lifespan import LifespanManager
from prometheus_client.parser import text_string_to_metric_families

from ledger.app import create_app
from ledger.settings import Settings
from tests.support.client import KEY
from tests.support.promql import labels_of, metrics_of
from tests.support.supplier import body, delivered, signed

DASHBOARD: dict[str, Any] = json.loads(
    (Path(__file__).parents[4] / "infra" / "grafana" / "status-ledger.json").read_text(encoding="utf-8")
)

Exported = dict[str, set[str]]
"""The labels of each metric."""


def expressions(dashboard: dict[str, Any]) -> list[str]:
    return [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]


def faults(expression: str, exported: Exported) -> list[str]:
    """Return what an expression asks for that nothing exports."""
    names = metrics_of(expression)
    known = set().union(*(exported[name] for name in names & exported.keys()))
    return sorted(names - exported.keys()) + sorted(labels_of(expression) - known)


@pytest.fixture
async def exported(service_settings: Settings) -> Exported:
    """What a service exports that has answered a callback and a read."""
    app = create_app(service_settings)
    transport = httpx.ASGITransport(app)
    async with (
        LifespanManager(app),
        httpx.AsyncClient(transport=transport, base_url="http://ledger.test") as client,
    ):
        content = body(delivered())
        await client.post("/api/status/create", content=content, headers=signed(content))
        await client.get("/api/statuses", headers=KEY)
        text = (await client.get("/metrics")).text
    found: Exported = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


async def test_every_metric_and_label_is_exported(exported: Exported) -> None:
    asked = expressions(DASHBOARD)
    assert len(asked) > 20
    assert {expression: faults(expression, exported) for expression in asked} == {one: [] for one in asked}


async def test_every_metric_of_the_ledger_is_shown(exported: Exported) -> None:
    shown = set().union(*(metrics_of(expression) for expression in expressions(DASHBOARD)))
    kinds = re.compile(r"_(bucket|count|sum)$")
    told = {kinds.sub("", name) for name in exported if name.startswith("ledger_")}
    assert told == {kinds.sub("", name) for name in shown if name.startswith("ledger_")}


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("sum(rate(ledger_callback_total[5m]))", ["ledger_callback_total"]),
        ("sum by (status) (rate(ledger_callbacks_total[5m]))", ["status"]),
        ('max(ledger_quarantine_fill{job="x"}) / ledger_fill', ["ledger_fill", "job"]),
        ("histogram_quantile(0.9, sum by (le) (rate(ledger_batch_size[5m])))", ["ledger_batch_size", "le"]),
    ],
)
async def test_a_planted_mistake_is_found(exported: Exported, expression: str, found: list[str]) -> None:
    assert faults(expression, exported) == found


def test_panels_neither_overlap_nor_share_an_id() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
    assert len(places) == len(panels)
    assert all(panel["title"] and panel["description"].endswith(".") for panel in panels)
