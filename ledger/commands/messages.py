"""`timeline`, `sign`: look at one message, and sign a callback by hand."""

import asyncio
from typing import Annotated

import typer

from eventstore.accesses import Access
from ingest.signature import SigningSecrets
from ledger.commands.opened import opened_database
from ledger.commands.operator import operator
from ledger.commands.terminal import out, plain_errors, tell_error
from ledger.drawing import drawn_timeline
from ledger.settings import Settings
from query.history import message_timeline
from query.timeline import Step

app = typer.Typer()


@app.command()
def sign(
    file: Annotated[typer.FileBinaryRead, typer.Argument(help="The body, `-` for standard input.")],
) -> None:
    """Print the signature of a file's exact bytes, made with `HMAC_SECRET`.

    It goes into the header `x-hmac-sha256-signature`. Send the very same bytes, with `curl --data-binary`:
    `-d` strips line ends, and re-serialised JSON is other bytes.
    """
    body = file.read()
    with plain_errors():
        typer.echo(SigningSecrets(Settings.load().hmac_secret.get_secret_value()).sign(body))


@app.command()
def timeline(message_id: Annotated[str, typer.Argument(help="The supplier's id of the message.")]) -> None:
    """Draw what happened to one message: every event and repeat by effective time, and what each changed."""

    async def steps_of() -> list[Step]:
        access = Access(operator(None), "timeline", message_id)
        async with opened_database(access=access) as database:
            return await message_timeline(database, message_id)

    with plain_errors():
        steps = asyncio.run(steps_of())
    if not steps:
        tell_error(f"The ledger holds nothing of message {message_id!r}.")
        raise typer.Exit(1)
    out.print(drawn_timeline(message_id, steps))
