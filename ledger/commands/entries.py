"""`entries`: print the public ledger, entry by entry, and follow it."""

import asyncio
from typing import Annotated

import typer

from eventstore.accesses import Access, identifier
from ledger.commands.opened import opened_database
from ledger.commands.operator import operator
from ledger.commands.terminal import plain_errors
from query.feed import MOST, feed

app = typer.Typer()

PAUSE = 1.0
"""Seconds between two looks for what is new."""


@app.command()
def entries(
    after: Annotated[str | None, typer.Option(help="The `cursor` of the last entry that is known.")] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on as the ledger grows, until Ctrl-C.")
    ] = False,
) -> None:
    """Print the public ledger as lines of JSON: entries with what they state, in the order of their index.

    Each line has the `cursor` after which the next one follows: who keeps the last one goes on exactly there.
    """

    async def printed() -> None:
        position = after
        detail = {"follow": follow} | ({} if after is None else {"after": identifier(after)})
        access = Access(operator(None), "entries", detail=detail)
        async with opened_database(access=access) as database:
            while True:
                page = await feed(database, position, MOST)
                for one in page.entries:
                    typer.echo(one.model_dump_json(by_alias=True))
                if not page.entries and not follow:
                    return
                position = page.cursor
                if not page.entries:
                    await asyncio.sleep(PAUSE)

    with plain_errors():
        asyncio.run(printed())
