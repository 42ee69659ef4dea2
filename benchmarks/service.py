"""Runs `status-ledger serve` as an operator starts it, and looks at its processes."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import httpx

HERE = Path(__file__).parent
API_KEY = "benchmark-key"
CLIENT_KEY = "benchmark-client"
SECRET = "benchmark.secret"  # noqa: S105 - opens nothing
RECIPIENT_KEY = "benchmark-recipient-key"
PATIENCE = 30.0
"""Seconds for a service to come up."""


class Service(NamedTuple):
    """A running service."""

    port: int
    workers: tuple[int, ...]
    """The ids of the processes that serve."""

    def cpu_seconds(self) -> float:
        """Return the processor time of its workers so far, all threads together."""
        return sum(map(cpu_seconds, self.workers))

    def memory_mb(self) -> tuple[float, float]:
        """Return the RSS and the PSS of its largest worker, in MB of 1,000,000 bytes."""
        sizes = []
        for pid in self.workers:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
            told = {line.split()[0]: int(line.split()[1]) * 1024 for line in lines}
            sizes.append((told["Rss:"] / 1e6, told["Pss:"] / 1e6))
        return max(sizes)


@contextmanager
def service(url: str, workers: int, **settings: str) -> Iterator[int]:
    """Run a service on a free port until the block ends, with further settings; lend the port."""
    with running(url, workers, **settings) as it:
        yield it.port


@contextmanager
def running(url: str, workers: int, **settings: str) -> Iterator[Service]:
    """Run a service until the block ends, with further settings."""
    port = free_port()
    environment = os.environ | {
        "ENVIRONMENT": "local",
        "DATABASE_URL": url,
        "NOTIFY_API_KEY": API_KEY,
        "CLIENT_API_KEY": CLIENT_KEY,
        "HMAC_SECRET": SECRET,
        "LOG_LEVEL": "warning",
        **settings,
    }
    command = [sys.executable, "-m", "ledger", "serve", "--port", str(port), "--workers", str(workers)]
    with (
        tempfile.TemporaryFile() as told,
        subprocess.Popen(
            command, env=environment, stdout=told, stderr=told, start_new_session=True
        ) as process,
    ):
        try:
            wait_until_ready(port, process)
            yield Service(port, serving(process.pid, workers))
        except BaseException:
            told.seek(0)
            sys.stderr.write(told.read().decode(errors="replace")[-4000:])
            raise
        finally:
            stop(process)


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process took so far, all its threads together."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


def family_seconds(parent: int) -> float:
    """Return the processor time so far of a process and its children, those that have ended included."""
    while True:
        ticks = Path(f"/proc/{parent}/stat").read_text().rpartition(")")[2].split()[13:15]
        ended = sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
        with suppress(FileNotFoundError, ProcessLookupError):  # one has ended since: look again
            return ended + sum(map(cpu_seconds, (parent, *children(parent))))


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def wait_until_ready(
    port: int, process: subprocess.Popen[bytes], path: str = "/api/healthcheck/ready"
) -> None:
    """Return once the path answers 200; raises `RuntimeError` where the process ends or takes too long."""
    deadline = time.monotonic() + PATIENCE
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        while time.monotonic() < deadline and process.poll() is None:
            try:
                client.get(path).raise_for_status()
            except httpx.HTTPError:
                time.sleep(0.02)
            else:
                return
    raise RuntimeError("the service did not come up")


def serving(parent: int, workers: int) -> tuple[int, ...]:
    """Return the ids of the processes that serve: with one worker, the process itself."""
    if workers == 1:
        return (parent,)
    found = [
        pid
        for pid in children(parent)
        if b"resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    if len(found) != workers:
        raise RuntimeError(f"{len(found)} processes serve, not {workers}")
    return tuple(found)


def children(parent: int) -> list[int]:
    """Return the ids of the processes that a process has started and that still run."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(stat.parent.name))
    return sorted(found)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ask a process to end, and see that it does."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
