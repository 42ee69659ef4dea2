"""What else one would take for an event store: installed apart, appending in process beside the service."""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import quote

from psycopg.conninfo import conninfo_to_dict

from benchmarks.ground import Ground

HERE = Path(__file__).parent / "peers"
INSTALLED = HERE / "installed"
NPM = Path(__file__).parents[1] / ".npmrc"


class PeerMissing(RuntimeError):
    """A peer cannot be installed."""


def eventsourcing(ground: Ground) -> tuple[float, ...]:
    """Return events a second of `eventsourcing`: one by one, by 8 threads, in batches of 100."""
    python = _installed("python", ["requirements.txt"], _install_python) / "bin" / "python"
    told = _run(ground, "eventsourcing", [python, HERE / "eventsourcing_peer.py"], INSTALLED)
    return told["one"], told["threads"], told["hundred"]


def emmett(ground: Ground) -> tuple[float, ...]:
    """Return events a second of Emmett: one by one, 8 and 32 at once, in batches of 100."""
    folder = _installed("node", ["package.json", "package-lock.json"], _install_node)
    told = _run(ground, "emmett", ["node", HERE / "emmett_peer.mjs"], folder)
    return told["one"], told["eight"], told["many"], told["hundred"]


def _run(ground: Ground, name: str, command: list[str | Path], folder: Path) -> dict[str, float]:
    """Let a peer append to a database of its own, and hold the rows against what it says that it appended."""
    parts = conninfo_to_dict(ground.database(name, lambda _: None))
    url = f"postgresql://{parts['user']}@/{name}?host={quote(str(parts['host']), safe='/')}"
    before = _rows(ground, name)
    ground.settle()
    seconds = max(1.0, ground.seconds / 2)
    ran = subprocess.run(
        [*command, url, str(seconds)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=10 * seconds + 60,
    )
    if ran.returncode:
        raise RuntimeError(f"{name}: {ran.stderr[-2000:]}")
    told = json.loads(ran.stdout.strip().splitlines()[-1])
    events: int = told["events"]
    if _rows(ground, name) - before != events:
        raise RuntimeError(f"{name} appended {_rows(ground, name) - before} events and tells of {events}")
    rates: dict[str, float] = told["rates"]
    return rates


TABLES = {"eventsourcing": "stored_events", "emmett": "emt_messages"}


def _rows(ground: Ground, name: str) -> int:
    with ground.connect(name) as connection:
        ((there,),) = connection.execute("SELECT to_regclass(%s) IS NOT NULL", [TABLES[name]]).fetchall()
        if not there:
            return 0
        ((rows,),) = connection.execute(f"SELECT count(*) FROM {TABLES[name]}".encode()).fetchall()  # noqa: S608
    return int(rows)


def _installed(name: str, locks: list[str], install: Callable[[Path], None]) -> Path:
    """Return the folder of a peer, installed anew where its locks are others than those it came from."""
    folder, stamp = INSTALLED / name, INSTALLED / f"{name}.locks"
    locked = hashlib.sha256(b"".join((HERE / lock).read_bytes() for lock in locks)).hexdigest()
    if not stamp.exists() or stamp.read_text() != locked:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            install(folder)
        except (OSError, subprocess.SubprocessError) as error:
            said = getattr(error, "stderr", "") or str(error)
            raise PeerMissing(f"{name}: {said[-1000:]}") from error
        stamp.write_text(locked)
    return folder


def _install_python(folder: Path) -> None:
    _do([sys.executable, "-m", "venv", folder])
    install = ("install", "--quiet", "--disable-pip-version-check", "--require-hashes", "--requirement")
    _do([folder / "bin" / "pip", *install, HERE / "requirements.txt"])


def _install_node(folder: Path) -> None:
    for file in (HERE / "package.json", HERE / "package-lock.json", NPM):
        shutil.copy(file, folder)
    _do(["npm", "ci", "--loglevel=error"], folder)


def _do(command: Sequence[str | Path], folder: Path | None = None) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=300)
