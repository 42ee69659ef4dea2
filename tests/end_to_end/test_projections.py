"""Checks and rebuilds beside a running service under load: nobody notices, and nothing is lost or stale."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from projections.projection import PROJECTIONS
from projections.verify import verify
from tests.support.appending import connected
from tests.support.database import count, execute
from tests.support.service import command_environment, running
from tests.support.traffic import LIFE, Traffic

CLEAN = (0, "", "The read model is what the ledger says.\n")

HISTORY = """
    INSERT INTO events (
        effective_at, content_hash, entry_id, item, event_type, message_id, message_reference,
        channel, channel_status, idempotency_key, digest
    )
    SELECT
        timestamptz '2026-11-01' + number * interval '1 second', number, gen_random_uuid(), 0,
        'ChannelStatus', 'old-' || number % 20000, 'reference',
        (ARRAY['nhsapp', 'sms', 'email'])[number % 3 + 1],
        (ARRAY['created', 'sending', 'failed', 'delivered'])[number % 4 + 1], 'old-' || number,
        sha256(number::text::bytea)
    FROM generate_series(1, 60000) AS number
"""
"""What makes a rebuild long enough to be interrupted."""


def started(folder: Path, url: str, *words: str) -> subprocess.Popen[str]:
    """Start a command as an operator types it."""
    return subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", "ledger", *words],
        cwd=folder,
        env=command_environment(DATABASE_URL=url),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def command(folder: Path, url: str, *words: str) -> tuple[int, str, str]:
    """Run a command; return its exit code, output, and errors."""
    process = started(folder, url, *words)
    told, complaints = process.communicate(timeout=120)
    return process.returncode, told, complaints


def until_it_may_run(folder: Path, url: str, *words: str) -> tuple[int, str, str]:
    """Run a command again and again while what was killed still ends in the server."""
    deadline = time.monotonic() + 60
    while True:
        code, told, complaints = command(folder, url, *words)
        if "A rebuild is running" not in complaints or time.monotonic() > deadline:
            return code, told, complaints


@pytest.mark.slow
def test_rebuilt_under_load_and_killed_half_way_nothing_is_lost_and_nobody_notices(
    tmp_path: Path, database_url: str
) -> None:
    execute(database_url, HISTORY)
    assert command(tmp_path, database_url, "verify")[0] == 1
    with (
        running(tmp_path, workers=2, DATABASE_URL=database_url) as service,
        psycopg.connect(database_url, autocommit=True) as owner,
    ):
        with Traffic(service) as traffic:
            traffic.go_on()
            for _ in range(3):
                code, told, complaints = command(tmp_path, database_url, "rebuild")
                assert (code, told) == (0, ""), complaints
                traffic.go_on()
            for _ in range(2):
                killed = started(tmp_path, database_url, "rebuild")
                while not count(owner, "pg_namespace WHERE nspname = 'ledger_shadow'"):
                    assert killed.poll() is None
                    time.sleep(0.005)  # nothing tells of it
                killed.kill()
                assert killed.wait(60) == -signal.SIGKILL
                killed.communicate()
                traffic.go_on()
            code, told, complaints = until_it_may_run(tmp_path, database_url, "rebuild")
            assert (code, told) == (0, ""), complaints
            traffic.go_on()
        assert traffic.wrong == []
        assert command(tmp_path, database_url, "verify") == CLEAN
        assert command(tmp_path, database_url, "rebuild", "--check")[0] == 0
        kept = {key for (key,) in execute(database_url, "SELECT idempotency_key FROM events")}
        assert traffic.keys <= kept
        for message, second in traffic.acknowledged.items():
            (record,) = service.statuses(messageId=message)
            assert LIFE.index(record["channelStatus"]) >= second
        assert count(owner, "pg_namespace WHERE nspname ~ '^ledger_'") == 0


@pytest.mark.slow
def test_under_full_load_a_hundred_checks_find_nothing(tmp_path: Path, database_url: str) -> None:
    with (
        running(tmp_path, workers=2, DATABASE_URL=database_url) as service,
        connected(database_url) as checking,
        Traffic(service) as traffic,
    ):
        traffic.go_on()
        for number in range(100):
            assert list(verify(checking, PROJECTIONS)) == [], number
        traffic.go_on()
    assert traffic.wrong == []
    assert command(tmp_path, database_url, "verify") == CLEAN
