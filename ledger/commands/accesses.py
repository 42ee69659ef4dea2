"""`accesses list`: who looked at what, when and from where."""

import asyncio
from typing import Annotated

import orjson
import typer
from rich.table import Table
from rich.text import Text

from eventstore.accesses import Accessed, Filters, accesses, identifier
from ledger.commands.opened import opened_database
from ledger.commands.refusal_options import Since, Until
from ledger.commands.terminal import out, plain_errors
from ledger.drawing import shown_time
from ledger.preflight import AUDITOR_ROLE

app = typer.Typer(name="accesses", help="See who looked at what the ledger holds.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """See who looked at what the ledger holds."""


@app.command("list")
def list_(
    who: Annotated[str | None, typer.Option(help="Whose name, client or operator, contains this.")] = None,
    what: Annotated[str | None, typer.Option(help="Whose route or command contains this.")] = None,
    subject: Annotated[
        str | None, typer.Option("--id", help="At what: the id of a message, an entry or a refusal.")
    ] = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(help="How many to show, newest first.", min=1, max=100_000)] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, nothing else.")] = False,
) -> None:
    """List who looked: auditors by their keys, operators by their commands, newest first."""
    meant = Filters(who, what, None if subject is None else identifier(subject), since, until)

    async def found() -> list[Accessed]:
        async with opened_database(role=AUDITOR_ROLE) as database:
            return await accesses(database, meant, limit + 1)

    with plain_errors():
        shown = asyncio.run(found())
    if as_json:
        for one in shown[:limit]:
            typer.echo(orjson.dumps(one._asdict(), option=orjson.OPT_UTC_Z))
        return
    if not shown:
        out.print("Nobody looked at anything of the kind.")
        return
    out.print(_drawn(shown[:limit]))
    if len(shown) > limit:
        out.print(f"These are the newest {limit:,}; there are more (--limit).", highlight=False)


def _drawn(lines: list[Accessed]) -> Table:
    table = Table(expand=False)
    table.add_column("when (UTC)", no_wrap=True)
    for heading in ("who", "what", "at", "from", "asked"):
        table.add_column(heading, overflow="fold")
    for one in lines:
        who = one.actor if one.key_id is None else f"{one.actor} (key {one.key_id})"
        asked = ", ".join(name if value is None else f"{name} {value}" for name, value in one.detail.items())
        cells = (shown_time(one.accessed_at), who, one.access, one.subject or "", one.peer or "", asked)
        table.add_row(*(Text(cell.encode("ascii", "backslashreplace").decode()) for cell in cells))
    return table
