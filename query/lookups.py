"""Looks messages up by their ids: those that are asked for while others are read are read together.

It is the appends' way (`eventstore/group_commit.py`), and for their reason: a statement has a price of its
own, which is more than a message's. There is no timer, and nothing is kept: a lookup is part of a statement
that is sent after it was asked, and sees whatever was committed before.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import ARRAY, Text, any_, bindparam

from eventstore import arrays, prepared
from eventstore.database import Database
from eventstore.statements import Numbered
from projections.tables import message_status
from query.composed import composed
from query.formats import Row
from query.selects import all_records, seen_by

MOST = 100
"""Messages that one statement looks up."""

PATIENCE = 0.1
"""Seconds that a statement may take before those who were asked meanwhile are looked up beside it."""


class Lookups:
    """The lookups of this process, together by the client who asks."""

    def __init__(self, database: Callable[[], Database]) -> None:
        """Take the database (asked for at each statement: it opens with the service)."""
        self._database = database
        self._together: dict[str | None, _Together] = {}

    def find(self, message_id: str, client: str | None) -> "asyncio.Future[Row | None]":
        """Look up a message's record: a row in the order of the fields of `Record`.

        None where there is no such message, or where the client is not shown it; without a client all are.
        Whoever waits is told what psycopg raises.
        """
        together = self._together.get(client)
        if together is None:
            together = self._together[client] = _Together(self._database, statement_for(client))
        return together.find(message_id)


def statement_for(client: str | None) -> Numbered:
    """Return the statement that gives the records of messages by their ids, as a client is shown them."""
    ids = bindparam("message_ids", type_=ARRAY(Text), required=False)
    records = all_records(None).where(message_status.c.message_id == any_(ids))
    if client is not None:
        records = records.where(*seen_by(client))
    text, _ = composed(records)
    return Numbered(text)


_Waiting = tuple[str, "asyncio.Future[Row | None]"]


class _Together:
    """The lookups that one statement serves."""

    def __init__(self, database: Callable[[], Database], statement: Numbered) -> None:
        self._database = database
        self._statement = statement
        self._waiting: deque[_Waiting] = deque()
        self._attended = False
        """Whether somebody will read what waits."""
        self._reading: set[asyncio.Task[None]] = set()

    def find(self, message_id: str) -> "asyncio.Future[Row | None]":
        loop = asyncio.get_running_loop()
        found: asyncio.Future[Row | None] = loop.create_future()
        self._waiting.append((message_id, found))
        if not self._attended:
            self._attended = True
            loop.call_soon(self._attend)  # after all that have come by now
        return found

    def _attend(self) -> None:
        self._attended = bool(self._waiting)
        if self._attended:
            reading = asyncio.create_task(self._read_all())
            self._reading.add(reading)
            reading.add_done_callback(self._reading.discard)

    async def _read_all(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(MOST, len(self._waiting)))]
            impatient = loop.call_later(PATIENCE, self._attend)
            try:
                rows = await self._rows([message_id for message_id, _ in batch])
            except Exception as error:
                for _, found in batch:
                    if not found.done():
                        found.set_exception(error)
            else:
                for message_id, found in batch:
                    if not found.done():  # who asked may have been cancelled
                        found.set_result(rows.get(message_id))
            finally:
                impatient.cancel()
        self._attended = False

    async def _rows(self, message_ids: Sequence[str]) -> Mapping[str, Row]:
        parameters = {"message_ids": arrays.Text(message_ids)}
        async with self._database().connection() as connection:
            rows = await prepared.run(connection, self._statement, parameters)
        return {row[1]: row for row in rows}
