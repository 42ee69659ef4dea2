"""The reports that programmes ask for: what became of a batch, and what is overdue."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar

from psycopg.rows import namedtuple_row

from eventstore.database import Database
from eventstore.statements import statement
from query.cursors import Place
from query.report_filters import DeliveryFilters, OverdueFilters, ReportQuery
from query.report_models import ChannelDelivery, DeliveryRow, OverdueRow, Row


class Terms(NamedTuple):
    """Days after which a message without a final status is overdue, by the channel that it is on."""

    nhsapp: int = 4
    sms: int = 4
    email: int = 4
    letter: int = 7
    secondary: int = 10
    """For one that went on to a second channel, whichever it is."""

    @property
    def no_channel(self) -> int:
        """For one on no channel yet, or on one without a term: the shortest of a first channel's."""
        return min(self.nhsapp, self.sms, self.email, self.letter)

    def days(self, channel: str | None, *, second: bool) -> int:
        """Return the term of a message."""
        match channel:
            case _ if second:
                return self.secondary
            case "nhsapp":
                return self.nhsapp
            case "sms":
                return self.sms
            case "email":
                return self.email
            case "letter":
                return self.letter
            case _:
                return self.no_channel


async def delivery(
    database: Database, query: ReportQuery[DeliveryFilters]
) -> tuple[list[DeliveryRow], Place | None]:
    """Return a page of the delivery report and, where another follows, the place of its last row."""
    lines = await _lines(database, "delivery", query, {"batch_reference": query.filters.batch_reference})
    rows = [
        _delivery_row(list(of_message))
        for _, of_message in groupby(lines, attrgetter("message_reference", "message_id"))
    ]
    return _page(rows, query.filters.limit)


async def overdue(
    database: Database, query: ReportQuery[OverdueFilters], terms: Terms
) -> tuple[list[OverdueRow], Place | None]:
    """Return a page of what is overdue at the query's time, and the place of its last row if more follows."""
    filters = query.filters
    if filters.as_of is None:
        raise ValueError("a query for what is overdue names a time")
    as_of = filters.as_of.start
    named = {"batch_reference": filters.batch_reference, "channel": filters.channel, "as_of": as_of}
    parameters = named | terms._asdict() | {"no_channel": terms.no_channel}
    lines = await _lines(database, "overdue", query, parameters)
    return _page([_overdue_row(line, terms, as_of) for line in lines], filters.limit)


async def _lines(
    database: Database, name: str, query: ReportQuery[Any], parameters: Mapping[str, object]
) -> list[Any]:
    if query.unmatchable:
        return []
    asked = dict(parameters) | {
        "client": query.client,
        "after_reference": query.after.message_reference,
        "after_message_id": query.after.message_id,
        "most": query.filters.limit + 1,  # one row more tells whether another page follows
    }
    async with (
        database.connection() as connection,
        connection.cursor(row_factory=namedtuple_row) as cursor,
    ):
        # Planned anew for these values: a filter that is not given leaves the plan, and a client has its own.
        await cursor.execute(statement("query", name), asked, prepare=False)
        return await cursor.fetchall()


def _delivery_row(lines: Sequence[Any]) -> DeliveryRow:
    first = lines[0]
    return DeliveryRow(
        message_reference=first.message_reference,
        message_id=first.message_id,
        message_status=first.message_status,
        created_at=first.recorded_at,
        occurred_at=first.occurred_at,
        delivered_at=first.delivered_at,
        read_at=first.read_at,
        failed_at=first.failed_at,
        failure_code=first.message_failure_code,
        channels=[
            ChannelDelivery(
                channel=line.channel,
                channel_status=line.channel_status,
                delivered_at=line.channel_delivered_at,
                read_at=line.channel_read_at,
                failed_at=line.channel_failed_at,
                failure_code=line.channel_failure_code,
            )
            for line in lines
            if line.channel is not None
        ],
    )


def _overdue_row(line: Any, terms: Terms, as_of: datetime) -> OverdueRow:
    due_at = line.since + timedelta(days=terms.days(line.channel, second=line.second_channel))
    return OverdueRow(**line._asdict(), due_at=due_at, days_overdue=(as_of - due_at).days)


AnyRow = TypeVar("AnyRow", bound=Row)


def _page(rows: list[AnyRow], limit: int) -> tuple[list[AnyRow], Place | None]:
    if len(rows) <= limit:
        return rows, None
    last = rows[limit - 1]
    return rows[:limit], Place(last.message_reference, last.message_id or "")


def csv_text(rows: Iterable[Row], columns: Sequence[str] = ()) -> str:
    """Return rows as lines of CSV (RFC 4180), under their headings where these are given.

    A cell that a spreadsheet might take for a formula gets a quote before it.
    """
    text = io.StringIO()
    lines = csv.writer(text)
    if columns:
        lines.writerow(columns)
    lines.writerows([_cell(value) for value in row.cells()] for row in rows)
    return text.getvalue()


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case datetime():
            return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
        case str() if value.startswith(("=", "+", "-", "@", "\t", "\r")):
            return f"'{value}"
        case list():
            return _cell("; ".join(value))
        case _:
            return str(value)
