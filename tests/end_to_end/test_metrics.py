"""`/metrics` of a service of several processes, which may be replaced, and the exports of a running one."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.collector import collecting
from tests.support.processes import children, wait_until
from tests.support.service import ENVIRONMENT, Service, command_environment, free_port, running
from tests.support.supplier import body, delivered

ANEW = {"connection": "close"}
"""Each request on a connection of its own reaches any of the workers."""


def by_worker(service: Service, name: str) -> dict[str, float]:
    """Return a metric's samples, summed by worker."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(service.client.get("/metrics", headers=ANEW).text):
        for sample in family.samples:
            if sample.name == name:
                worker = sample.labels["worker"]
                found[worker] = found.get(worker, 0) + sample.value
    return found


def up(service: Service) -> dict[str, float]:
    """Return which workers answer; none where the one that was asked ended."""
    try:
        return by_worker(service, "ledger_worker_up")
    except httpx.TransportError:
        return {}


@pytest.mark.slow
def test_whichever_worker_is_asked_tells_of_all(database_url: str, tmp_path: Path) -> None:
    everyone = {"0": 1.0, "1": 1.0, "2": 1.0}
    with running(tmp_path, workers=3, DATABASE_URL=database_url) as service:
        wait_until(lambda: up(service) == everyone)
        for number in range(30):
            assert service.post(body(delivered(key=f"k-{number}")), **ANEW).status_code == 200
        counted = by_worker(service, "ledger_callbacks_total")
        assert counted.keys() == everyone.keys()
        assert sum(counted.values()) == 30
        for _ in range(10):
            assert by_worker(service, "ledger_callbacks_total") == counted

        victim, hanging, _ = children(service.pid, "spawn_main")
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: len(children(service.pid, "spawn_main")) == 3)
        wait_until(lambda: up(service) == everyone)  # the new one has the number of the old

        os.kill(hanging, signal.SIGSTOP)
        assert sorted(up(service).values()) == [0, 1, 1]
        os.kill(hanging, signal.SIGCONT)


def test_a_running_service_exports_what_it_does(database_url: str, tmp_path: Path) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    with (
        collecting() as collector,
        running(
            tmp_path,
            DATABASE_URL=database_url,
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
            OTEL_METRIC_EXPORT_INTERVAL="200",
            OTEL_BSP_SCHEDULE_DELAY="100",
        ) as service,
    ):
        broken = body(delivered("m", channelStatus="deliverd"))
        assert service.post(broken, traceparent=f"00-{trace}-b7ad6b7169203331-01").status_code == 422
        assert collector.wait_for_span("commit").trace_id == trace
        wait_until(lambda: "ledger.unsealed.age" in collector.metrics)
        assert service.stop() == 0
        line = re.search(r'\{.*"event":"callback\.refused".*\}', service.log.read_text())
        assert line is not None
        assert f'"trace_id":"{trace}"' in line[0]


def test_a_service_without_the_exporter_that_it_is_to_use_says_so_in_a_line(
    database_url: str, tmp_path: Path
) -> None:
    missing = tmp_path / "opentelemetry_missing"
    missing.mkdir()
    (missing / "sitecustomize.py").write_text(
        "import sys\nsys.modules['opentelemetry.exporter.otlp.proto.http'] = None\n"
    )
    environment = command_environment(
        **ENVIRONMENT, DATABASE_URL=database_url, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9"
    )
    environment["PYTHONPATH"] = f"{missing}:{environment['PYTHONPATH']}"
    done = subprocess.run(  # noqa: S603 - our own service
        [sys.executable, "-m", "ledger", "serve", "--port", str(free_port())],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "pip install 'status-ledger[otlp]'" in done.stderr
    assert "Traceback" not in done.stderr
