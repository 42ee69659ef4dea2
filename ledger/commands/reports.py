"""`report delivery`, `report overdue`: what became of a batch, and what has waited too long."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, TypeVar

import typer
from rich.table import Table
from rich.text import Text

from eventstore.accesses import Access, identifier
from eventstore.database import Database
from ledger.commands.opened import opened_database
from ledger.commands.operator import operator
from ledger.commands.terminal import out, plain_errors
from ledger.drawing import shown_time
from ledger.settings import DatabaseSettings
from query.formats import CsvLines
from query.report_filters import delivery_query, overdue_query
from query.report_models import DeliveryRow, OverdueRow, ReportRow
from query.reports import delivery, overdue

app = typer.Typer(
    name="report",
    help="Reports on every client's messages: what became of a batch, and what is overdue.",
    no_args_is_help=True,
)

AnyRow = TypeVar("AnyRow", bound=ReportRow)


class Form(StrEnum):
    """How a report is printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


FormOption = Annotated[Form, typer.Option("--format", help="A table for people, or CSV, or JSON.")]


@app.command("delivery")
def delivery_(
    batch: Annotated[str, typer.Argument(help="The batch reference.", show_default=False)],
    form: FormOption = Form.TABLE,
) -> None:
    """Print what became of each message of a batch."""

    async def pages(database: Database) -> AsyncIterator[list[DeliveryRow]]:
        asked = [("batchReference", batch)]
        query = delivery_query(asked)
        while True:
            rows, last = await delivery(database, query)
            yield rows
            if last is None:
                return
            query = delivery_query([*asked, ("cursor", query.cursor(last))])

    _print(
        Access(operator(None), "report delivery", batch), pages, form, DeliveryRow.columns(), _drawn_delivery
    )


@app.command("overdue")
def overdue_(
    batch: Annotated[str | None, typer.Option(help="Of this batch alone.")] = None,
    channel: Annotated[str | None, typer.Option(help="Of this latest channel alone.")] = None,
    as_of: Annotated[
        str | None, typer.Option(metavar="TIME", help="At a date or a time, in UTC, instead of now.")
    ] = None,
    form: FormOption = Form.TABLE,
) -> None:
    """Print the messages that have no final status although their time is up."""
    given = {"batchReference": batch, "channel": channel, "asOf": as_of}
    asked = [(name, value) for name, value in given.items() if value is not None]
    now = datetime.now(UTC)

    async def pages(database: Database) -> AsyncIterator[list[OverdueRow]]:
        terms = DatabaseSettings.load().overdue_terms
        query = overdue_query(asked, now)
        while True:
            rows, last = await overdue(database, query, terms)
            yield rows
            if last is None:
                return
            query = overdue_query([*asked, ("cursor", query.cursor(last))], now)

    access = Access(operator(None), "report overdue", detail={name: identifier(v) for name, v in asked})
    _print(access, pages, form, OverdueRow.columns(), _drawn_overdue)


def _print(
    access: Access,
    pages: Callable[[Database], AsyncIterator[list[AnyRow]]],
    form: Form,
    columns: Sequence[str],
    drawn: Callable[[list[AnyRow]], Table],
) -> None:
    """Print every page of a report, each as soon as it is read."""
    lines = CsvLines(columns)

    async def printed() -> None:
        count = 0
        async with opened_database(access=access) as database:
            async for rows in pages(database):
                match form:
                    case Form.TABLE:
                        if rows or count == 0:
                            out.print(drawn(rows))
                    case Form.CSV:
                        head = b"" if count else lines.head
                        typer.echo(head + lines.lines(row.cells() for row in rows), nl=False)
                    case Form.JSON:
                        for number, row in enumerate(rows, count):
                            shown = json.dumps(row.model_dump(mode="json", by_alias=True), ensure_ascii=False)
                            typer.echo(f"{',' if number else '['}\n{shown}", nl=False)
                count += len(rows)
        if form is Form.JSON:
            typer.echo("\n]" if count else "[]")

    with plain_errors():
        asyncio.run(printed())


def _drawn_delivery(rows: Sequence[DeliveryRow]) -> Table:
    table = _table("reference", "message id", "status", "code", "channels")
    for row in rows:
        channels = [
            f"{one.channel} {one.channel_status or ''}".rstrip()
            + "".join(
                f", {what} {shown_time(moment)}"
                for what, moment in (
                    ("delivered", one.delivered_at),
                    ("read", one.read_at),
                    ("failed", one.failed_at),
                )
                if moment is not None
            )
            + (f" ({one.failure_code})" if one.failure_code else "")
            for one in row.channels
        ]
        cells = (row.message_reference, row.message_id, row.message_status, row.failure_code)
        table.add_row(*(Text(cell or "") for cell in cells), Text("\n".join(channels)))
    return table


def _drawn_overdue(rows: Sequence[OverdueRow]) -> Table:
    table = _table("reference", "message id", "batches", "channel", "status", "since (UTC)", "days overdue")
    for row in rows:
        statuses = (row.message_status, row.channel_status, row.supplier_status)
        cells = (
            row.message_reference,
            row.message_id or "",
            "\n".join(row.batch_references),
            f"{row.channel or ''}{' (second)' if row.second_channel else ''}",
            ", ".join(status for status in statuses if status is not None),
            f"{row.since:%Y-%m-%d %H:%M}",
            str(row.days_overdue),
        )
        table.add_row(*map(Text, cells))
    return table


def _table(*headings: str) -> Table:
    table = Table()
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table
