"""An appender on a test's database, and what it is given and tells."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from eventstore.appender import Appender, Recorded
from eventstore.database import Database
from eventstore.events import Delivery
from eventstore.group_commit import Limits
from projections.projection import kept_in_step
from tests.support.database import execute
from tests.support.events import deliver, event

NEW = Recorded(events=1, repeats=0, conflicts=0)
REPEAT = Recorded(events=0, repeats=1, conflicts=0)


@asynccontextmanager
async def appending(
    database: Database, limits: Limits | None = None, writers: int = 1
) -> AsyncIterator[Appender]:
    appender = Appender(database, kept_in_step(), limits=limits or Limits(), writers=writers)
    appender.open()
    try:
        yield appender
    finally:
        await appender.close()


def told(number: int = 0, **said: Any) -> Delivery:
    """Return a delivery of one event, in an entry of that number."""
    return deliver(event(**{"key": f"key-{number}", "message_status": "sending"} | said), number=number)


def counts(url: str) -> tuple[object, ...]:
    """Return how many entries, events and repeats there are."""
    query = (
        "SELECT (SELECT count(*) FROM entries), (SELECT count(*) FROM events), (SELECT count(*) FROM repeats)"
    )
    return execute(url, query)[0]
