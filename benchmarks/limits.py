"""What no service on this machine can pass: PostgreSQL without a service, and the HTTP server without one."""

import subprocess
import sys
import time
from pathlib import Path

import psycopg
from psycopg.sql import SQL, Identifier

from benchmarks.ground import Ground
from benchmarks.intake import have_events
from benchmarks.load import get
from benchmarks.service import free_port, stop, wait_until_ready
from eventstore.tables import events
from ledger.embedded import packaged_binaries
from ledger.migration import migrate

INSERT = (Path(__file__).parent / "sql" / "bare_rows.sql").read_text().partition("\n")[2]
CLIENTS = 32
ROWS_A_SECOND = 30_000
"""Rows that are copied for each second that other measurements take."""


def _prepare(url: str) -> None:
    """Make a table with the columns and indexes of `events`, and nothing else that they have."""
    migrate(url)
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE bare_events (LIKE events INCLUDING ALL)")


def _empty(ground: Ground) -> str:
    """Return the URL of the database of the bare table, which is empty."""
    url = ground.database("bare", _prepare)
    with ground.connect("bare") as connection:
        connection.execute("TRUNCATE bare_events")
    ground.settle()
    return url


def inserts(ground: Ground) -> tuple[float]:
    """Return how many transactions of one `INSERT` 32 clients of `pgbench` commit in a second."""
    url = _empty(ground)
    script = ground.folder / "bare.sql"
    drawn = "(SELECT :key::bigint AS key, :message::bigint AS message) AS drawn"
    script.write_text(
        "\\set key random(1, 9000000000000000)\n\\set message random(1, 9000000000000000)\n"
        + INSERT.replace("FROM drawn", f"FROM {drawn}").strip()
        + ";\n"
    )
    ran = subprocess.run(
        [
            packaged_binaries() / "bin" / "pgbench",
            *("--no-vacuum", "--protocol=prepared", f"--client={CLIENTS}", "--jobs=2"),
            *(f"--time={ground.seconds:.0f}", f"--file={script}", url),
        ],
        check=True,
        capture_output=True,
        text=True,
        timeout=ground.seconds + 60,
    )
    (line,) = [line for line in ran.stdout.splitlines() if line.startswith("tps =")]
    return (float(line.split()[2]),)


def copied(ground: Ground) -> tuple[float]:
    """Return how many rows a second `COPY` writes, in one transaction, its commit included.

    They are the rows that the service wrote for callbacks of a hundred items.
    """
    count = int(ROWS_A_SECOND * ground.seconds)
    have_events(ground, count)
    with ground.connect() as ledger, ledger.cursor().copy(_SOME_EVENTS, [count]) as out:
        lines = b"".join(out)
    with psycopg.connect(_empty(ground), autocommit=True) as connection:
        begun = time.perf_counter()
        with connection.cursor().copy(_COPY) as copy:
            copy.write(lines)
        took = time.perf_counter() - begun
        ((written,),) = connection.execute("SELECT count(*) FROM bare_events").fetchall()
    if written != count:
        raise RuntimeError(f"{written} rows of {count} were copied")
    return (count / took,)


_STATED = SQL(", ").join(Identifier(column.name) for column in events.columns if column.computed is None)
_SOME_EVENTS = SQL("COPY (SELECT {} FROM events LIMIT %s) TO STDOUT").format(_STATED)
_COPY = SQL("COPY bare_events ({}) FROM STDIN").format(_STATED)


def constants(ground: Ground, workers: int) -> tuple[float]:
    """Return how many requests a second the service's HTTP server answers with a constant."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.constant", str(port), str(workers)]
    with subprocess.Popen(command, cwd=Path(__file__).parents[1], start_new_session=True) as process:
        try:
            wait_until_ready(port, process, "/")
            ground.settle()
            return (get(port, ["/"], ground.requests, "", ground.seconds, connections=64).rate,)
        finally:
            stop(process)
