"""Judges the vitals: what is over its limit is an alarm in the log, for those who collect no metrics.

It asks nothing: `ledger/telemetry/vitals.py` does, and metrics show the same numbers without a judgement. A
timer of Azure Functions raises alarms, on one instance; elsewhere whoever collects the metrics has alerts on
them. Limits and names are those of Azure's alerts on the metrics (`infra/terraform/audit/alerts.tf`); what to
do is in docs/operations.md, by the alert's name.
"""

from collections.abc import Iterator
from typing import NamedTuple

import structlog

from ingest.quarantine import Caps
from ledger.telemetry.vitals import Vitals

MOST_UNSEALED = 600.0
"""Seconds that an entry may wait for its seal."""

MOST_UNANCHORED = 3600.0
"""Seconds that a signed checkpoint may wait for its anchor."""

MOST_FULL = 0.5
"""What share of the quarantine may be taken."""

log = structlog.get_logger()


class Alarm(NamedTuple):
    """What is not as it should be, by the name of its alert."""

    alarm: str
    value: float
    most: float


def alarms(vitals: Vitals, caps: Caps) -> Iterator[Alarm]:
    """Yield what is not as it should be in a ledger."""
    for alarm in (
        Alarm("unsealed-too-long", vitals.unsealed_age, MOST_UNSEALED),
        Alarm("anchor-missing", vitals.unanchored_age, MOST_UNANCHORED),
        Alarm("quarantine-filling", vitals.fill(caps), MOST_FULL),
    ):
        if alarm.value > alarm.most:
            yield alarm


def raise_alarms(vitals: Vitals | None, caps: Caps) -> None:
    """Log every alarm; without vitals the database did not answer, which is one."""
    if vitals is None:
        log.error("alarm.raised", alarm="database-down")
        return
    for alarm in alarms(vitals, caps):
        log.error("alarm.raised", **alarm._asdict())
