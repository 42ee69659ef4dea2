"""What every command does alike: where it prints, and how it tells an error."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console

from eventstore.errors import LedgerError

out = Console()
err = Console(stderr=True)


def tell_error(told: str) -> None:
    """Print one line to standard error, as it is."""
    err.print(told, style="red", markup=False, highlight=False, soft_wrap=True)


@contextmanager
def plain_errors() -> Iterator[None]:
    """Tell a foreseen error in one line, and exit 1."""
    try:
        yield
    except LedgerError as error:
        tell_error(f"status-ledger: {' '.join(str(error).split())}")  # libpq's messages have several lines
        raise typer.Exit(1) from None
