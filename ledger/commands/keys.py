"""`keys create`, `keys list`, `keys revoke`: API keys of clients and auditors, while the service runs."""

import asyncio
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from eventstore.caller import Scope
from ledger.api_keys import KeyShown, NewKey, all_keys, create_key, revoke_key
from ledger.commands.opened import opened_as_owner
from ledger.commands.terminal import err, out, plain_errors
from ledger.issued_keys import FRESH_FOR

app = typer.Typer(
    name="keys",
    help="Issue, list and revoke API keys of clients and auditors, as the owner of the schema.",
    no_args_is_help=True,
)


@app.command()
def create(
    name: Annotated[str, typer.Option(help="What to call the key; no other may have had the name.")],
    scope: Annotated[list[Scope], typer.Option(help="What it opens; may be given more than once.")],
    client: Annotated[
        str | None, typer.Option(help="Whose key it is; without it, a new client's of the key's name.")
    ] = None,
) -> None:
    """Issue a key, and print it this once: only its salted hash is kept."""

    async def issued() -> NewKey:
        async with opened_as_owner() as database:
            return await create_key(database, name, scope, client)

    with plain_errors():
        made = asyncio.run(issued())
    typer.echo(made.key.get_secret_value())
    _tell(
        f"Key {made.key_id} of client {made.client_id} opens the API within {FRESH_FOR:.0f} seconds."
        " Keep it where secrets are kept: it is not shown again."
    )


@app.command("list")
def list_() -> None:
    """List every key that was ever issued, but no key itself."""

    async def issued() -> list[KeyShown]:
        async with opened_as_owner() as database:
            return await all_keys(database)

    with plain_errors():
        shown = asyncio.run(issued())
    out.print(_drawn(shown))


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(metavar="KEY_ID", help="The id of the key, or the key itself.")],
) -> None:
    """Revoke a key for ever."""

    async def revoked() -> KeyShown:
        async with opened_as_owner() as database:
            return await revoke_key(database, key)

    with plain_errors():
        before = asyncio.run(revoked())
    told = f"Key {before.key_id} ({before.name}) of client {before.client_id}"
    if before.revoked_at is not None:
        _tell(f"{told} was revoked at {before.revoked_at:%Y-%m-%d %H:%M:%S} UTC.")
    else:
        _tell(f"{told} is revoked: within {FRESH_FOR:.0f} seconds it opens nothing.")


def _tell(told: str) -> None:
    err.print(told, markup=False, highlight=False, soft_wrap=True)


def _drawn(keys: list[KeyShown]) -> Table:
    table = Table()
    table.add_column("key id", no_wrap=True)
    for heading in ("name", "client", "scopes", "created (UTC)", "by", "revoked (UTC)", "by"):
        table.add_column(heading, overflow="fold")
    for key in keys:
        revoked = f"{key.revoked_at:%Y-%m-%d %H:%M}" if key.revoked_at is not None else ""
        cells = (
            key.key_id,
            key.name,
            key.client_id,
            "\n".join(key.scopes),
            f"{key.created_at:%Y-%m-%d %H:%M}",
            key.created_by,
            revoked,
            key.revoked_by or "",
        )
        table.add_row(*map(Text, cells), style="dim" if revoked else "")
    return table
