"""Plays one fault: a service on a database, a load on the service, what is done to them, and the verdict.

`CHAOS` says how: `full` (`make chaos`) takes as long as the issue of a fault may, holds every claim about
time, and writes a line of the table; otherwise faults are short, and nothing is asserted about time, for
other tests run beside them.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.end_to_end.chaos.checker import Verdict, judge, unpublished
from tests.end_to_end.chaos.load import Load, Outcome
from tests.end_to_end.chaos.report import Row, today
from tests.support.service import ROOT, Service, running

FULL = os.environ.get("CHAOS") == "full"
RESULTS = os.environ.get("CHAOS_RESULTS")
SEED = int(os.environ.get("CHAOS_SEED", "8"))
RATE = 1200.0 if FULL else 400.0
"""Events a second that the supplier tells."""

VARIANTS = Path(__file__).parent / "variants"


def lasting(full: float, short: float) -> float:
    """Return how many seconds something lasts."""
    return full if FULL else short


class Scene:
    """One fault."""

    def __init__(self, url: str, folder: Path) -> None:
        """Take a migrated database, and a folder."""
        self.url = url
        self.folder = folder
        self.anchors = folder / "anchors"
        self.healed = 0.0
        self.before = 0.0
        """Events a second that were acknowledged before the fault."""
        self.late: set[str] = set()
        """Entries that the service acknowledged, and had not published in time."""
        self.besides: set[bytes] = set()
        """Bodies that somebody else than the load has posted."""

    @property
    def database(self) -> str:
        """The database's name."""
        return str(conninfo_to_dict(self.url)["dbname"])

    @contextmanager
    def service(self, *, workers: int = 2, url: str | None = None, **settings: str) -> Iterator[Service]:
        """Run the service."""
        settings = {
            "DATABASE_URL": url or self.url,
            "ANCHORS": str(self.anchors),
            "LOG_LEVEL": "warning",
        } | settings
        with running(self.folder, workers=workers, **settings) as service:
            yield service

    def variant(self, name: str, **more: str) -> dict[str, str]:
        """Return the settings of a service that is broken in a way that `broken.py` names."""
        return {"CHAOS_VARIANT": name, "PYTHONPATH": f"{VARIANTS}{os.pathsep}{ROOT}"} | more

    @contextmanager
    def load(self, *services: Service, publishes: bool = False) -> Iterator[Load]:
        """Load the services; what happens within the block is the fault.

        Where it `publishes`, the service itself has to publish all that it acknowledged, within 60 s.
        """
        print(f"seed {SEED}")  # noqa: T201 - pytest shows it where the test fails
        with Load(*(service.port for service in services), seed=SEED, rate=RATE) as load:
            load.go_on(lasting(4, 1), at_least=50)
            self.before = load.acknowledged_events / (time.monotonic() - load.began)
            yield load
            load.go_on(lasting(2, 0.5), at_least=50)
        if publishes and FULL:
            self.late = unpublished(load, self.url)

    def post_besides(self, service: Service, content: bytes) -> int:
        """Post a callback that is no part of the load; return the status of the answer."""
        self.besides.add(content)
        return service.post(content).status_code

    def heal(self) -> None:
        """Say that the fault is over now."""
        self.healed = time.monotonic()

    def verdict(self, load: Load, *, known: str = "") -> Verdict:
        """Judge; `known` is the kind of the auditor's findings that the fault must have."""
        return judge(load, self.url, self.anchors, besides=self.besides, known=known)

    def not_run(self, number: int, fault: str, why: str) -> NoReturn:
        """Write a line that says that this machine cannot have the fault, and skip the test."""
        if RESULTS:
            Row(number, fault, 0, 0, 0, 0, 0, 0, "", "", today(), f"not run, {why}").write(Path(RESULTS))
        pytest.skip(f"not run: {why}")

    def conclude(self, number: int, fault: str, load: Load, *, known: str = "", note: str = "") -> None:
        """Judge, write the line of the table, and fail where anything is lost or wrong."""
        verdict = self.verdict(load, known=known)
        counts = load.outcomes
        failed_first = load.failed_first
        recovered = failed_first & load.acknowledged_bodies
        first = load.first_ok(self.healed) if self.healed else None
        row = Row(
            number,
            fault,
            len(load.attempts),
            round(self.before),
            counts[Outcome.OK],
            counts[Outcome.FAILED],
            counts[Outcome.UNKNOWN],
            len(verdict.lost),
            f"{len(recovered):,} of {len(failed_first):,}",
            f"{first - self.healed:.1f} s" if first is not None else "",
            today(),
            note,
        )
        print(row, *verdict.wrong, sep="\n")  # noqa: T201 - as above
        if RESULTS:
            row.write(Path(RESULTS))
        assert verdict.lost == []
        assert verdict.wrong == []
        assert not self.late, f"{len(self.late)} acknowledged, and not published in time"
        assert recovered == failed_first, "what failed at first was never acknowledged"
        assert not load.codes - {0, 200, 429, 500, 503}, load.codes
