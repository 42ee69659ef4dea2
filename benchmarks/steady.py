"""Callbacks at a steady rate, sent by `wrk`, for as long as a block lasts."""

import json
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from benchmarks.bodies import bodies
from benchmarks.population import COUNTY, NATIONAL, REGIONAL
from benchmarks.service import API_KEY, HERE, SECRET
from ingest.signature import SigningSecrets

CONNECTIONS = 16
LATENCY_MS = 4
"""About how long an answer takes, which is part of each connection's pause."""


class Traffic:
    """What was sent, once it is over."""

    requests = 0
    rate = 0.0
    p50_ms = 0.0
    p99_ms = 0.0
    failed = 0
    lasted = True
    """Whether it went on to the end of the block."""

    def told(self) -> str:
        """Return a sentence."""
        return (
            f"{self.requests:,} callbacks meanwhile, {self.rate:,.0f} a second, median {self.p50_ms:.1f} ms,"
            f" p99 {self.p99_ms:.1f} ms, {self.failed} failed"
            + ("" if self.lasted else "; they ENDED BEFORE the questions did")
        )


@contextmanager
def steady_callbacks(url: str, port: int, rate: int, seconds: int) -> Iterator[Traffic]:
    """Send that many callbacks a second while the block lasts, at most so many seconds.

    Their messages are registered first, for the clients in turn, as those of a programme are.
    """
    traffic = Traffic()
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder) / "requests.txt"
        secrets = SigningSecrets(SECRET)
        ((seed,),) = _fetch(url, "SELECT extract(epoch FROM now())::bigint % 100000000")
        references: dict[str, None] = {}
        with lines.open("wb") as file:
            for body in bodies(rate * seconds, seed):
                file.write(secrets.sign(body).encode() + b" " + body + b"\n")
                references[json.loads(body)["data"][0]["attributes"]["messageReference"]] = None
        _register(url, list(references), f"now-{seed}")
        pause = CONNECTIONS * 1000 / rate - LATENCY_MS
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(HERE / "wrk.lua")]
        command += [f"http://127.0.0.1:{port}", "--", str(lines), API_KEY, f"{pause:.0f}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as load:
            try:
                yield traffic
            finally:
                traffic.lasted = load.poll() is None
                load.send_signal(signal.SIGINT)  # it then tells what it did
                told = json.loads(load.communicate(timeout=60)[0].strip().splitlines()[-1])
                traffic.requests, traffic.failed = told["requests"], told["failed"]
                traffic.rate = told["requests"] / told["microseconds"] * 1e6
                traffic.p50_ms, traffic.p99_ms = told["p50"] / 1000, told["p99"] / 1000


def _fetch(url: str, question: str) -> list[tuple[int]]:
    with psycopg.connect(url) as connection:
        return connection.execute(question.encode()).fetchall()


def _register(url: str, references: list[str], batch: str) -> None:
    """Register the messages for clients by their sizes."""
    with psycopg.connect(url) as connection:
        ((key_id,),) = connection.execute("SELECT recipient_key_id FROM registrations LIMIT 1").fetchall()
        clients = [NATIONAL] * 13 + [REGIONAL] * 6 + [COUNTY]
        for start in range(0, len(references), 5_000):
            connection.execute(
                "INSERT INTO registrations (entry_id, client_id, batch_reference, message_reference,"
                " routing_plan_id, recipient_key_id, recipient_token, salt)"
                " SELECT md5('entry ' || %(batch)s)::uuid, (%(clients)s::text[])[1 + n %% 20],"
                " %(batch)s || '-' || (n %% 20), reference, 'plan', %(key_id)s, sha256(reference::bytea),"
                " decode(md5(reference), 'hex')"
                " FROM unnest(%(references)s::text[]) WITH ORDINALITY AS told (reference, n)",
                {
                    "batch": batch,
                    "clients": clients,
                    "key_id": key_id,
                    "references": references[start : start + 5_000],
                },
            )
