"""How long a page of 100 statuses takes, for every filter on its own, while callbacks arrive.

    python -m benchmarks.filters --messages 5000000
    python -m benchmarks.filters --messages 200000 --seconds 1      # a quick look
    python -m benchmarks.filters --folder /somewhere/large          # keeps the ledger, and takes it again

1. A ledger is filled with messages (4.2 events each) of half a year; 5 million take 40 GB and half an hour.
2. The read model is rebuilt from it beside a running service: events a second, and the longest that a
   client's read and a supplier's callback waited meanwhile.
3. While `wrk` sends callbacks at a steady rate, each filter is asked for over HTTP, with rare, common and
   absent values, the first page and a later one, with the key that sees all and with a client's own.

Without DATABASE_URL the program starts a PostgreSQL of its own, in a temporary folder unless told another,
and stops it at the end. DATABASE_URL must name an empty database, or one that this program filled before.
Database, service, load and questions share the machine, and everything stops by itself.
"""

import argparse
import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
from psycopg import sql
from rich.console import Console
from rich.table import Table

from benchmarks.asking import Outcome, ask
from benchmarks.population import CLINIC, COUNTY, NATIONAL, SURGERY, fill, seal_all
from benchmarks.questions import questions
from benchmarks.rebuilding import Pauses, list_registered, rebuild_beside_traffic
from benchmarks.service import service
from benchmarks.steady import steady_callbacks
from eventstore.caller import Scope
from eventstore.database import Database
from eventstore.recipients import RecipientKeys
from ledger.api_keys import create_key
from ledger.commands.progress import progress_bars
from ledger.embedded import EmbeddedPostgres
from ledger.migration import migrate

RECIPIENT_KEY = "benchmark-recipient-key"
CLIENT_KEY = "benchmark-client"
RECIPIENTS = RecipientKeys(RECIPIENT_KEY)

SERVER = {
    "shared_buffers": "4GB",
    "effective_cache_size": "12GB",
    "max_wal_size": "16GB",
    "checkpoint_timeout": "15min",
}
"""What our own server is told beyond PostgreSQL's defaults, for a machine with 24 GB; commits are durable."""

ALL = "all"
KEYS = (ALL, NATIONAL, COUNTY, CLINIC, SURGERY)
"""Whose keys ask: the one that sees all and the county's ask everything, the others for the newest alone."""

TABLES = "entries", "events", "registrations", "message_status", "channel_status", "listed_messages"

console = Console(stderr=True)


