"""A running `status-ledger serve`, as an operator starts it, and a client that speaks to it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.support.supplier import (
    AUDITOR_API_KEY,
    CLIENT_API_KEY,
    HMAC_SECRET,
    NOTIFY_API_KEY,
    RECIPIENT_KEY,
    SEALING_KEY,
    SESSION_SECRET,
    signed,
)

ROOT = Path(__file__).parents[2]

ENVIRONMENT = {
    "ENVIRONMENT": "local",
    "NOTIFY_API_KEY": NOTIFY_API_KEY,
    "CLIENT_API_KEY": CLIENT_API_KEY,
    "AUDITOR_API_KEY": AUDITOR_API_KEY,
    "HMAC_SECRET": HMAC_SECRET,
    "RECIPIENT_KEY": RECIPIENT_KEY,
    "SEALING_KEY": SEALING_KEY,
    "SESSION_SECRET": SESSION_SECRET,
    "LOG_LEVEL": "info",
}


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def command_environment(**settings: str) -> dict[str, str]:
    """Return the environment of a command: what the system needs, and these settings alone."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return kept | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"} | settings


class Service:
    """One process group of the service on a port of its own."""

    def __init__(self, folder: Path, *, workers: int = 1, **settings: str) -> None:
        """Take the working folder (logs, `.data`) and settings beyond the keys."""
        self.port = free_port()
        self.log = folder / f"service-{self.port}.log"
        self._folder = folder
        self._workers = workers
        self._environment = command_environment(**ENVIRONMENT | settings)
        self._process: subprocess.Popen[bytes] | None = None
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}",
            timeout=60,
            limits=httpx.Limits(max_connections=None),
        )

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start, and wait until it is ready."""
        command = [sys.executable, "-m", "ledger", "serve"]
        command += ["--port", str(self.port), "--workers", str(self._workers)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own service
                command,
                cwd=self._folder,
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                if self.client.get("/api/healthcheck/ready").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)  # polling a process of our own
        self.kill()
        raise AssertionError(f"the service did not come up:\n{self.log.read_text()}")

    def kill(self) -> None:
        """End every process of the service at once, as a crash does."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(30)

    def stop(self) -> int:
        """Ask the service to stop, and return its exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(60)

    def post(self, content: bytes, **headers: str | None) -> httpx.Response:
        """Post a callback; `headers` as in `signed`."""
        return self.client.post("/api/status/create", content=content, headers=signed(content, **headers))

    def statuses(self, **filters: str | int) -> list[dict[str, Any]]:
        """Return the records of one page."""
        answer = self.client.get("/api/statuses", params=filters, headers={"x-api-key": CLIENT_API_KEY})
        assert answer.status_code == 200, answer.text
        records: list[dict[str, Any]] = answer.json()["data"]
        return records


@contextmanager
def running(folder: Path, *, workers: int = 1, **settings: str) -> Iterator[Service]:
    """Run the service while the block lasts."""
    service = Service(folder, workers=workers, **settings)
    service.start()
    try:
        yield service
    finally:
        service.client.close()
        service.kill()
