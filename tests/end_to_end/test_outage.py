"""The database goes away and comes back: nothing is acknowledged meanwhile, and no restart is needed."""

import os
import signal
import time
from pathlib import Path

import pytest

from ledger.embedded import EmbeddedPostgres
from ledger.migration import migrate
from tests.support.database import binaries, execute
from tests.support.service import Service, running
from tests.support.supplier import body, delivered


def first_success(service: Service, content: bytes) -> None:
    """Post again and again, as a supplier does after a 500, until it is acknowledged."""
    for _ in range(120):
        if service.post(content).status_code == 200:
            return
        time.sleep(0.5)
    pytest.fail("the service did not recover")


def crash(postgres: EmbeddedPostgres) -> None:
    """End a server of this test's own as a crash does, and wait until no backend of it is left.

    SIGKILL to the postmaster alone would leave backends that still commit for a moment.
    """
    pid_file = postgres.cluster / "postmaster.pid"
    os.kill(int(pid_file.read_text().split()[0]), signal.SIGQUIT)
    for _ in range(600):
        if not pid_file.exists():
            return
        time.sleep(0.05)
    pytest.fail("the server did not stop")


@pytest.mark.slow
def test_a_database_that_went_away_gives_500_and_recovery_needs_no_restart(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    postgres = EmbeddedPostgres(tmp_path / "postgres", binaries(request.config.getoption("--postgres")))
    try:
        url = postgres.acquire()
        migrate(url)
        with running(tmp_path, DATABASE_URL=url) as service:
            assert service.post(body(delivered(key="before"))).status_code == 200
            crash(postgres)
            for number in range(3):
                answer = service.post(body(delivered(key=f"meanwhile-{number}")))
                assert (answer.status_code, answer.json()) == (500, {"status": "error"})
            assert service.client.get("/api/healthcheck").status_code == 200
            readiness = service.client.get("/api/healthcheck/ready")
            assert (readiness.status_code, readiness.json()["missing"]) == (503, ["database"])
            failed = service.client.get("/api/statuses", headers={"x-api-key": "test-client-key"})
            assert (failed.status_code, failed.json()) == (500, {"status": "error"})
            postgres.acquire()
            first_success(service, body(delivered(key="after")))
            kept = execute(url, "SELECT idempotency_key FROM events ORDER BY 1")
            assert [key for (key,) in kept if not str(key).startswith("meanwhile")] == ["after", "before"]
    finally:
        postgres.remove()
