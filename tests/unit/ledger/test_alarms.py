"""Alarms in the log have the limits and names of the alerts."""

import re
from pathlib import Path

import pytest

from ingest.quarantine import Caps
from ledger.alarms import MOST_FULL, MOST_UNANCHORED, MOST_UNSEALED, Alarm, alarms, raise_alarms
from ledger.telemetry.vitals import Vitals

ALERTS = (Path(__file__).parents[3] / "infra/terraform/audit/alerts.tf").read_text()

WELL = Vitals(quarantined=50, quarantined_bytes=500, sealed=9, unsealed_age=600.0, unanchored_age=3600.0)
CAPS = Caps(100, 1000)


def limit(alert: str) -> float:
    """Return the limit of an alert on one of the service's metrics."""
    found = re.search(rf"    {alert} = {{.*?value > ([0-9.]+)", ALERTS, re.DOTALL)
    assert found is not None
    return float(found[1])


def test_limits_are_those_of_the_alerts() -> None:
    assert limit("unsealed-too-long") == MOST_UNSEALED
    assert limit("anchor-missing") == MOST_UNANCHORED
    assert limit("quarantine-filling") == MOST_FULL


@pytest.mark.parametrize(
    ("vitals", "raised"),
    [
        (WELL, []),
        (WELL._replace(unsealed_age=601.0), [Alarm("unsealed-too-long", 601.0, 600.0)]),
        (WELL._replace(unanchored_age=3601.0), [Alarm("anchor-missing", 3601.0, 3600.0)]),
        (WELL._replace(quarantined=51), [Alarm("quarantine-filling", 0.51, 0.5)]),
        (WELL._replace(quarantined_bytes=501), [Alarm("quarantine-filling", 0.501, 0.5)]),
    ],
)
def test_what_is_over_its_limit_is_an_alarm(vitals: Vitals, raised: list[Alarm]) -> None:
    assert list(alarms(vitals, CAPS)) == raised


def test_a_quarantine_that_may_hold_nothing_is_full() -> None:
    assert [one.alarm for one in alarms(WELL, Caps(0, 0))] == ["quarantine-filling"]


def test_a_database_that_does_not_answer_is_an_alarm(capsys: pytest.CaptureFixture[str]) -> None:
    raise_alarms(None, CAPS)
    told = capsys.readouterr()
    assert "database-down" in told.err + told.out
