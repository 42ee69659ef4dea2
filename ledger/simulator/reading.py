"""Reads the simulated messages back, as a client does: their latest status, and that on each channel.

Other messages may lie in the same ledger. A view is read a page at a time, newest first, until every
message is found or the ledger ends; where that would cost more than asking for the messages one by one,
the rest are asked for like that. Either way a record that should not be there is found too.
"""

import asyncio
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

import httpx

from eventstore.errors import LedgerError
from ingest.vocabulary import CHANNELS
from ledger.simulator.expected import Record, View
from ledger.simulator.patience import Patience
from query.filters import MOST_RECORDS
from query.routes import SEARCH

VIEWS = (None, *CHANNELS)
"""What is asked for: the latest status of each message, then its latest on each channel."""

PAGE = MOST_RECORDS
"""Records on a page."""

QUESTIONS_A_PAGE = 100
"""How many messages can be asked for one by one in about the time that a full page takes."""

_TIMES = ("occurredAt", "deliveredAt", "readAt", "failedAt")


class ReadingRefused(LedgerError):
    """The service refuses to say what the statuses are."""


class Reader:
    """The client's end of the line."""

    def __init__(self, client: httpx.AsyncClient, api_key: str, patience: Patience, concurrency: int) -> None:
        """Take how many questions may be asked at once."""
        self._client = client
        self._api_key = api_key
        self._patience = patience
        self._room = asyncio.Semaphore(concurrency)

    async def records(
        self, message_ids: Collection[str], on_found: Callable[[int], None]
    ) -> dict[View, Record]:
        """Return every record that there is of the messages, in all views.

        Calls `on_found` with how many views of messages are settled since the last call. Raises
        `ReadingRefused` on any answer but 200, `GaveUp` where there is none.
        """
        found: dict[View, Record] = {}
        for channel in VIEWS:
            wanted = set(message_ids)
            await self._page_through(channel, wanted, found, on_found)
            try:
                async with asyncio.TaskGroup() as group:
                    for message_id in wanted:
                        await self._room.acquire()
                        group.create_task(self._ask_for(View(message_id, channel), found, on_found))
            except ExceptionGroup as failed:
                raise failed.exceptions[0] from None
        return found

    async def search(self, **filters: str | int | None) -> dict[str, Any]:
        """Return the answer to one search; a filter that is None is left out."""
        given = {name: value for name, value in filters.items() if value is not None}
        answer = await self._patience.ask(
            lambda: self._client.post(SEARCH, json=given, headers={"x-api-key": self._api_key})
        )
        if answer.status_code != 200:
            raise ReadingRefused(f"{answer.status_code} {answer.text[:500]}")
        statuses: dict[str, Any] = answer.json()
        return statuses

    async def _page_through(
        self,
        channel: str | None,
        wanted: set[str],
        found: dict[View, Record],
        on_found: Callable[[int], None],
    ) -> None:
        """Read pages into `found`, and take out of `wanted` what needs no more asking."""
        pages, cursor = 0, None
        while pages * QUESTIONS_A_PAGE < len(wanted):
            page = await self.search(channel=channel, limit=PAGE, cursor=cursor)
            for record in page["data"]:
                if record["message_id"] in wanted:
                    wanted.discard(record["message_id"])
                    found[View(record["message_id"], channel)] = _read(record)
                    on_found(1)
            cursor = page.get("links", {}).get("cursor")
            if cursor is None:  # the ledger ends: the service has nothing on the others
                on_found(len(wanted))
                wanted.clear()
            pages += 1

    async def _ask_for(self, view: View, found: dict[View, Record], on_found: Callable[[int], None]) -> None:
        try:
            answer = await self.search(channel=view.channel, messageId=view.message_id)
        finally:
            self._room.release()
        for record in answer["data"]:
            found[view] = _read(record)
        on_found(1)


def _read(record: dict[str, Any]) -> Record:
    """Return a record with its times read."""
    times = {name: datetime.fromisoformat(record[name]) for name in _TIMES if record[name] is not None}
    return record | times
