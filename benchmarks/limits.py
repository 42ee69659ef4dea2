"""What no service on this machine can pass: PostgreSQL without a service, and the HTTP server without one."""

import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import psycopg
from psycopg.sql import SQL, Composed, Identifier
from sqlalchemy import Table

from benchmarks.ground import Ground
from benchmarks.intake import have_events
from benchmarks.load import get
from benchmarks.service import free_port, stop, wait_until_ready
from eventstore.tables.entries import entries, events
from ledger.embedded import packaged_binaries
from ledger.migration import migrate
from projections.tables import channel_status, message_status

INSERT = (Path(__file__).parent / "sql" / "bare_rows.sql").read_text().partition("\n")[2]
CLIENTS = 32
ROWS_A_SECOND = 30_000
"""Rows that are copied for each second that other measurements take."""


KEPT = (entries, events, channel_status, message_status)
"""Tables in which every delivery leaves rows."""


def _bare(table: Table) -> Identifier:
    return Identifier(f"bare_{table.name}")


def _prepare(url: str) -> None:
    """Make tables with the columns and indexes of those that are kept, and nothing else that they have."""
    migrate(url)
    with psycopg.connect(url) as connection:
        for table in KEPT:
            like = SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL)")
            connection.execute(like.format(_bare(table), Identifier(table.name)))


def _empty(ground: Ground) -> str:
    """Return the URL of the database of the bare tables, which are empty."""
    url = ground.database("bare", _prepare)
    with ground.connect("bare") as connection:
        connection.execute(SQL("TRUNCATE {}").format(SQL(", ").join(map(_bare, KEPT))))
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


def copied(ground: Ground) -> tuple[float, float]:
    """Return how many events a second `COPY` writes, in one transaction, its commit included.

    They are the rows that the service wrote for callbacks of a hundred items: those of `events` alone, and
    then all that it keeps of them, the bodies and the read model too.
    """
    count = int(ROWS_A_SECOND * ground.seconds)
    have_events(ground, count)
    lines = _some_rows(ground, count)
    return count / _copying(ground, {events: lines[events]}, count), count / _copying(ground, lines, count)


_SOME = {
    entries: SQL("entry_id IN (SELECT entry_id FROM copied)"),
    events: SQL("(entry_id, item) IN (SELECT entry_id, item FROM copied)"),
    channel_status: SQL("message_id IN (SELECT message_id FROM copied)"),
    message_status: SQL("message_id IN (SELECT message_id FROM copied)"),
}
"""Which rows of a table are those of some events."""


def _stated(table: Table) -> Composed:
    return SQL(", ").join(Identifier(column.name) for column in table.columns if column.computed is None)


def _some_rows(ground: Ground, count: int) -> dict[Table, bytes]:
    """Return what is kept of so many events, as `COPY` reads it."""
    lines = {}
    with ground.connect() as ledger, ledger.cursor() as cursor:
        cursor.execute(
            "CREATE TEMPORARY TABLE copied AS SELECT entry_id, item, message_id FROM events LIMIT %s", [count]
        )
        cursor.execute("ANALYZE copied")
        for table in KEPT:
            of_them = SQL("COPY (SELECT {} FROM {} WHERE {}) TO STDOUT")
            with cursor.copy(of_them.format(_stated(table), Identifier(table.name), _SOME[table])) as out:
                lines[table] = b"".join(out)
    if empty := [table.name for table, rows in lines.items() if not rows]:
        raise RuntimeError(f"nothing is kept in {', '.join(empty)}")
    return lines


def _copying(ground: Ground, lines: Mapping[Table, bytes], count: int) -> float:
    """Return how many seconds `COPY` takes for rows that are those of so many events."""
    with psycopg.connect(_empty(ground)) as connection, connection.cursor() as cursor:
        begun = time.perf_counter()
        for table, rows in lines.items():
            with cursor.copy(SQL("COPY {} ({}) FROM STDIN").format(_bare(table), _stated(table))) as copy:
                copy.write(rows)
        connection.commit()
        took = time.perf_counter() - begun
        ((written,),) = cursor.execute("SELECT count(*) FROM bare_events").fetchall()
    if written != count:
        raise RuntimeError(f"{written} events of {count} were copied")
    return took


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
