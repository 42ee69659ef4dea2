"""The arguments and options by which an operator says which refusals are meant."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import typer

from ingest.refusals import ANSWERS, Filters
from ledger.commands.options import moment


def _known(answers: list[int] | None) -> list[int] | None:
    if answers is not None and set(answers) - set(ANSWERS):
        raise typer.BadParameter(f"must be one of {', '.join(map(str, ANSWERS))}")
    return answers


def printable(text: str | None) -> str | None:
    """Return the text of an option, if it can be shown as it is; raises `typer.BadParameter`."""
    if text is not None and not (text.strip() and text.isprintable()):
        raise typer.BadParameter("must be printable text")
    return text


Id = Annotated[UUID, typer.Argument(metavar="ID", help="As `quarantine list` shows it.", show_default=False)]
Ids = Annotated[list[UUID] | None, typer.Argument(metavar="ID", help="As `quarantine list` shows them.")]
All = Annotated[bool, typer.Option("--all", help="All that wait.")]
Answers = Annotated[
    list[int] | None,
    typer.Option(
        "--answer", callback=_known, metavar="CODE", help="Answered so: 401, 403 or 422; repeatable."
    ),
]
Since = Annotated[
    datetime | None,
    typer.Option(parser=moment, metavar="TIME", help="Received then or later: a date or a time, in UTC."),
]
Until = Annotated[
    datetime | None,
    typer.Option(parser=moment, metavar="TIME", help="Received before then: a date or a time, in UTC."),
]
Rejection = Annotated[
    str | None,
    typer.Option(callback=printable, metavar="TEXT", help="422s whose reason contains this, to the letter."),
]
Actor = Annotated[
    str | None,
    typer.Option("--as", callback=printable, metavar="NAME", help="Who you are, for the log of acts."),
]
Reason = Annotated[str | None, typer.Option(callback=printable, help="Why, for the log of acts.")]
MandatoryReason = Annotated[
    str, typer.Option(callback=printable, help="Why, for the log of acts.", show_default=False)
]


def filters(
    answers: list[int] | None,
    since: datetime | None,
    until: datetime | None,
    rejection: str | None = None,
    *,
    all_states: bool = False,
) -> Filters:
    """Return the filters that the options mean."""
    return Filters(
        answers=tuple(answers or ANSWERS),
        since=since,
        until=until,
        rejection=rejection,
        all_states=all_states,
    )


def chosen(ids: list[UUID] | None, filtered: Filters, *, everything: bool) -> Filters:
    """Return what is to be settled: what ids name, or filters let through, or all, but never by oversight.

    Raises `typer.BadParameter` unless it is one of the three.
    """
    if sum((bool(ids), filtered != Filters(), everything)) != 1:
        raise typer.BadParameter("name ids, or filters, or --all: one of the three")
    return Filters(ids=tuple(dict.fromkeys(ids)), all_states=True) if ids else filtered
