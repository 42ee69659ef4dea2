"""`quarantine`: what was refused and kept, replayed into the ledger or discarded.

Both kinds: callbacks in quarantine (answered 401 or 403), and the ledger's refused entries (422).
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Annotated
from uuid import UUID

import orjson
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from eventstore.accesses import Access
from eventstore.acts import ActDone, acts_on
from eventstore.database import Database
from ingest import refusals, settlement
from ingest.quarantine import Caps
from ingest.refusals import QUARANTINED, Filters, Kept, Refusal, Usage
from ingest.replay import Replayer, Rules, foresee, judge
from ingest.settlement import Fate, Settled, Tally
from ledger.commands.opened import opened_database
from ledger.commands.operator import operator
from ledger.commands.refusal_options import (
    Actor,
    All,
    Answers,
    Id,
    Ids,
    MandatoryReason,
    Reason,
    Rejection,
    Since,
    Until,
    chosen,
    filters,
)
from ledger.commands.terminal import err, out, plain_errors, tell_error
from ledger.drawing_refusals import drawn_refusal, drawn_refusals, told_tally, told_usage
from ledger.preflight import OPERATOR_ROLE
from ledger.runtime import SUPPLIER, signing_secrets
from ledger.settings import Settings
from projections.projection import kept_in_step

app = typer.Typer(
    name="quarantine",
    help="See what was refused and kept, replay it into the ledger, or discard it.",
    no_args_is_help=True,
)

_DONE = (Fate.RECORDED, Fate.ALREADY_REPLAYED, Fate.DISCARDED, Fate.ALREADY_DISCARDED)


def _rules(settings: Settings) -> Rules:
    return Rules(signing_secrets(settings), settings.max_items, SUPPLIER)


@app.command("list")
def list_(
    answer: Answers = None,
    since: Since = None,
    until: Until = None,
    rejection: Rejection = None,
    limit: Annotated[int, typer.Option(help="How many to show, newest first.", min=1, max=100_000)] = 100,
    all_states: Annotated[bool, typer.Option("--all-states", help="Settled ones too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, nothing else.")] = False,
) -> None:
    """List what was refused and waits, and how full the quarantine is."""
    meant = filters(answer, since, until, rejection, all_states=all_states)

    async def found(settings: Settings) -> tuple[list[Refusal], Usage]:
        async with (
            opened_database(settings, role=OPERATOR_ROLE) as database,
            database.connection() as connection,
        ):
            return await refusals.page(connection, meant, limit + 1), await refusals.usage(connection)

    with plain_errors():
        settings = Settings.load()
        shown, usage = asyncio.run(found(settings))
    if as_json:
        for refusal in shown[:limit]:
            typer.echo(orjson.dumps(refusal._asdict(), option=orjson.OPT_UTC_Z))
        return
    if shown:
        out.print(drawn_refusals(shown[:limit]))
    if len(shown) > limit:
        out.print(f"These are the newest {limit:,}; there are more (--limit).", highlight=False)
    caps = Caps(settings.quarantine_max_requests, settings.quarantine_max_bytes)
    out.print(told_usage(usage, caps), highlight=False, soft_wrap=True)


@app.command()
def show(
    refusal_id: Id,
    raw: Annotated[bool, typer.Option("--raw", help="Write the body's bytes, as received, alone.")] = False,
) -> None:
    """Show one of them: what was sent, what it would come to today, what was done to it."""

    async def found(settings: Settings) -> tuple[Kept | None, list[ActDone]]:
        access = Access(operator(None), "quarantine show", str(refusal_id))
        async with (
            opened_database(settings, role=OPERATOR_ROLE, access=access) as database,
            database.connection() as connection,
        ):
            kept = await refusals.kept(connection, [refusal_id])
            return kept.get(refusal_id), await acts_on(connection, str(refusal_id))

    with plain_errors():
        settings = Settings.load()
        kept, acts = asyncio.run(found(settings))
    if kept is None:
        tell_error(f"{refusal_id}: {Fate.UNKNOWN.value}.")
        raise typer.Exit(1)
    if raw:
        sys.stdout.buffer.write(kept.body or b"")
        return
    out.print(drawn_refusal(kept, judge(kept, _rules(settings)), acts), highlight=False, soft_wrap=True)


@app.command()
def replay(
    ids: Ids = None,
    everything: All = False,
    answer: Answers = None,
    since: Since = None,
    until: Until = None,
    rejection: Rejection = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what a replay would do.")] = False,
    reason: Reason = None,
    actor: Actor = None,
) -> None:
    """Judge them anew by today's secrets and rules, and record what passes, as received when it was.

    What still does not pass stays as it is, and the exit code is 1. A second replay changes nothing.
    """
    meant = chosen(ids, filters(answer, since, until, rejection), everything=everything)

    async def settled(settings: Settings) -> Tally:
        named = [str(one) for one in ids or ()]
        access = Access(
            operator(actor),
            "quarantine replay",
            named[0] if len(named) == 1 else None,
            {"dry_run": dry_run} | ({"ids": named} if len(named) > 1 else {}),
        )
        async with opened_database(settings, role=OPERATOR_ROLE, access=access) as database:
            rules = _rules(settings)
            replayer = Replayer(database, kept_in_step(), rules, actor=operator(actor), reason=reason)
            settle = partial(foresee, database, rules) if dry_run else replayer.replay
            return await _each_batch(database, meant, settle)

    with plain_errors():
        tally = asyncio.run(settled(Settings.load()))
    if dry_run and tally.fates:
        out.print("Nothing was written. A replay would tell:")
    _tell(tally)


@app.command()
def discard(
    reason: MandatoryReason,
    ids: Ids = None,
    everything: All = False,
    answer: Answers = None,
    since: Since = None,
    until: Until = None,
    actor: Actor = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Discard quarantined ones for good, and free their room; an entry of the ledger is never discarded."""
    if answer and 422 in answer:
        raise typer.BadParameter("what was answered 422 is an entry of the ledger, never discarded")
    meant = chosen(ids, filters(answer, since, until), everything=everything)
    if not ids and not answer:
        meant = meant._replace(answers=QUARANTINED)

    async def settled(settings: Settings) -> Tally:
        async with opened_database(settings, role=OPERATOR_ROLE) as database:
            if not yes:
                await _confirm(database, meant)
            settle = partial(settlement.discard, database, actor=operator(actor), reason=reason)
            return await _each_batch(database, meant, settle)

    with plain_errors():
        tally = asyncio.run(settled(Settings.load()))
    _tell(tally)


