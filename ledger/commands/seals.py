"""`seal`, `rebase`, `public-key`: seal the ledger by hand, settle it after a restore, and tell its key."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import typer

from eventstore.database import Database
from eventstore.errors import LedgerError
from eventstore.sealer_state import State, read_state
from eventstore.sealing import Rebased, Sealing
from ledger.commands.opened import opened_database
from ledger.commands.terminal import err, plain_errors
from ledger.seals import seals_of
from ledger.settings import SealingSettings
from projections.listing import Listing

app = typer.Typer()


class NothingSealed(LedgerError):
    """Nothing is sealed yet, so the log has no name: run `status-ledger seal`."""


class SealingKeyMissing(LedgerError):
    """SEALING_KEY is not set."""


@asynccontextmanager
async def _opened() -> AsyncIterator[tuple[Database, Sealing]]:
    settings = SealingSettings.load()
    async with opened_database(settings, writes=True) as database:
        yield database, Sealing(database, seals_of(settings))


async def _state(database: Database) -> State:
    async with database.connection() as connection:
        return await read_state(connection)


@app.command()
def seal() -> None:
    """Seal what is new, sign a checkpoint and publish it, once; beside a running service or without one.

    Registered messages that are not listed yet are listed too.
    """

    async def sealed() -> tuple[int, State]:
        async with _opened() as (database, sealing):
            await Listing(database).once()
            return await sealing.once(now=True), await _state(database)

    with plain_errors():
        entries, state = asyncio.run(sealed())
    _tell(f"{entries:,} entries sealed, {state.size:,} in all; {state.published_size:,} of them are public.")


@app.command()
def rebase() -> None:
    """Settle the sealed ledger after a restore, a move or a copy of the database.

    Where the log is consistent with the last anchor it goes on. Otherwise a new one begins, under a new name;
    whoever follows the feed has to start anew. Entries stay what they are.
    """

    async def rebased() -> Rebased:
        async with _opened() as (_, sealing):
            return await sealing.rebase()

    with plain_errors():
        done = asyncio.run(rebased())
    if done.renewed is None:
        _tell(f"The log {done.incarnation} goes on; {done.entries:,} entries sealed.")
    else:
        _tell(f"The log {done.incarnation} begins, because {done.renewed}; {done.entries:,} entries sealed.")


@app.command("public-key")
def public_key() -> None:
    """Print the public key by which anybody can check this ledger's checkpoints and proofs."""

    async def key() -> str:
        settings = SealingSettings.load()
        seals = seals_of(settings)
        if seals is None:
            raise SealingKeyMissing
        async with opened_database(settings) as database:
            incarnation = (await _state(database)).incarnation
        if incarnation is None:
            raise NothingSealed
        return str(seals.key.verifying(seals.origin(incarnation)))

    with plain_errors():
        typer.echo(asyncio.run(key()))


def _tell(told: str) -> None:
    err.print(told, markup=False, highlight=False, soft_wrap=True)
