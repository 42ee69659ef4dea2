"""The whole ledger as a feed: entries with what they state, in the order of their index, each exactly once.

It goes as far as the last published checkpoint. An entry that commits late has a late index, so a reader
who goes on where it stopped misses nothing. A cursor names the log that it belongs to: after a restore that
began another one, indexes mean other entries, and the reader is told so instead of being given them.
"""

import re
from typing import Any, NamedTuple

from psycopg.rows import dict_row

from eventstore.database import Database
from eventstore.statements import statement
from query.feed_models import FeedEntry, Stated
from query.filters import InvalidQuery

MOST = 1000
"""Entries of one page."""

MOST_BYTES = 8 * 1024 * 1024
"""Bytes of bodies after which a page ends: one body more may follow."""

_CURSOR = re.compile(r"([0-9a-f]{16})\.(0|[1-9][0-9]{0,17})", re.ASCII)


class Page(NamedTuple):
    """Some entries of the feed."""

    entries: list[FeedEntry]
    cursor: str | None
    """Where to go on; None while nothing is public and nothing was asked for."""
    public: int
    """Entries of the log that are public."""


async def feed(database: Database, after: str | None, limit: int) -> Page:
    """Return the public entries that follow a cursor, or the first ones; at most `limit` of them.

    Raises `InvalidQuery` where the cursor is none of this log.
    """
    async with database.snapshot() as connection, connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(statement("query", "public"))
        (state,) = await cursor.fetchall()
        incarnation, public = state["coalesce"], state["published_size"]
        start = _start(after, incarnation)
        bounds = {"start": start, "limit": limit, "public": public, "most_bytes": MOST_BYTES}
        await cursor.execute(statement("query", "feed"), bounds)
        rows = await cursor.fetchall()
        await cursor.execute(
            statement("query", "feed_events"), {"entry_ids": [row["entry_id"] for row in rows]}
        )
        stated: dict[Any, list[Stated]] = {}
        for one in await cursor.fetchall():
            stated.setdefault(one.pop("entry_id"), []).append(Stated.of(one))
    entries = [
        FeedEntry.of(row, f"{incarnation}.{row['index']}", stated.get(row["entry_id"], [])) for row in rows
    ]
    return Page(entries, entries[-1].cursor if entries else after, public)


def _start(after: str | None, incarnation: str) -> int:
    if after is None:
        return 0
    match = _CURSOR.fullmatch(after)
    if match is None:
        raise InvalidQuery("after: not a cursor of this feed")
    if match[1] != incarnation:
        raise InvalidQuery("after: of a log that was replaced; begin anew, without it")
    return int(match[2]) + 1
