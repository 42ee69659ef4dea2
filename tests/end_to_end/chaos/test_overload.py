"""Five times as many callbacks as the service can take, for a minute."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from projections.projection import PROJECTIONS
from projections.verify import verify
from tests.end_to_end.chaos.flood import ITEMS, Flood, percentile
from tests.end_to_end.chaos.report import Row, today
from tests.end_to_end.chaos.scene import FULL, RESULTS, SEED, Scene, lasting
from tests.end_to_end.chaos.test_crashes import workers_of
from tests.support.database import execute

pytestmark = pytest.mark.slow

CONNECTIONS = 64
"""Of a supplier that waits for each answer: what the peak is measured with."""

MANY = 2000
"""Connections of suppliers that do not: more than may wait, so that none comes late for want of one."""


def resident(pid: int) -> int:
    """Return the bytes of memory that a process holds."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"process {pid} is gone")


@contextmanager
def watched(pids: list[int]) -> Iterator[list[int]]:
    """Note the memory of some processes twice a second while the block lasts."""
    noted: list[int] = []
    ends = threading.Event()

    def watch() -> None:
        while not ends.wait(0.5):
            noted.append(sum(map(resident, pids)))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield noted
    finally:
        ends.set()
        thread.join()


def test_five_times_the_peak(scene: Scene) -> None:
    with scene.service() as service:
        Flood(service.port, seed=SEED, connections=CONNECTIONS).run(lasting(3, 1))  # warms up
        calm = Flood(service.port, seed=SEED + 1, connections=CONNECTIONS)
        seconds = lasting(8, 2)
        calm.run(seconds)
        peak = len(calm.accepted) / seconds
        flood = Flood(service.port, seed=SEED + 2, connections=MANY, rate=5 * peak)
        seconds = lasting(60, 5)
        workers = workers_of(service.pid)
        with watched(workers) as memory:
            began = time.monotonic()
            flood.run(seconds)
            took = time.monotonic() - began
        assert workers_of(service.pid) == workers, "a worker has died"
        assert service.client.get("/api/healthcheck/ready").status_code == 200
    accepted = len(flood.accepted) / took
    p99 = percentile(flood.accepted, 0.99)
    refusal = percentile([one.seconds for one in flood.turned_away], 0.99) if flood.turned_away else 0.0
    settled = memory[len(memory) // 4 :]
    growth = settled[-1] - settled[0]
    note = (
        f"peak {peak:,.0f}/s of {ITEMS} items, offered {flood.sent / took:,.0f}/s,"
        f" accepted {accepted / peak:.0%} of the peak with p99 {p99:.2f} s;"
        f" 429 with p99 {refusal * 1000:.0f} ms; memory {growth / 1024**2:+.0f} MiB"
        f" of {settled[0] / 1024**2:.0f}"
    )
    print(note)  # noqa: T201 - pytest shows it where the test fails
    kept = {str(entry_id) for (entry_id,) in execute(scene.url, "SELECT entry_id FROM entries")}
    lost = (calm.entries | flood.entries) - kept
    if RESULTS:
        counts = (len(flood.accepted), len(flood.turned_away), flood.unknown, len(lost))
        row = Row(
            22,
            "Overload: five times the peak for 60 s",
            flood.sent,
            round(peak * ITEMS),
            *counts,
            "",
            "",
            today(),
            note,
        )
        row.write(Path(RESULTS))
    assert not lost
    with psycopg.connect(scene.url, autocommit=True, options="-c timezone=UTC") as connection:
        assert list(verify(connection, PROJECTIONS)) == []
    assert all(one.retry_after.isdecimal() and 5 <= int(one.retry_after) <= 60 for one in flood.turned_away)
    if FULL:
        assert flood.unknown == 0
        assert flood.turned_away
        assert accepted >= 0.8 * peak
        assert p99 < 1
        assert refusal < 0.05
        assert growth < 0.1 * settled[0]
