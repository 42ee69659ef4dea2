"""The command line, `status-ledger`: run the service, migrate its database, look at what it holds."""

from importlib.metadata import version
from typing import Annotated

import typer

from ledger.commands import export, keys, messages, projections, quarantine, reports, service, simulate
from ledger.commands.terminal import out

app = typer.Typer(
    name="status-ledger",
    help="Status Ledger: an append-only ledger of signed callbacks, and the current status of every message.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
for commands in (service, simulate, messages, reports, export, projections, quarantine, keys):
    app.add_typer(commands.app)


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


def main() -> None:
    """Run the command line."""
    app()
