"""Callbacks a second over HTTP, beside a bare one-row INSERT a transaction, in alternating rounds.

    python -m benchmarks.intake --seconds 8 --rounds 3 --workers 1

The limit is `pgbench` with 32 clients and one plain `INSERT` a transaction into a table of the columns and
indexes of `events`, with durable commits. The load is `wrk` with 64 connections and distinct, signed bodies
of one item. Database, service and load generator share the machine, and everything stops by itself.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import psycopg
from rich.console import Console
from rich.table import Table

from benchmarks.bodies import signed_lines
from ingest.signature import SigningSecrets
from ledger.embedded import EmbeddedPostgres, packaged_binaries
from ledger.migration import migrate

HERE = Path(__file__).parent
API_KEY = "benchmark-key"
SECRET = "benchmark.secret"  # noqa: S105 - opens nothing
LIMIT_CLIENTS = 32
CONNECTIONS = 64
BODIES_A_SECOND = 10_000
"""More distinct bodies than a machine like this one can take."""

PGBENCH_SCRIPT = """
\\set key random(1, 9000000000000000)
\\set message random(1, 9000000000000000)
INSERT INTO bare_events SELECT now(), now(), now(), :key, gen_random_uuid(), 0, 1, 0, 'ChannelStatus',
 lpad(:message::text, 27, 'm'), gen_random_uuid()::text, 'nhsapp', NULL, 'delivered', 'read', NULL, NULL,
 'primary', lpad(:key::text, 64, 'k'), sha256(:key::text::bytea);
"""


class Round(NamedTuple):
    """One alternation: the limit and the service, in transactions and callbacks a second."""

    limit: float
    callbacks: float
    p50_ms: float
    p99_ms: float

    @property
    def ratio(self) -> float:
        """The service's rate in units of the limit."""
        return self.callbacks / self.limit


def main() -> None:
    """Measure, and print a table and the ratio."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--seconds", type=int, default=8, help="how long each measurement takes")
    options.add_argument("--rounds", type=int, default=3, help="how many alternations")
    options.add_argument("--workers", type=int, default=1, help="processes of the service")
    options.add_argument("--json", type=Path, help="write the figures to this file")
    chosen = options.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed: it is in Debian's package `wrk`")
    rounds = measure(chosen.seconds, chosen.rounds, chosen.workers)
    show(rounds)
    if chosen.json:
        chosen.json.write_text(json.dumps([one._asdict() | {"ratio": one.ratio} for one in rounds], indent=1))


def measure(seconds: int, rounds: int, workers: int) -> list[Round]:
    """Return the alternations, on a fresh database in a temporary folder."""
    console = Console(stderr=True)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        postgres = EmbeddedPostgres(folder / "postgres")
        stack.callback(postgres.remove)
        url = postgres.acquire()
        migrate(url)
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE bare_events (LIKE events INCLUDING ALL)")
        port = stack.enter_context(service(url, workers))
        measured = []
        for number in range(1, rounds + 1):
            console.print(f"round {number} of {rounds}: the limit …", highlight=False)
            limit = bare_inserts(url, folder, seconds)
            console.print(f"round {number} of {rounds}: callbacks …", highlight=False)
            measured.append(Round(limit, *callbacks(port, folder, seconds, seed=number)))
        check(url)
    return measured


@contextmanager
def service(url: str, workers: int, **settings: str) -> Iterator[int]:
    """Run `status-ledger serve` on a free port until the block ends, with further settings."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    environment = os.environ | {
        "ENVIRONMENT": "local",
        "DATABASE_URL": url,
        "NOTIFY_API_KEY": API_KEY,
        "CLIENT_API_KEY": "benchmark-client",
        "HMAC_SECRET": SECRET,
        "LOG_LEVEL": "warning",
        **settings,
    }
    command = [sys.executable, "-m", "ledger", "serve", "--port", str(port), "--workers", str(workers)]
    with subprocess.Popen(command, env=environment) as process:  # noqa: S603 - our own service
        try:
            for _ in range(150):
                try:
                    httpx.get(f"http://127.0.0.1:{port}/api/healthcheck/ready").raise_for_status()
                    break
                except httpx.HTTPError:
                    time.sleep(0.1)
            else:
                raise RuntimeError("the service did not come up")
            yield port
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def bare_inserts(url: str, folder: Path, seconds: int) -> float:
    """Return the transactions a second of the limit."""
    script = folder / "bare.sql"
    script.write_text(PGBENCH_SCRIPT)
    ran = subprocess.run(  # noqa: S603 - PostgreSQL's own tool
        [
            packaged_binaries() / "bin" / "pgbench",
            *("--no-vacuum", "--protocol=prepared", f"--client={LIMIT_CLIENTS}", "--jobs=2"),
            *(f"--time={seconds}", f"--file={script}", url),
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    (line,) = [line for line in ran.stdout.splitlines() if line.startswith("tps =")]
    return float(line.split()[2])


def callbacks(port: int, folder: Path, seconds: int, seed: int) -> tuple[float, float, float]:
    """Return callbacks a second and the 50th and 99th percentile of their latency in milliseconds."""
    requests = folder / "requests.txt"
    with requests.open("wb") as file:
        file.writelines(signed_lines(seconds * BODIES_A_SECOND, seed, SigningSecrets(SECRET)))
    ran = subprocess.run(  # noqa: S603 - the load generator, on loopback
        [  # noqa: S607 - wherever it is installed
            "wrk",
            *("-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", HERE / "wrk.lua"),
            *(f"http://127.0.0.1:{port}", "--", requests, API_KEY),
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    told = json.loads(ran.stdout.strip().splitlines()[-1])
    if told["failed"]:
        raise RuntimeError(f"{told['failed']} requests failed")
    return told["requests"] / told["microseconds"] * 1e6, told["p50"] / 1000, told["p99"] / 1000


def check(url: str) -> None:
    """Raise unless the ledger holds an event for every entry, and a status for every message."""
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT (SELECT count(*) FROM entries), (SELECT count(*) FROM events),"
            " (SELECT count(DISTINCT message_id) FROM events), (SELECT count(*) FROM message_status)"
        ).fetchone()
    entries, events, messages, statuses = row or (0, 0, 0, 1)
    if entries != events or messages != statuses:
        raise RuntimeError(f"{entries} entries, {events} events, {messages} messages, {statuses} statuses")


def show(rounds: list[Round]) -> None:
    """Print the rounds and their median."""
    table = Table(title="Callbacks over HTTP beside a bare INSERT")
    for heading in ("round", "INSERT/s", "callbacks/s", "p50 ms", "p99 ms", "ratio"):
        table.add_column(heading, justify="right")
    for number, one in enumerate(rounds, 1):
        figures = f"{one.limit:,.0f}", f"{one.callbacks:,.0f}", f"{one.p50_ms:.1f}", f"{one.p99_ms:.1f}"
        table.add_row(str(number), *figures, f"{one.ratio:.2f}")
    ratios = [one.ratio for one in rounds]
    table.caption = (
        f"median ratio {statistics.median(ratios):.2f} (from {min(ratios):.2f} to {max(ratios):.2f})"
    )
    Console().print(table)


if __name__ == "__main__":
    main()
