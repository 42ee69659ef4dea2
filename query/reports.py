"""The reports that programmes ask for: what became of a batch, and what is overdue."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Any, TypeVar

from psycopg.rows import namedtuple_row

from eventstore.database import Database
from eventstore.statements import statement
from query.cursors import ReportPlace
from query.report_filters import DeliveryFilters, OverdueFilters, ReportQuery
from query.report_models import ChannelDelivery, DeliveryRow, OverdueRow, ReportRow
from query.terms import Terms


async def delivery(
    database: Database, query: ReportQuery[DeliveryFilters]
) -> tuple[list[DeliveryRow], ReportPlace | None]:
    """Return a page of the delivery report and, where another follows, the place of its last row."""
    lines = await _lines(database, "delivery", query, {"batch_reference": query.filters.batch_reference})
    # In a thread, for callbacks wait for the event loop: a page may take half a second.
    return _page(await asyncio.to_thread(_delivery_rows, lines), query.filters.limit)


async def overdue(
    database: Database, query: ReportQuery[OverdueFilters], terms: Terms
) -> tuple[list[OverdueRow], ReportPlace | None]:
    """Return a page of what is overdue at the query's time, and the place of its last row if more follows."""
    filters = query.filters
    if filters.as_of is None:
        raise ValueError("a query for what is overdue names a time")
    as_of = filters.as_of.start
    named = {"batch_reference": filters.batch_reference, "channel": filters.channel, "as_of": as_of}
    parameters = named | terms._asdict() | {"no_channel": terms.no_channel}
    lines = await _lines(database, "overdue", query, parameters)
    rows = await asyncio.to_thread(lambda: [_overdue_row(line, terms, as_of) for line in lines])
    return _page(rows, filters.limit)


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


def _delivery_rows(lines: Sequence[Any]) -> list[DeliveryRow]:
    of_messages = groupby(lines, attrgetter("message_reference", "message_id"))
    return [_delivery_row(list(of_message)) for _, of_message in of_messages]


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


AnyRow = TypeVar("AnyRow", bound=ReportRow)


def _page(rows: list[AnyRow], limit: int) -> tuple[list[AnyRow], ReportPlace | None]:
    if len(rows) <= limit:
        return rows, None
    last = rows[limit - 1]
    return rows[:limit], ReportPlace(last.message_reference, last.message_id or "")
