"""`verify`, `rebuild`: hold the read model against the ledger, and make it anew."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Annotated, Any

import psycopg
import typer
from psycopg import sql
from rich.console import Console
from rich.table import Table

from eventstore.database import CONNECT_TIMEOUT, DatabaseUnavailable, url_now
from eventstore.errors import LedgerError
from ledger.commands.progress import progress_bars
from ledger.commands.terminal import err, out, plain_errors
from ledger.database_url import database_url
from ledger.migration import head
from ledger.preflight import ensure_fit
from ledger.settings import DatabaseSettings
from projections import rebuild as rebuilding
from projections import verify as verifying
from projections.projection import CURRENT_STATUS, PROJECTIONS, projection
from projections.verify import Difference

app = typer.Typer()


class DatabaseRefused(LedgerError):
    """The database refuses."""


Name = Annotated[str, typer.Argument(help=f"One of: {', '.join(one.name for one in PROJECTIONS)}.")]
Most = Annotated[int, typer.Option("--show", min=1, help="How many differing rows are shown at most.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print each differing row as a line of JSON.")]


@app.command()
def verify(show: Most = 100, as_json: AsJson = False) -> None:
    """Fold the whole ledger again, and compare every row of the read model with the outcome.

    Reads at one moment, beside a running service. Exits 1 where a row differs, and names it. The server needs
    disk for a second read model while it runs.
    """
    with plain_errors(), connected(migrating=False) as connection, _bar("Folding") as (begun, progress):
        found = verifying.verify(connection, PROJECTIONS, begun=begun, progress=progress)
        differing = _tell(found, show, as_json)
    if not differing:
        err.print("The read model is what the ledger says.", style="green", soft_wrap=True)
    raise typer.Exit(1 if differing else 0)


@app.command()
def rebuild(
    name: Name = CURRENT_STATUS.name,
    check: Annotated[
        bool,
        typer.Option("--check", help="Rebuild, compare, leave the old tables; exit 1 on a difference."),
    ] = False,
    show: Most = 100,
    as_json: AsJson = False,
) -> None:
    """Make the tables of a projection anew from the ledger, beside a running service.

    Clients read the old tables until the new ones take their place, in one commit. Works as the owner of the
    schema (`MIGRATION_DATABASE_URL`). Safe to run again after a crash.
    """
    with plain_errors():
        wanted = projection(name)
        with connected(migrating=True) as connection, _bar("Rebuilding") as (begun, progress):
            if check:
                found = rebuilding.check(connection, wanted, begun=begun, progress=progress)
                differing = _tell(found, show, as_json)
                told = "" if differing else f"The tables of {name} are what the ledger says."
            else:
                folded = rebuilding.rebuild(connection, wanted, begun=begun, progress=progress)
                differing = 0
                told = f"{folded:,} events folded, and the tables of {name} replaced."
    if told:
        err.print(told, style="green", highlight=False, soft_wrap=True)
    raise typer.Exit(1 if differing else 0)


@contextmanager
def connected(*, migrating: bool) -> Iterator[psycopg.Connection]:
    """Lend a connection in autocommit mode, as the owner of the schema or under the service's role.

    Raises `UnfitDatabase`, `DatabaseUnavailable`, also where it is lost meanwhile, and `DatabaseRefused`.
    """
    with database_url(DatabaseSettings.load(), migrating=migrating) as url:
        fitness = asyncio.run(ensure_fit(url, head=head(), deployed=False, allow_unsafe=True))
        try:
            connection = psycopg.connect(
                asyncio.run(url_now(url)),
                autocommit=True,
                connect_timeout=CONNECT_TIMEOUT,
                client_encoding="utf8",
            )
        except psycopg.OperationalError as error:
            raise DatabaseUnavailable(str(error)) from error
        with connection:
            try:
                connection.execute("SET timezone TO 'UTC'")
                if fitness.role is not None and not migrating:
                    connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(fitness.role)))
                with suppress(psycopg.DataError):  # not every platform can tell
                    connection.execute("SET client_connection_check_interval = '2s'")  # what is killed, ends
                yield connection
            except psycopg.Error as error:
                told = error.diag.message_primary or str(error)
                raise (DatabaseUnavailable if connection.closed else DatabaseRefused)(told) from error


@contextmanager
def _bar(doing: str) -> Iterator[tuple[Callable[[int], None], Callable[[int], None]]]:
    """Show a progress bar; give what sets its length, and what advances it."""
    advance: list[Callable[[int], None]] = []

    def progress(events: int) -> None:
        advance[0](events)

    with progress_bars() as begin:
        yield (lambda events: advance.append(begin(doing, events))), progress


def _tell(found: Iterator[Difference], show: int, as_json: bool) -> int:
    """Print the differing rows, at most `show` of them, and return how many there are."""
    table = Table()
    for title in ("table", "row", "what is wrong", "column", "the table says", "the ledger says"):
        table.add_column(title, overflow="fold")
    number = 0
    for number, one in enumerate(found, 1):
        if number > show:
            continue
        if as_json:
            typer.echo(json.dumps(one._asdict(), default=_plain))
            continue
        key = ", ".join(map(str, one.key.values()))
        for place, (column, (told, due)) in enumerate(one.columns.items()):
            named = (one.table, key, one.kind) if place == 0 else ("", "", "")
            table.add_row(*named, column, _plain(told), _plain(due))
    if number and not as_json:
        _wide(out).print(table)
    if number:
        shown = f" ({show:,} shown)" if number > show else ""
        err.print(f"Rows that differ: {number:,}{shown}.", style="red", highlight=False, soft_wrap=True)
    return number


def _wide(console: Console) -> Console:
    """Return a console that cuts nothing off where its output goes to a file."""
    return console if console.is_terminal else Console(width=200, file=console.file)


def _plain(value: Any) -> str:
    match value:
        case None:
            return ""
        case bytes():
            return value.hex()
        case _:
            return str(value)