def main() -> None:
    """Fill, rebuild, measure, and print the tables."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is stopped
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--messages", type=int, default=5_000_000, help="how many, about (5,000,000)")
    options.add_argument(
        "--rate", type=int, default=500, help="callbacks a second meanwhile (500; 0 for none)"
    )
    options.add_argument(
        "--seconds", type=float, default=2, help="how long each question is asked, at most (2)"
    )
    options.add_argument("--folder", type=Path, help="keep our own PostgreSQL's data here")
    options.add_argument("--only", default="", help="only the questions whose name contains this")
    options.add_argument("--keys", default=",".join(KEYS), help=f"whose keys ask ({','.join(KEYS)})")
    options.add_argument("--skip-rebuild", action="store_true", help="take the read model as it is")
    options.add_argument("--json", type=Path, help="write the figures to this file")
    chosen = options.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed: it is in Debian's package `wrk`")
    with database(chosen.folder) as url:
        prepare(url, chosen.messages)
        pauses = None if chosen.skip_rebuild else rebuilt(url)
        if pauses is not None:
            show_rebuild(pauses)
        listed(url)
        vacuum(url)
        outcomes = measure(url, chosen.seconds, chosen.rate, chosen.only, chosen.keys.split(","))
    show(outcomes, os.getloadavg()[1])
    if chosen.json:
        told = {
            "rebuild": None if pauses is None else pauses._asdict(),
            "questions": [one._asdict() for one in outcomes],
        }
        chosen.json.write_text(json.dumps(told, indent=1))


@contextmanager
def database(folder: Path | None) -> Iterator[str]:
    """Lend the URL of DATABASE_URL, or of a server of our own."""
    if url := os.environ.get("DATABASE_URL"):
        yield url
        return
    with ExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "postgres"
            postgres = EmbeddedPostgres(folder)
            stack.callback(postgres.remove)
        else:
            postgres = EmbeddedPostgres(folder)
            stack.callback(postgres.release)
        with psycopg.connect(postgres.acquire(), autocommit=True) as connection:
            for name, value in SERVER.items():
                connection.execute(sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), value))
        postgres.release()
        yield postgres.acquire()


def prepare(url: str, messages: int) -> None:
    """Migrate and fill the database, unless this program filled it before."""
    migrate(url)
    with psycopg.connect(url) as connection:
        ((filled, used),) = connection.execute(
            "SELECT to_regnamespace('benchmark') IS NOT NULL, EXISTS (SELECT FROM entries)"
        ).fetchall()
    if filled:
        return
    if used:
        sys.exit("the database holds a ledger that this program did not write: give it another")
    with progress_bars() as begin:
        fill(url, messages, RECIPIENTS, begin)
        seal_all(url, begin)


def rebuilt(url: str) -> Pauses:
    """Rebuild the read model beside a running service."""
    console.print("Rebuilding, while single callbacks and reads arrive …")
    with service(url, 1, RECIPIENT_KEY=RECIPIENT_KEY) as port:
        return rebuild_beside_traffic(url, port, CLIENT_KEY)


def listed(url: str) -> None:
    """List the registered messages, and print how long it took."""
    console.print("Listing registered messages …")
    started = time.perf_counter()
    registrations = asyncio.run(list_registered(url))
    console.print(f"{registrations:,} registrations listed in {time.perf_counter() - started:,.0f} s")


def vacuum(url: str) -> None:
    """Do what autovacuum would come to do within the next minutes."""
    console.print("VACUUM (ANALYZE) …")
    with psycopg.connect(url, autocommit=True) as connection:
        for table in TABLES:
            connection.execute(sql.SQL("VACUUM (ANALYZE) {}").format(sql.Identifier(table)))


async def client_key(url: str, client: str) -> str:
    """Issue a key to a client and return it."""
    async with Database(url, connections=1) as opened:
        name = f"{client}-{os.urandom(4).hex()}"
        made = await create_key(opened, name, [Scope.STATUSES_READ], client)
    return made.key.get_secret_value()


def measure(url: str, seconds: float, rate: int, only: str, askers: list[str]) -> list[Outcome]:
    """Ask every question with every asker's key, while callbacks arrive."""
    keys = {name: CLIENT_KEY if name == ALL else asyncio.run(client_key(url, name)) for name in askers}
    with psycopg.connect(url, autocommit=True) as connection:
        ((messages,),) = connection.execute("SELECT max(first_message) FROM benchmark.batches").fetchall()
        asked = [
            (question, client)
            for client in keys
            for question in questions(connection, messages)
            if only in question.name and (client in {ALL, COUNTY} or question.name == "(none)")
        ]
        with ExitStack() as stack:
            port = stack.enter_context(service(url, 1, RECIPIENT_KEY=RECIPIENT_KEY))
            longest = int(len(asked) * 2 * (seconds + 1.5)) + 60
            traffic = stack.enter_context(steady_callbacks(url, port, rate, longest)) if rate else None
            advance = stack.enter_context(progress_bars())("Asking", len(asked))
            outcomes = []
            for question, client in asked:
                outcomes += ask(
                    connection,
                    port,
                    question,
                    None if client == ALL else client,
                    keys[client],
                    RECIPIENTS,
                    seconds,
                )
                advance(1)
    if traffic is not None:
        console.print(traffic.told(), highlight=False)
    return outcomes


def show_rebuild(pauses: Pauses) -> None:
    """Print how the rebuild went."""
    table = Table(title="Rebuild of the read model")
    table.show_header = False
    for heading, figure in pauses.told():
        table.add_row(heading, figure)
    Console().print(table)


def show(outcomes: list[Outcome], load: float) -> None:
    """Print a row for every question."""
    table = Table(title="A page of 100 by filter")
    for heading in ("filter", "client", "page"):
        table.add_column(heading)
    for heading in ("records", "median ms", "p99 ms", "buffers"):
        table.add_column(heading, justify="right")
    table.add_column("plan")
    for one in outcomes:
        figures = f"{one.records}", f"{one.median_ms:.1f}", f"{one.p99_ms:.1f}", f"{one.buffers:,}"
        table.add_row(one.name, one.client or ALL, str(one.page), *figures, ", ".join(one.plan))
    table.caption = f"load average of 5 minutes: {load:.1f}"
    wide = Console()
    (wide if wide.is_terminal else Console(width=200)).print(table)


if __name__ == "__main__":
    main()
