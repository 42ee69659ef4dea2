"""Where something was measured: the machine, the versions, the commit."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.ground import SETTINGS, Ground, filesystem

PACKAGES = ("fastapi", "httptools", "orjson", "psycopg", "pydantic", "uvicorn", "uvloop")

WRITTEN = ("benchmarks/results", "docs/performance*")
"""What a run writes."""


def surroundings(ground: Ground) -> dict[str, Any]:
    """Return what a reader needs to judge a figure."""
    with ground.connect() as connection:
        ((postgres, commit, fsync),) = connection.execute(
            "SELECT current_setting('server_version'), current_setting('synchronous_commit'),"
            " current_setting('fsync')"
        ).fetchall()
    return {
        "at": f"{datetime.now(UTC):%Y-%m-%dT%H:%MZ}",
        "commit": commit_of(Path(__file__).parents[1]),
        "seconds": ground.seconds,
        "scale": ground.scale._asdict(),
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3),
            "system": platform.platform(),
            "file_system": filesystem(ground.folder),
        },
        "versions": {
            "python": f"{platform.python_version()}, built {platform.python_build()[1]}",
            "postgresql": postgres,
            "libpq": psycopg.pq.version(),
            **{name: version(name) for name in PACKAGES},
        },
        "settings": SETTINGS | {"synchronous_commit": commit, "fsync": fsync},
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def commit_of(folder: Path) -> str:
    """Return the commit that is checked out, with a `+` where files differ from it.

    What a run itself writes tells nothing of what was measured.
    """

    def git(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["git", *words], cwd=folder, check=False, capture_output=True, text=True)

    described = git("describe", "--always", "--abbrev=12", "--exclude=*")
    described.check_returncode()
    same = git("diff", "--quiet", "HEAD", "--", ".", *(f":!{place}" for place in WRITTEN))
    return described.stdout.strip() + ("+" if same.returncode else "")
