"""The command line, `status-ledger`: run the service, migrate its database, look at what it holds."""

from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_group

from ledger.commands.terminal import out

COMMANDS = {
    "init": "service",
    "migrate": "service",
    "serve": "service",
    "health": "service",
    "simulate": "simulate",
    "sign": "signing",
    "timeline": "history",
    "entry": "history",
    "verify": "projections",
    "rebuild": "projections",
    "quarantine": "quarantine",
    "keys": "keys",
}
"""Each command, in the order of `--help`, and the module of `ledger.commands` that has it."""


class Commands(TyperGroup):
    """Imports a command when it is asked for, so that `sign` does not wait for the whole service."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names, in the order of `--help`."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command, or a group of commands, by its name."""
        if cmd_name not in COMMANDS:
            return None
        group = get_group(import_module(f"ledger.commands.{COMMANDS[cmd_name]}").app)
        return group if group.name == cmd_name else group.commands[cmd_name]


app = typer.Typer(
    name="status-ledger",
    cls=Commands,
    help="Status Ledger: an append-only ledger of signed callbacks, and the current status of every message.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


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
