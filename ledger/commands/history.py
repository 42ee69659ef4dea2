"""`timeline`, `entry`: what the ledger holds of one message, and one entry as evidence."""

import asyncio
import sys
from typing import Annotated

import typer

from eventstore.accesses import Access, identifier
from eventstore.database import Database
from eventstore.recipients import RecipientKeys
from ledger.commands.opened import opened_database
from ledger.commands.operator import operator
from ledger.commands.terminal import out, plain_errors, tell_error
from ledger.drawing_history import drawn_entry, drawn_timeline
from ledger.runtime import kept_secrets
from ledger.settings import Settings
from query.cuts import MOST_STEPS, question
from query.evidence import Evidence, evidence
from query.filters import from_parameters
from query.history import message_history
from query.history_models import EntryAnswer, EntryShown, TimelineAnswer
from query.models import Record
from query.page import fetch

app = typer.Typer()

MOST_MESSAGES = 20
"""How many messages of one reference are drawn."""

Json = Annotated[bool, typer.Option("--json", help="The API's answer, a line of JSON a message.")]


@app.command()
def timeline(
    message_id: Annotated[str | None, typer.Argument(help="The supplier's id of the message.")] = None,
    reference: Annotated[
        str | None, typer.Option(help="The client's reference instead: every message that bears it.")
    ] = None,
    known_at: Annotated[
        str | None,
        typer.Option(help="What the ledger knew at this time: recorded by then. Or how many sealed entries."),
    ] = None,
    as_of: Annotated[str | None, typer.Option(help="What was true at this time: effective by then.")] = None,
    limit: Annotated[
        int, typer.Option(help="How many lines to show, earliest first.", min=1, max=MOST_STEPS)
    ] = MOST_STEPS,
    cursor: Annotated[str | None, typer.Option(help="Go on where a page of that limit ended.")] = None,
    as_json: Json = False,
) -> None:
    """Draw what happened to a message: all that the ledger holds of it, by effective time, a lane a channel.

    A time is `2026-11-23T09:15:02.5Z`, or a date, which is its midnight; no offset means UTC.
    """
    if (message_id is None) == (reference is None):
        raise typer.BadParameter("give a message or --reference")
    given = {"known_at": known_at, "as_of": as_of, "limit": str(limit), "cursor": cursor}
    asked = [(name, text.strip().replace(" ", "T", 1)) for name, text in given.items() if text is not None]

    detail = {name: identifier(text) for name, text in [("reference", reference), *given.items()] if text}

    async def found() -> list[TimelineAnswer]:
        access = Access(operator(None), "timeline", message_id, detail)
        async with opened_database(access=access) as database:
            messages = [message_id] if message_id is not None else await _bearing(database, reference or "")
            return [answer for one in messages if (answer := await _answer(database, one, asked)) is not None]

    with plain_errors():
        answers = asyncio.run(found())
    if not answers:
        named = f"message {message_id!r}" if reference is None else f"a message with reference {reference!r}"
        tell_error(f"The ledger holds nothing of {named}.")
        raise typer.Exit(1)
    for answer in answers:
        if as_json:
            typer.echo(answer.model_dump_json(by_alias=True, exclude_unset=True))
            continue
        out.print(drawn_timeline(answer.data))
        if answer.links is not None:
            following = answer.links.next.rpartition("cursor=")[2]
            out.print(f"More follow: --cursor {following}", highlight=False, soft_wrap=True)


@app.command()
def entry(
    entry_id: Annotated[str, typer.Argument(help="The entry's id.")],
    raw: Annotated[bool, typer.Option("--raw", help="Write the body's bytes, as received, alone.")] = False,
    as_json: Json = False,
) -> None:
    """Show one entry of the ledger as evidence: who sent it and when, whether its signature verifies now."""

    async def found(settings: Settings) -> Evidence | None:
        access = Access(operator(None), "entry", entry_id)
        async with opened_database(settings, access=access) as database:
            return await evidence(database, entry_id, kept_secrets(settings).verifies)

    with plain_errors():
        kept = asyncio.run(found(Settings.load()))
    if kept is None:
        tell_error(f"The ledger has no entry {entry_id!r}.")
        raise typer.Exit(1)
    if raw:
        sys.stdout.buffer.write(kept.entry.body or b"")
    elif as_json:
        typer.echo(EntryAnswer(status="success", data=EntryShown.of(kept)).model_dump_json(by_alias=True))
    else:
        out.print(drawn_entry(kept), highlight=False, soft_wrap=True)
    if kept.verification == "wrong":
        raise typer.Exit(1)


async def _bearing(database: Database, reference: str) -> list[str]:
    """Return the messages that bear a reference, newest first, at most `MOST_MESSAGES`."""
    parameters = [("messageReference", reference), ("limit", str(MOST_MESSAGES))]
    page = await fetch(database, from_parameters(parameters, RecipientKeys()))
    return [Record.of(row).message_id for row in page.rows]


async def _answer(database: Database, message_id: str, asked: list[tuple[str, str]]) -> TimelineAnswer | None:
    question_asked = question(message_id, asked)
    history = await message_history(database, question_asked)
    return TimelineAnswer.of(question_asked, history) if history is not None else None
