"""The command line, `status-ledger`: run the service, migrate its database, look at what it holds."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import httpx
import typer
from rich.console import Console

from eventstore.database import Database
from eventstore.errors import LedgerError
from ingest.signature import SigningSecrets
from ledger import migration, server
from ledger.database_url import database_url
from ledger.drawing import drawn_timeline
from ledger.preflight import ensure_fit
from ledger.settings import DatabaseSettings, Settings, random_environment
from ledger.telemetry import configure_logging
from query.history import message_timeline
from query.timeline import Step

app = typer.Typer(
    name="status-ledger",
    help="Status Ledger: an append-only ledger of signed callbacks, and the current status of every message.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
out = Console()
err = Console(stderr=True)


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Tell a foreseen error in one line, and exit 1."""
    try:
        yield
    except LedgerError as error:
        told = " ".join(str(error).split())  # libpq's messages have several lines
        err.print(f"status-ledger: {told}", style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1) from None


def _show_version(wanted: bool) -> None:
    if wanted:
        out.print(f"status-ledger {version('status-ledger')}", highlight=False)
        raise typer.Exit


@app.callback()
def _options(
    _: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    pass


@app.command()
def init(
    path: Annotated[Path, typer.Option(help="The file to write.")] = Path(".env"),
) -> None:
    """Write a `.env` with random secrets for development, unless there is one."""
    if path.exists():
        out.print(f"{path} is there already: left as it is.", highlight=False)
        return
    path.touch(mode=0o600)
    path.write_text(random_environment(), encoding="utf-8")
    out.print(f"{path} written, with random secrets.", highlight=False)


@app.command()
def migrate(
    revision: Annotated[str, typer.Argument(help="The revision to upgrade to.")] = "head",
) -> None:
    """Bring the database's schema to the newest revision.

    Works as the owner of the schema: `MIGRATION_DATABASE_URL`, or else `DATABASE_URL`, or else the service's
    own PostgreSQL. Safe to run again, and beside a running service.
    """
    with _plain_errors():
        settings = DatabaseSettings.load()
        with database_url(settings, migrating=True) as url:
            for warning in migration.migrate(url, revision):
                err.print(f"warning: {warning}", style="yellow", markup=False, soft_wrap=True)
    out.print(
        f"The database is at revision {migration.head() if revision == 'head' else revision}.",
        highlight=False,
    )


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen on.", min=1, max=65535)] = 8000,
    workers: Annotated[int, typer.Option(help="How many processes serve.", min=1, max=64)] = 1,
) -> None:
    """Serve the API until told to stop.

    Without `DATABASE_URL`, locally, it starts its own PostgreSQL under `.data`.
    """
    with _plain_errors():
        settings = Settings.load()
        configure_logging(settings.log_level)
        server.serve(
            settings,
            host,
            port,
            workers,
            lambda: err.print(
                f"Status Ledger listens on http://{host}:{port} (Ctrl-C stops it).",
                highlight=False,
                soft_wrap=True,
            ),
        )


@app.command()
def sign(
    file: Annotated[typer.FileBinaryRead, typer.Argument(help="The body, `-` for standard input.")],
) -> None:
    """Print the signature of a file's exact bytes, made with `HMAC_SECRET`.

    It goes into the header `x-hmac-sha256-signature`. Send the very same bytes, with `curl --data-binary`:
    `-d` strips line ends, and re-serialised JSON is other bytes.
    """
    body = file.read()
    with _plain_errors():
        typer.echo(SigningSecrets(Settings.load().hmac_secret.get_secret_value()).sign(body))


@app.command()
def timeline(message_id: Annotated[str, typer.Argument(help="The supplier's id of the message.")]) -> None:
    """Draw what happened to one message: every event and repeat by effective time, and what each changed."""

    async def steps_of(url: str) -> list[Step]:
        fitness = await ensure_fit(url, head=migration.head(), deployed=False, allow_unsafe=True)
        async with Database(url, role=fitness.role, connections=2) as database:
            return await message_timeline(database, message_id)

    with _plain_errors(), database_url(DatabaseSettings.load()) as url:
        steps = asyncio.run(steps_of(url))
    if not steps:
        told = f"The ledger holds nothing of message {message_id!r}."
        err.print(told, markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1)
    out.print(drawn_timeline(message_id, steps))


@app.command()
def health(
    url: Annotated[str, typer.Option(help="The address of the service.")] = "http://127.0.0.1:8000",
) -> None:
    """Ask a running service whether it can take callbacks; exit 1 if not."""
    try:
        answer = httpx.get(f"{url.rstrip('/')}/api/healthcheck/ready", timeout=10)
        told = answer.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        err.print(f"{url}: no answer ({type(error).__name__})", style="red", markup=False)
        raise typer.Exit(1) from None
    lacking = ", ".join(told.get("missing", []))
    out.print(f"{url}: {told.get('status')}{f' ({lacking} missing)' if lacking else ''}", highlight=False)
    raise typer.Exit(0 if answer.status_code == 200 else 1)


def main() -> None:
    """Run the command line."""
    app()
