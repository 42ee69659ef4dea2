"""`sign`: sign a callback by hand."""

from typing import Annotated

import typer

from ingest.signature import SigningSecrets
from ledger.commands.terminal import plain_errors
from ledger.settings import Settings

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
