"""`simulate`: play NHS Notify against a running service."""

import asyncio
import secrets
from datetime import datetime
from typing import Annotated

import httpx
import typer

from eventstore.errors import LedgerError
from ledger.commands.options import address, past_moment, percentage
from ledger.commands.progress import progress_bars
from ledger.commands.terminal import err, out, plain_errors
from ledger.settings import Settings
from ledger.simulator import simulation
from ledger.simulator.keys import Keys
from ledger.simulator.lines import Lines
from ledger.simulator.plan import DAYS, UNTIL, Plan, plan
from ledger.simulator.sender import Pace
from ledger.simulator.simulation import Report
from ledger.simulator.summary import summary

app = typer.Typer()

_UNTIL = UNTIL.isoformat().replace("+00:00", "Z")


class NotInProduction(LedgerError):
    """A simulation is never told to a ledger in production, which would keep it for ever."""


@app.command()
def simulate(
    url: Annotated[
        str, typer.Option(parser=address, metavar="URL", help="The address of the service.")
    ] = "http://127.0.0.1:8000",
    messages: Annotated[
        int, typer.Option(min=1, max=100_000, help="How many messages live; each takes about 13 callbacks.")
    ] = 100,
    rate: Annotated[float, typer.Option(min=0, help="Callbacks a second; 0 is as fast as it goes.")] = 0,
    duplicates: Annotated[
        float,
        typer.Option(
            parser=percentage, metavar="PERCENT", help="How many callbacks come twice, byte for byte."
        ),
    ] = "5%",  # type: ignore[assignment] # the parser reads defaults too
    shuffle: Annotated[
        float,
        typer.Option(
            parser=percentage,
            metavar="PERCENT",
            help="How many callbacks change places at random with one another; 100% leaves no order at all.",
        ),
    ] = "10%",  # type: ignore[assignment]
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="What the lives are drawn from; without one, a new one, which is told."),
    ] = None,
    concurrency: Annotated[
        int, typer.Option(min=1, max=1000, help="How many callbacks are on their way at once, at most.")
    ] = 16,
    until: Annotated[
        datetime,
        typer.Option(
            parser=past_moment,
            metavar="TIME",
            help=f"When the {DAYS} simulated days end: another end is another simulation.",
        ),
    ] = _UNTIL,  # type: ignore[assignment]
) -> None:
    """Play NHS Notify: tell a service the lives of simulated messages, and check what it then says.

    Messages are looked up, sent on the NHS App, read there or passed on to email, SMS and letter; they
    fail with codes; statuses come back with newer timestamps under the same idempotency key. Callbacks
    are signed over their exact bytes, and sent again with back-off and jitter after 429, 5xx or no
    answer. At the end every message is read back, as a whole and channel by channel, and compared with
    what follows from all that was told. Exit 1 when a callback was given up or anything differs.

    The keys are those of the settings: NOTIFY_API_KEY, HMAC_SECRET, CLIENT_API_KEY. The same seed tells
    the same bytes, which a ledger that heard them before takes as repeats. What is told stays: never
    point it at a ledger that matters.

    Example: status-ledger simulate --messages 1000 --duplicates 20% --shuffle 100% --seed 7
    """
    with plain_errors():
        settings = Settings.load()
        if settings.environment == "prd":
            raise NotInProduction
        seed = secrets.randbelow(2**32) if seed is None else seed
        out.print(f"Seed {seed}; the simulated days end at {until:%Y-%m-%dT%H:%M:%SZ}.", highlight=False)
        with err.status("Planning …"):
            planned = plan(messages, seed, until=until, duplicates=duplicates, shuffle=shuffle)
        report = asyncio.run(_carry_out(url, Keys.of(settings), planned, Pace(concurrency, rate)))
    out.print(summary(report))
    raise typer.Exit(0 if report.agrees else 1)


async def _carry_out(url: str, keys: Keys, planned: Plan, pace: Pace) -> Report:
    async with httpx.AsyncClient(base_url=url, transport=Lines(pace.concurrency), timeout=30) as client:
        with progress_bars() as progress:
            return await simulation.simulate(client, keys, planned, pace, progress)
