"""Reads records of any number, one by one, in constant memory: what an export or a stream is made of.

A server-side cursor in one read-only transaction: all records are of one moment, and no more than a fetch
of them is here at a time.
"""

from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Select, Text, and_, cast, func, select
from sqlalchemy.types import TypeEngine

from eventstore.database import LedgerConnection
from eventstore.tables import events
from query.composed import composed
from query.filters import Query
from query.formats import Row
from query.models import Record
from query.page import page_of
from query.selects import statuses

FETCHED = 500
"""Records of one fetch. To write 2,000 as CSV would keep callbacks waiting for 50 ms, and gain nothing."""


class Records(NamedTuple):
    """Records that can be read: a select whose columns bear the names that are shown."""

    select: Select[Any]

    @property
    def columns(self) -> dict[str, TypeEngine[Any]]:
        """The names in their order, each with its type."""
        return {column.name: column.type for column in self.select.selected_columns}

    @property
    def names(self) -> list[str]:
        """The names in their order."""
        return list(self.columns)


def exported_statuses(query: Query) -> Records:
    """Return the records of every page of a question; of one page only where it names its `limit`.

    One page is read as any is. Of a whole batch every message is read in any case, and for that looking each
    up costs less than the listing does; docs/performance.md has the figures.
    """
    one_page = "limit" in query.filters.model_fields_set
    asked = page_of(query).limit(query.filters.limit) if one_page else statuses(query).limit(None)
    shown = [
        column.label(Record.model_fields[column.name].alias) for column in asked.selected_columns.values()
    ]
    return Records(asked.with_only_columns(*shown, maintain_column_froms=True))


class EventFilters(NamedTuple):
    """Which events are meant; combined with AND."""

    message_id: str | None = None
    channel: str | None = None
    recorded_after: datetime | None = None
    recorded_before: datetime | None = None


def exported_events(filters: EventFilters) -> Records:
    """Return the ledger's events, in the order in which their entries were received."""
    column = events.c
    conditions = []
    if filters.message_id is not None:
        conditions.append(column.message_id == filters.message_id)
    if filters.channel is not None:
        conditions.append(column.channel == filters.channel)
    if filters.recorded_after is not None:
        conditions.append(column.recorded_at > filters.recorded_after)
    if filters.recorded_before is not None:
        conditions.append(column.recorded_at < filters.recorded_before)
    shown = {
        "recordedAt": column.recorded_at,
        "effectiveAt": column.effective_at,
        "occurredAt": column.occurred_at,
        "entryId": cast(column.entry_id, Text),
        "item": column.item,
        "type": column.event_type,
        "messageId": column.message_id,
        "messageReference": column.message_reference,
        "channel": column.channel,
        "messageStatus": column.message_status,
        "channelStatus": column.channel_status,
        "supplierStatus": column.supplier_status,
        "messageFailureCode": column.message_failure_code,
        "channelFailureCode": column.channel_failure_code,
        "cascadeType": column.cascade_type,
        "cascadeOrder": column.cascade_order,
        "retryCount": column.retry_count,
        "idempotencyKey": column.idempotency_key,
        "digest": func.encode(column.digest, "hex", type_=Text),
    }
    return Records(
        select(*(value.label(name) for name, value in shown.items()))
        .where(and_(True, *conditions))
        .order_by(column.entry_id, column.item)
    )


async def counted(connection: LedgerConnection, records: Records) -> int:
    """Return how many records there are, within the caller's transaction."""
    text, parameters = composed(select(func.count()).select_from(records.select.order_by(None).subquery()))
    cursor = await connection.execute(text, parameters)
    ((number,),) = await cursor.fetchall()
    return int(number)


async def fetches(connection: LedgerConnection, records: Records) -> AsyncGenerator[list[Row], None]:
    """Yield the records, at most `FETCHED` at a time, within the caller's transaction."""
    text, parameters = composed(records.select)
    async with connection.cursor("records") as cursor:
        await cursor.execute(text, parameters, binary=True)
        while rows := await cursor.fetchmany(FETCHED):
            yield list(rows)
