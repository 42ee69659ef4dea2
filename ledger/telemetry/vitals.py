"""Asks the database what only it knows: how full the quarantine is, how long entries wait for a seal.

It judges nothing: metrics show what it finds, and `ledger/alarms.py` says what of it is too much.
"""

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple

import psycopg
import structlog
from opentelemetry.instrumentation.utils import suppress_instrumentation
from psycopg.rows import args_row

from eventstore.database import Database
from eventstore.errors import LedgerError
from eventstore.sealer_state import read_state
from eventstore.statements import statement
from ingest.quarantine import Caps

LONGEST = "5s"
"""How long the database may look before it is stopped."""

FRESH = 5.0
"""Seconds for which an answer serves whoever asks again."""

LOOK_EVERY = 30.0
"""Seconds between two looks for those who are told without asking."""

log = structlog.get_logger()


class Vitals(NamedTuple):
    """How the ledger is; fields stand in the order of the columns of `sql/vitals.sql`."""

    quarantined: int
    quarantined_bytes: int
    sealed: int
    """Entries that have their index."""
    unsealed_age: float
    """Seconds since the oldest entry without a seal was recorded; 0 without one."""
    unanchored_age: float
    """Seconds since the oldest checkpoint that is not anchored was signed; 0 without one."""

    def fill(self, caps: Caps) -> float:
        """Return how much of what the quarantine may hold is taken, from 0 to 1: of callbacks or of bytes."""
        return max(_share(self.quarantined, caps.requests), _share(self.quarantined_bytes, caps.bytes))


def _share(taken: int, cap: int) -> float:
    return taken / cap if cap else 1.0


class Watch:
    """Keeps the latest vitals; where the database does not answer there are none, rather than old ones."""

    def __init__(
        self, database: Callable[[], Database], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Take the database (asked for at each look: it opens with the service) and a clock, in seconds."""
        self._database = database
        self._clock = clock
        self._looked_at: float | None = None
        self._looking = asyncio.Lock()
        self.vitals: Vitals | None = None

    async def look(self, *, fresh: float = FRESH) -> None:
        """Ask, unless there was an answer in the last `fresh` seconds; where there is none now, keep none."""
        async with self._looking:
            now = self._clock()
            if self._looked_at is not None and now - self._looked_at < fresh:
                return
            try:
                self.vitals = await _ask(self._database())
            except (LedgerError, psycopg.Error) as error:
                if self.vitals is not None:
                    log.warning("vitals.failed", error=type(error).__name__)
                self.vitals = None
                self._looked_at = None
            else:
                self._looked_at = self._clock()

    async def keep(self, every: float = LOOK_EVERY) -> None:
        """Look every so many seconds until cancelled, and sooner where there was no answer."""
        while True:
            await self.look()
            await asyncio.sleep(every if self.vitals is not None else min(every, FRESH))


async def _ask(database: Database) -> Vitals:
    with suppress_instrumentation():
        async with (
            database.snapshot() as connection,
            connection.cursor(row_factory=args_row(Vitals)) as cursor,
        ):
            await cursor.execute(f"SET LOCAL statement_timeout = '{LONGEST}'")
            unseen = (await read_state(connection)).unseen
            await cursor.execute(statement("ledger", "vitals"), unseen)
            found = await cursor.fetchone()
    if found is None:
        raise AssertionError("migrations make these rows, and nobody may delete them")
    return found
