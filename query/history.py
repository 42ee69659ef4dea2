"""Reads what the ledger holds of one message at a cut: its records, and a page of its timeline.

Each question begins with `sql/cut.sql`, the message's events that count and what the folds make of them, and
is answered in one transaction that sees the database at one moment and can only read.
"""

import json
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

from psycopg import AsyncCursor
from psycopg.rows import args_row, dict_row

from eventstore.database import Database, LedgerConnection
from eventstore.statements import statement
from projections.projection import CURRENT_STATUS
from projections.reading import reading_folds
from query.cursors import Place
from query.cuts import Question
from query.filters import InvalidQuery
from query.timeline import Step, Told, step

MOST_REFUSED = 10_000
"""How many refused entries, the newest, are searched for the message's id."""

Rows = list[dict[str, Any]]


class History(NamedTuple):
    """What the ledger holds of one message at a cut."""

    record: dict[str, Any] | None
    """The message's record, as `GET /api/statuses` has it; None where nothing was known of it."""
    channels: list[dict[str, Any]]
    """Its records on each channel, as `GET /api/statuses?channel=…` has them."""
    steps: list[Step]
    """One page of its timeline."""
    more: bool
    """Whether another page follows."""


@cache
def asking(name: str) -> str:
    """Return the statement that asks `sql/<name>.sql` of a message at a cut."""
    folds = "".join(f",\n{part} AS (\n{text}\n)" for part, text in reading_folds(CURRENT_STATUS).items())
    cut = statement("query", "cut")
    return cut.replace("/* folds */", folds).replace("/* question */", statement("query", name))


async def message_history(database: Database, question: Question) -> History | None:
    """Return what the ledger holds of a message at a cut; None where it knows nothing of it at any time.

    Raises `InvalidQuery` for a cut at more entries than are sealed.
    """
    if question.unmatchable:
        return None
    parameters = parameters_of(question)
    async with database.snapshot() as connection:
        await _ensure_sealed(connection, question)
        await connection.execute("SET LOCAL jit = off")  # to compile them takes longer than to run them
        records = await _rows(connection, "message_at", parameters)
        channels = await _rows(connection, "channels_at", parameters)
        async with connection.cursor(row_factory=args_row(Told)) as cursor:
            await cursor.execute(asking("timeline").encode(), parameters)
            told = await cursor.fetchall()
        if not records and not told and not await _is_known(connection, parameters):
            return None
    return history_of(question, records, channels, told)


async def differing(database: Database, message_id: str) -> list[tuple[str, str]]:
    """Return each table of the read model, and channel, whose row of a message is not what its events give.

    One statement sees one moment, so what arrives meanwhile makes no difference.
    """
    async with database.connection() as connection:
        cursor = await connection.execute(
            asking("differing").encode(), parameters_of(Question(message_id, limit=1))
        )
        return await cursor.fetchall()


def history_of(question: Question, records: Rows, channels: Rows, told: Sequence[Told]) -> History:
    """Return the answer to a question, from the rows of `message_at`, `channels_at` and `timeline`."""
    held = dict(_held(records, channels))
    record = records[0] if records else None
    return History(
        record=_shown(record, {}) if record else None,
        channels=[_shown(one, record) for one in channels] if record else [],
        steps=[step(one, held) for one in told[: question.limit]],
        more=len(told) > question.limit,
    )


def parameters_of(question: Question) -> dict[str, Any]:
    """Return the parameters of the three statements that answer a question."""
    after = question.after
    return {
        "message_id": question.message_id,
        "known_at": question.cut.known_at,
        "as_of": question.cut.as_of,
        "first": question.cut.first,
        "naming": naming(question.message_id),
        "most_refused": MOST_REFUSED,
        "limit": question.limit + 1,
        "after_place": after.place if after else None,
        "after_kind": after.kind_order if after else None,
        "after_recorded_at": after.recorded_at if after else None,
        "after_entry_id": after.entry_id if after else None,
        "after_item": after.item if after else None,
    }


def place_of(last: Step) -> Place:
    """Return where a page ends whose last step this is."""
    told = last.told
    return Place(told.place, told.kind_order, told.recorded_at, told.entry_id, told.item)


def naming(message_id: str) -> list[bytes]:
    """Return the ways in which a body may name a message: compact, as Notify writes it, spaced, escaped."""
    written = {json.dumps(message_id, ensure_ascii=ascii_alone) for ascii_alone in (False, True)}
    return [f'"messageId":{space}{text}'.encode() for text in written for space in ("", " ")]


async def _rows(connection: LedgerConnection, name: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    cursor: AsyncCursor[dict[str, Any]]
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(asking(name).encode(), parameters)
        return await cursor.fetchall()


async def _ensure_sealed(connection: LedgerConnection, question: Question) -> None:
    """Raise `InvalidQuery` where fewer entries are sealed than the cut asks for: the answer would change."""
    if question.cut.first is None:
        return
    cursor = await connection.execute(statement("query", "sealed"))
    ((sealed,),) = await cursor.fetchall()
    if question.cut.first > sealed:
        raise InvalidQuery(f"known_at: the sealed ledger has {sealed} entries; give no more, or a time")


async def _is_known(connection: LedgerConnection, parameters: dict[str, Any]) -> bool:
    """Return whether the ledger knows the message at any time, whatever the cut."""
    anything = parameters | {"known_at": None, "as_of": None, "first": None, "after_place": None, "limit": 1}
    cursor = await connection.execute(asking("timeline").encode(), anything)
    return await cursor.fetchone() is not None


def _held(records: Rows, channels: Rows) -> Iterator[tuple[str, str]]:
    """Yield each register that holds something, with the version that it holds."""
    held = [("messageStatus", one["message_status_version"]) for one in records]
    held += [("channel", one["channel_version"]) for one in records]
    for one in channels:
        held.append((f"{one['channel']}.channelStatus", one["channel_status_version"]))
        held.append((f"{one['channel']}.supplierStatus", one["supplier_status_version"]))
    return ((name, version) for name, version in held if version)


def _shown(row: dict[str, Any], message: dict[str, Any] | None) -> dict[str, Any]:
    """Return a record; one of a channel has what is the message's from its record."""
    whole = {**(message or {}), **row}
    return {name: value for name, value in whole.items() if not name.endswith("_version")}