async def _confirm(database: Database, meant: Filters) -> None:
    """Ask whether so many are to be discarded; end the command unless they are."""
    answers = tuple(code for code in meant.answers if code in QUARANTINED)
    async with database.connection() as connection:
        number = await refusals.count(connection, meant._replace(answers=answers, all_states=False))
    if number:
        typer.confirm(f"Discard {number:,} for good?", abort=True, err=True)


async def _each_batch(
    database: Database, meant: Filters, settle: Callable[[list[UUID]], Awaitable[Sequence[Settled]]]
) -> Tally:
    """Settle what is meant, batch by batch, with a bar on a terminal; what is unknown is told as such."""
    tally = Tally()
    unknown = set(meant.ids or ())
    async with database.connection() as connection:
        total = await refusals.count(connection, meant)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        bar = progress.add_task("settling", total=total)
        async for batch in refusals.batches(database, meant):
            tally.add(await settle(batch))
            unknown -= set(batch)
            progress.advance(bar, len(batch))
    if unknown:
        tally.add(await settle(sorted(unknown)))
    return tally


def _tell(tally: Tally) -> None:
    """Print what became of them; exit 1 where one is neither settled now nor was before."""
    for line in told_tally(tally):
        out.print(line, markup=False, highlight=False, soft_wrap=True)
    if not tally.fates:
        out.print("Nothing of the kind waits.")
    if any(number for fate, number in tally.fates.items() if fate not in _DONE):
        raise typer.Exit(1)
