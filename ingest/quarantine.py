"""Keeps requests of which only half the proof was right, verbatim, up to a cap that never evicts.

One mis-set secret would otherwise lose every callback of its window: the supplier never sends a refused
one again.
"""

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import structlog

from eventstore.arrays import Bytea, Integer, OneBigint, Parameter, Text, Timestamptz, Uuids
from eventstore.database import Database
from eventstore.durable import write
from eventstore.errors import LedgerError
from eventstore.group_commit import GroupCommit, Limits, Size
from eventstore.statements import Numbered, statement

ALARM_PAUSE = 60.0
"""Seconds between two alarms of one process that the quarantine is full."""

log = structlog.get_logger()


class QuarantineFull(LedgerError):
    """The quarantine holds as much as it may, and forgets nothing to make room."""


class Suspect(NamedTuple):
    """A request to be quarantined."""

    quarantine_id: UUID
    received_at: datetime
    answer: int
    """401 where the API key was wrong, 403 where the signature was."""
    secret_id: str | None
    signature: bytes | None
    """The signature header as received."""
    body: bytes


class Caps(NamedTuple):
    """How much the quarantine may hold."""

    requests: int
    bytes: int


class Quarantine:
    """Writes suspects, many in one commit."""

    def __init__(
        self,
        database: Database,
        caps: Caps,
        *,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the caps, which are checked at each write, and the clock that spaces alarms, in seconds."""
        self._database = database
        self._caps = caps
        self._clock = clock
        self._alarmed_at: float | None = None
        self._statement = Numbered(statement("ingest", "quarantine"))
        self._queue = GroupCommit(
            self._keep,
            lambda suspect: Size(1, len(suspect.body)),
            limits=limits,
            splits_on=(QuarantineFull,),
        )

    def open(self) -> None:
        """Start to write."""
        self._queue.open()

    async def close(self) -> None:
        """Write what waits, and stop."""
        await self._queue.close()

    async def keep(self, suspect: Suspect) -> None:
        """Keep a suspect; return after the commit.

        Raises `QuarantineFull` or `Overloaded` where there is no room, `DatabaseUnavailable` where no
        commit could be had.
        """
        try:
            await self._queue.submit(suspect)
        except QuarantineFull:
            self._alarm()
            raise

    def _alarm(self) -> None:
        """Log that callbacks are turned away until somebody makes room; not for each of them."""
        now = self._clock()
        if self._alarmed_at is None or now - self._alarmed_at >= ALARM_PAUSE:
            self._alarmed_at = now
            log.error("quarantine.full", most_requests=self._caps.requests, most_bytes=self._caps.bytes)

    async def _keep(self, batch: Sequence[Suspect]) -> Sequence[None]:
        ids, received, answers, secret_ids, signatures, bodies = zip(*batch, strict=True)
        parameters: dict[str, Parameter] = {
            "quarantine_id": Uuids(ids),
            "received_at": Timestamptz(received),
            "answer": Integer(answers),
            "secret_id": Text(secret_ids),
            "signature": Bytea(signatures),
            "body": Bytea(bodies),
            "most_requests": OneBigint(self._caps.requests),
            "most_bytes": OneBigint(self._caps.bytes),
        }
        ((kept,),) = await write(self._database, self._statement, parameters)
        if not kept:
            raise QuarantineFull
        return [None] * len(batch)
