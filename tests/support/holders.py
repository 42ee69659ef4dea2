"""Processes that hold an embedded PostgreSQL, and what can be seen of its server from outside."""

import contextlib
import hashlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import psycopg

from eventstore.errors import LedgerError
from ledger import embedded
from ledger.embedded import (
    EmbeddedPostgres,
)

AWAY = Path("/var/lib/status-ledger")
"""Where clusters lie of folders that the server's OS user cannot enter."""

HOLDER = """
import os, subprocess, sys
from pathlib import Path
import psycopg
from ledger.embedded import EmbeddedPostgres
if len(sys.argv) > 2:
    os.setgroups([]), os.setgid(int(sys.argv[3])), os.setuid(int(sys.argv[2]))
holder = EmbeddedPostgres(Path(sys.argv[1]))
with holder as url:
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    child = subprocess.Popen(["sleep", "60"], close_fds=False, stdout=subprocess.DEVNULL)
    print((holder.cluster / "postmaster.pid").read_text().split()[0], child.pid, flush=True)
    sys.stdin.read()
    child.kill(), child.wait()
"""


class Holder:
    """A process that holds the database until its standard input ends, and has a child of its own."""

    def __init__(self, data: Path, *identity: int) -> None:
        self.process = subprocess.Popen(  # noqa: S603 - our own script
            [sys.executable, "-c", HOLDER, str(data), *map(str, identity)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(embedded.__file__).parents[1],
        )
        self.child: int | None = None

    def postmaster(self) -> int:
        assert self.process.stdout is not None
        pid, self.child = map(int, self.process.stdout.readline().split())
        return pid

    def end(self) -> int:
        self.process.communicate(timeout=30)
        return self.process.returncode

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=30)

    def close(self) -> None:
        self.kill()
        if self.child:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.child, signal.SIGKILL)


def clear(data: Path) -> None:
    """Stop what a failed test left running, and remove what lies elsewhere."""
    home = EmbeddedPostgres(data).cluster.parent
    with contextlib.suppress(LedgerError):
        EmbeddedPostgres(data).remove()
    while home.parent == AWAY and home.exists():  # an initdb whose starter was killed may still be writing
        shutil.rmtree(home, ignore_errors=True)


def server_user(cluster: Path) -> tuple[int, int]:
    return cluster.stat().st_uid, cluster.stat().st_gid


def socket_in_tmp(data: Path) -> Path:
    return Path("/tmp", f"status-ledger-{hashlib.sha256(os.fsencode(data)).hexdigest()[:16]}")  # noqa: S108


def postmaster(holder: EmbeddedPostgres) -> int:
    return int((holder.cluster / "postmaster.pid").read_text().split()[0])


def runs(pid: int) -> bool:
    """Tell whether the process lives; the dead whom nobody has awaited yet do not."""
    command = ["ps", "-o", "stat=", "-p", str(pid)]
    state = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - a number
    return state.stdout.strip()[:1] not in {"", "Z"}


def kill(pid: int) -> None:
    """End the process at once, and return when it has ended."""
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while runs(pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def ask(url: str, question: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(question.encode()).fetchone()
        assert row is not None
        return row[0]


def tell(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)
