"""Sends requests with `wrk`, each once, and returns what came of it."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from benchmarks.bodies import signed_lines
from benchmarks.service import API_KEY, HERE, SECRET
from ingest.signature import SigningSecrets

LONGEST = 600
"""Seconds in which the last body is answered, or never."""


PATIENCE = 60
"""Seconds more in which `wrk` reads its file and ends."""


class Load(NamedTuple):
    """What `wrk` did."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds


def ensure_wrk() -> None:
    """Exit with a line where `wrk` is not installed."""
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed: it is in Debian's package `wrk`")


def post(  # noqa: PLR0913, PLR0917 - what to send, where, and how
    port: int, made: Iterable[bytes], requests: Path, seconds: float, connections: int, rate: float = 0
) -> Load:
    """Sign bodies, then post each once, as fast as it goes or at a rate; `requests` is a file for them.

    Without `seconds` it ends with the bodies. Raises `RuntimeError` where a request failed, or where the
    bodies did not suffice.
    """
    with requests.open("wb") as file:
        file.writelines(signed_lines(made, SigningSecrets(SECRET)))
    pace = ["once"] if not seconds else [f"{rate:.0f}/s"] if rate else []
    return _wrk(port, "wrk.lua", [str(requests), API_KEY, *pace], seconds, connections)


def get(port: int, paths: Iterable[str], requests: Path, key: str, seconds: float, connections: int) -> Load:  # noqa: PLR0913, PLR0917 - as in `post`
    """Get paths again and again in turn; `requests` is a file for them. Raises as `post` does."""
    requests.write_text("".join(f"{path}\n" for path in paths))
    return _wrk(port, "get.lua", [str(requests), key], seconds, connections)


def _wrk(port: int, script: str, arguments: list[str], seconds: float, connections: int) -> Load:
    ran = subprocess.run(
        [
            "wrk",
            *("-t1", f"-c{connections}", f"-d{seconds or LONGEST:.0f}s", "-s", HERE / script),
            *(f"http://127.0.0.1:{port}", "--", *arguments),
        ],
        check=True,
        capture_output=True,
        text=True,
        timeout=(seconds or LONGEST) + PATIENCE,
    )
    told = json.loads(ran.stdout.strip().splitlines()[-1])
    if told["failed"]:
        raise RuntimeError(f"{told['failed']} of {told['requests']} requests failed")
    if told.get("repeated"):
        raise RuntimeError(f"{told['repeated']} requests were sent again, for there were too few bodies")
    return Load(told["requests"], told["microseconds"] / 1e6, told["p50"] / 1000, told["p99"] / 1000)
