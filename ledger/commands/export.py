"""`export`: every status or every event that filters let through, as CSV, NDJSON or Parquet."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, aclosing, contextmanager
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, NamedTuple

import psycopg
import typer

from eventstore.accesses import Access
from eventstore.acts import Act, append_acts, new_act_id
from eventstore.database import Database, DatabaseUnavailable
from eventstore.durable import transact
from eventstore.recipients import RecipientKeys
from ledger.commands.opened import RoleMissing, opened_database
from ledger.commands.operator import operator
from ledger.commands.options import moment
from ledger.commands.progress import progress_bars
from ledger.commands.refusal_options import Actor, Reason
from ledger.commands.terminal import err, plain_errors
from ledger.commands.whole_file import Hashed, whole_file
from ledger.parquet import ParquetFile
from ledger.preflight import OPERATOR_ROLE
from query.export import EventFilters, Records, counted, exported_events, exported_statuses, fetches
from query.filters import InvalidQuery, from_parameters
from query.formats import Format, Row, lines_of

app = typer.Typer(
    name="export",
    help="Write statuses or events to a file: whole, of one moment, or not at all.",
    no_args_is_help=True,
)


class FileFormat(StrEnum):
    """How an export is written."""

    CSV = "csv"
    NDJSON = "ndjson"
    PARQUET = "parquet"


Out = Annotated[
    str, typer.Option("--out", metavar="FILE", help="Where to; `-` is standard output.", show_default=False)
]
As = Annotated[FileFormat, typer.Option("--format", help="How it is written.")]
Text = Annotated[str | None, typer.Option(show_default=False)]


After = Annotated[
    datetime | None,
    typer.Option(
        parser=moment, metavar="TIME", help="Recorded later than this; a date is its midnight, UTC."
    ),
]
Before = Annotated[
    datetime | None,
    typer.Option(parser=moment, metavar="TIME", help="Recorded earlier than this; a date is its midnight."),
]


class _Written(NamedTuple):
    """What an export came to."""

    number: int
    size: int
    sha256: str
    logged: bool
    """Whether it is in the log of acts."""


@app.command()
def statuses(
    out: Out,
    format_: As = FileFormat.CSV,
    channel: Text = None,
    supplier_status: Text = None,
    channel_status: Text = None,
    message_status: Text = None,
    message_id: Text = None,
    message_reference: Text = None,
    batch_reference: Text = None,
    created_at: Text = None,
    created_after: Text = None,
    created_before: Text = None,
    reason: Reason = None,
    actor: Actor = None,
) -> None:
    """Export current statuses, newest first: the records and the filters of `GET /api/statuses`.

    All but `nhsNumber`: what is typed at a command line is seen in histories and lists of processes.
    """
    options = {
        "channel": channel,
        "supplierStatus": supplier_status,
        "channelStatus": channel_status,
        "messageStatus": message_status,
        "messageId": message_id,
        "messageReference": message_reference,
        "batchReference": batch_reference,
        "created_at": created_at,
        "createdAfter": created_after,
        "createdBefore": created_before,
    }
    given = [(name, value) for name, value in options.items() if value is not None]
    try:
        query = from_parameters(given, RecipientKeys())  # for no option asks for an NHS number
    except InvalidQuery as error:
        raise typer.BadParameter(error.detail) from None
    act = _act("statuses.export", format_, [name for name, _ in given], reason, actor)
    _export(exported_statuses(query), "statuses", format_, out, act)


@app.command()
def events(
    out: Out,
    format_: As = FileFormat.CSV,
    channel: Text = None,
    message_id: Text = None,
    recorded_after: After = None,
    recorded_before: Before = None,
    reason: Reason = None,
    actor: Actor = None,
) -> None:
    """Export the ledger's events, in the order in which their entries were received."""
    filters = EventFilters(message_id, channel, recorded_after, recorded_before)
    given = [name for name, value in filters._asdict().items() if value is not None]
    act = _act("events.export", format_, given, reason, actor)
    _export(exported_events(filters), "events", format_, out, act)


def _act(
    name: str, wanted: FileFormat, filters: list[str], reason: str | None, actor: str | None
) -> Callable[[Hashed, int], Act]:
    """Return what makes the act of an export: by the hash of the file, so that a file found tells its act.

    It names the filters, never their values.
    """

    def act(file: Hashed, number: int) -> Act:
        detail = {"format": wanted.value, "records": number, "bytes": file.size, "filters": filters}
        return Act(new_act_id(), operator(actor), name, f"sha256:{file.sha256}", "written", reason, detail)

    return act


def _export(
    records: Records, what: str, wanted: FileFormat, name: str, act: Callable[[Hashed, int], Act]
) -> None:
    with plain_errors(), whole_file(name) as file, progress_bars() as begin:
        try:
            access = Access(operator(None), f"export {what}", detail={"format": wanted.value})
            written = asyncio.run(
                _written(records, wanted, file, lambda total: begin("exporting", total), access, act)
            )
        except psycopg.OperationalError as error:
            raise DatabaseUnavailable(str(error)) from error
    told = f"{written.number:,} {what}, {written.size:,} bytes, SHA-256 {written.sha256}"
    err.print(told, highlight=False, soft_wrap=True)
    if not written.logged:
        err.print(f"Not in the log of acts: the database's login may not act as {OPERATOR_ROLE}.")


async def _written(
    records: Records,
    wanted: FileFormat,
    file: Hashed,
    begin: Callable[[int], Callable[[int], None]],
    access: Access,
    act: Callable[[Hashed, int], Act],
) -> _Written:
    """Write every record, append the act, and return what it came to."""
    async with AsyncExitStack() as opened:
        log = await _log_of_acts(opened)
        database = await opened.enter_async_context(opened_database(access=access))
        number = 0
        async with database.snapshot() as connection:
            with _writing(wanted, file, records) as write:
                advance = begin(await counted(connection, records))
                async with aclosing(fetches(connection, records)) as fetched:
                    async for rows in fetched:
                        write(rows)
                        number += len(rows)
                        advance(len(rows))
        if log is not None:
            done = act(file, number)
            await transact(log, lambda connection: append_acts(connection, [done]))
        return _Written(number, file.size, file.sha256, log is not None)


async def _log_of_acts(opened: AsyncExitStack) -> Database | None:
    """Return the database as one may write to the log of acts; None where this login may not."""
    try:
        return await opened.enter_async_context(opened_database(role=OPERATOR_ROLE))
    except RoleMissing:
        return None


@contextmanager
def _writing(wanted: FileFormat, file: Hashed, records: Records) -> Iterator[Callable[[list[Row]], Any]]:
    """Lend what writes records, and end the file when all are; raises `ParquetMissing`."""
    try:
        if wanted is FileFormat.PARQUET:
            parquet = ParquetFile(file, records.columns)
            yield parquet.write
            parquet.close()
        else:
            media_type = Format.CSV if wanted is FileFormat.CSV else Format.NDJSON
            lines = lines_of(media_type, records.names)
            file.write(lines.head)
            yield lambda rows: file.write(lines.lines(rows))
    except BaseException:
        file.abandon()  # or pyarrow would end, when it is collected, what is not complete
        raise
