"""`status-ledger simulate` against a running service, and `make demo`, as somebody types them."""

import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.database import execute
from tests.support.service import ENVIRONMENT, command_environment, running

SIMULATE = (sys.executable, "-m", "ledger", "simulate")
DEMO = (sys.executable, "-m", "ledger.demo")


def run(folder: Path, *command: str, **settings: str) -> tuple[int, str, str]:
    done = subprocess.run(  # noqa: S603 - our own command
        command,
        cwd=folder,
        env=command_environment(COLUMNS="160", **settings),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def still_running(*folders: Path) -> list[str]:
    """Return the commands that work in these folders or name them: the service's and PostgreSQL's."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile
            command, place = (process / "cmdline").read_bytes().decode(), (process / "cwd").readlink()
            if any(str(folder) in command or place.is_relative_to(folder) for folder in folders):
                found.append(command)
    return found


@pytest.mark.slow
def test_a_simulation_agrees_with_the_service_until_somebody_tampers_with_it(
    tmp_path: Path, database_url: str
) -> None:
    with running(tmp_path, workers=2, DATABASE_URL=database_url) as service:
        told = (*SIMULATE, f"--url=http://127.0.0.1:{service.port}", "--seed=5", "--messages=40")
        code, says, progress = run(tmp_path, *told, "--duplicates=20%", "--shuffle=100%", **ENVIRONMENT)
        assert code == 0, says
        assert progress == ""  # a bar is for a terminal, and this is a file
        execute(
            database_url, "UPDATE message_status SET message_status = 'created' WHERE read_at IS NOT NULL"
        )
        code, says, _ = run(tmp_path, *told, **ENVIRONMENT)
        assert code == 1
        assert "messageStatus" in says


@pytest.mark.slow
def test_a_service_that_is_not_there_is_told_in_one_line(tmp_path: Path) -> None:
    code, _, complaint = run(tmp_path, *SIMULATE, "--url=http://127.0.0.1:1", "--messages=1", **ENVIRONMENT)
    assert code == 1
    assert complaint.endswith("callbacks: http://127.0.0.1:1 gives no answer (ConnectError)\n")
    assert "Traceback" not in complaint


@pytest.mark.slow
def test_the_demo_shows_the_same_statuses_for_the_same_seed_and_leaves_nothing_behind(tmp_path: Path) -> None:
    tables = []
    for seed in ("11", "11", "12"):
        code, says, complaints = run(tmp_path, *DEMO, "--seed", seed, TMPDIR=str(tmp_path))
        assert code == 0, says + complaints
        statuses, _, timeline = says.partition(" of 300 messages")[2].partition("$ status-ledger timeline")
        assert statuses.count("2025-11-") > 5
        assert "→" in timeline
        tables.append(statuses)
    assert tables[0] == tables[1] != tables[2]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_a_demo_that_is_interrupted_leaves_nothing_behind(tmp_path: Path, ending: signal.Signals) -> None:
    with subprocess.Popen(  # noqa: S603 - our own command
        DEMO, cwd=tmp_path, env=command_environment(TMPDIR=str(tmp_path)), stdout=subprocess.PIPE, text=True
    ) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if "status-ledger simulate" in line:
                break
        (cluster,) = (place.resolve() for place in tmp_path.glob("*/.data/postgres/cluster"))
        assert len(still_running(tmp_path, cluster)) >= 3
        demo.send_signal(ending)
        demo.stdout.read()
        assert demo.wait(60) == 128 + ending
    assert still_running(tmp_path, cluster) == []
    assert not cluster.exists()
    assert list(tmp_path.iterdir()) == []
