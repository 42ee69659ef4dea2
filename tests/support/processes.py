"""Looks at the processes of this machine."""

import subprocess
import time
from collections.abc import Callable


def _ps(*options: str) -> str:
    command = ["ps", "-ww", *options]
    return subprocess.run(command, capture_output=True, check=False).stdout.decode()  # noqa: S603 - our own words


def children(parent: int, of_kind: str = "") -> list[int]:
    """Return the ids of the processes that `parent` started, those that have a word on their command line."""
    found = []
    for line in _ps("-e", "-o", "pid=,ppid=,stat=,args=").splitlines():
        pid, ppid, state, args = line.split(maxsplit=3)
        if int(ppid) == parent and of_kind in args and not state.startswith("Z"):
            found.append(int(pid))
    return found


def registering(parent: int) -> list[int]:
    """Return the ids of the processes that register batches for `parent`."""
    return children(parent, "registering_process")


def lives(pid: int) -> bool:
    """Tell whether a process runs."""
    state = _ps("-o", "stat=", "-p", str(pid)).strip()
    return bool(state) and not state.startswith("Z")


def stands_back(pid: int) -> bool:
    """Tell whether a process has lowered its own priority."""
    return _ps("-o", "ni=", "-p", str(pid)).strip() not in ("", "0")


def command_line(pid: int) -> str:
    """Return the arguments of a process, which everybody on the machine may read, and its environment."""
    return _ps("e", "-o", "args=", "-p", str(pid))


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for a condition that nothing announces."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
