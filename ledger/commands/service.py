"""`init`, `migrate`, `serve`, `health`: set the service up, run it, and ask how it is."""

import asyncio
from pathlib import Path
from typing import Annotated

import httpx
import typer

from eventstore.database import url_now
from ledger import migration, server
from ledger.commands.terminal import err, out, plain_errors
from ledger.database_url import database_url
from ledger.settings import DatabaseSettings, Settings, random_environment
from ledger.telemetry.logs import configure_logging

app = typer.Typer()


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
    with plain_errors():
        settings = DatabaseSettings.load()
        with database_url(settings, migrating=True) as url:
            for warning in migration.migrate(asyncio.run(url_now(url)), revision):
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
    with plain_errors():
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
