"""`erase`: takes one message out of the ledger, and leaves an entry that says so."""

import asyncio
from collections.abc import Iterator
from typing import Annotated

import typer

from eventstore import erasure
from eventstore.erasure import Erased, Outcome, Request
from ledger.commands.opened import opened_database
from ledger.commands.operator import operator
from ledger.commands.refusal_options import Actor, MandatoryReason, printable
from ledger.commands.terminal import out, plain_errors, tell_error
from ledger.preflight import ERASER_ROLE

app = typer.Typer()

BEYOND_REACH = (
    "Backups, archived WAL, replicas of the database's files and log files outside are not reached:"
    " let them run out, and erase again after a restore (docs/erasure.md)."
)


def _utf8(text: str) -> str:
    if "\0" in text or not text.encode("utf-8", "ignore").decode() == text:
        raise typer.BadParameter("must be UTF-8 text without NUL")
    return text


@app.command()
def erase(
    message: Annotated[
        str,
        typer.Option(
            "--message", callback=_utf8, metavar="ID", help="The supplier's id of it.", show_default=False
        ),
    ],
    reason: MandatoryReason,
    legal_basis: Annotated[
        str,
        typer.Option("--legal-basis", callback=printable, help="By what right or duty.", show_default=False),
    ],
    whole_entry: Annotated[
        bool, typer.Option("--whole-entry", help="Also where an entry carries other messages too.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be erased.")] = False,
    actor: Actor = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Erase what the ledger holds of one message, for good.

    Its callbacks are blanked, its events, statuses and registrations deleted, and an entry is appended that
    names what went, by whom and why: put nothing personal into the reason. What comes of it later is not
    kept. Works as the role `ledger_eraser`. Exits 1 where nothing could be erased.
    """
    request = Request(message, operator(actor), reason, legal_basis, whole_entry)

    async def done() -> Erased:
        async with opened_database(role=ERASER_ROLE) as database:
            if yes and not dry_run:
                return await erasure.erase(database, request)
            meant = await erasure.foresee(database, request)
            if dry_run or meant.outcome is not Outcome.NOT_ERASED or (meant.others and not whole_entry):
                return meant
            _print(_told(meant))
            typer.confirm(f"Erase all this of {message!r} for good?", abort=True, err=True)
            return await erasure.erase(database, request)

    with plain_errors():
        told = asyncio.run(done())
    _finish(request, told)


def _finish(request: Request, told: Erased) -> None:
    """Print what came of it, and end with the exit code that says so."""
    match told.outcome:
        case Outcome.UNKNOWN:
            tell_error(f"The ledger holds nothing of message {request.message_id!r}.")
            raise typer.Exit(1)
        case Outcome.ALREADY:
            out.print("Erased already, and nothing came since.")
            return
    if told.others and not request.whole_entry:
        _print(_told(told))
        tell_error("Nothing was erased: what carries other messages too goes with --whole-entry alone.")
        raise typer.Exit(1)
    if told.outcome is Outcome.NOT_ERASED:
        out.print("Nothing was erased. An erasure would reach:")
        _print(_told(told))
    else:
        _print(_told(told))
        _print([f"Erased. Entry {told.erasure_id} says so."])
    _print([BEYOND_REACH])


def _told(told: Erased) -> Iterator[str]:
    """Yield what an erasure reaches, a line each."""
    for name, number in (
        ("entries, blanked", len(told.entries)),
        ("events, deleted", told.events),
        ("repeats, deleted", told.repeats),
        ("registrations, deleted", told.registrations),
        ("requests in quarantine, blanked", len(told.quarantined)),
    ):
        yield f"{number:>9,}  {name}"
    for kept, kind in ((told.entries, "entry"), (told.quarantined, "quarantined request")):
        for one, others in kept.items():
            also = f", which carries also {', '.join(map(ascii, others))}" if others else ""
            yield f"           {kind} {one}{also}"
    for reference in told.shared:
        yield f"The registrations of reference {reference!a} stay: another message has it too."


def _print(lines: list[str] | Iterator[str]) -> None:
    for line in lines:
        out.print(line, markup=False, highlight=False, soft_wrap=True)
