"""Erases what the ledger holds of one message, through the one function of the database that may.

The function blanks, deletes, and appends the entry that says so, in one transaction; `docs/erasure.md` tells
what goes and what stays. Here it is called, and called again where it had to give way to appends.
"""

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import errors
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from eventstore.database import Database, LedgerConnection
from eventstore.durable import transact
from eventstore.errors import LedgerError
from eventstore.identifiers import time_ordered_uuid
from eventstore.statements import statement

_ERASE = statement("eventstore", "erase")
_HOLD_OFF_VACUUM = statement("eventstore", "hold_off_vacuum")

PATIENCE = 600.0
"""Seconds in which the lock is tried for, again and again."""


class ErasureInTheWay(LedgerError):
    """The message cannot be erased now: try again when what is in the way is over."""


class LedgerBusy(ErasureInTheWay):
    """The message cannot be erased now: appends, or a vacuum that nobody may cancel, leave no moment."""


class Outcome(Enum):
    """What came of it."""

    ERASED = "erased"
    NOT_ERASED = "not erased"
    """Nobody asked for more than a look."""
    OTHERS = "others"
    """Nothing was done: an entry carries another message too."""
    ALREADY = "already"
    """Erased before, and nothing came since."""
    UNKNOWN = "unknown"
    """The ledger holds nothing of it."""


class Request(NamedTuple):
    """Which message is to be erased, who says so, and why."""

    message_id: str
    actor: str
    reason: str
    legal_basis: str
    whole_entry: bool = False
    """Whether entries go that carry another message too."""


class Erased(NamedTuple):
    """What is meant by an erasure, and what came of it."""

    outcome: Outcome
    erasure_id: UUID
    """The entry that says so, where it was done."""
    entries: Mapping[UUID, tuple[str, ...]]
    """The entries that carry the message, each with the other messages that it carries."""
    quarantined: Mapping[UUID, tuple[str, ...]]
    """The same of the requests that wait in quarantine."""
    events: int
    repeats: int
    registrations: int
    shared: tuple[str, ...]
    """References that another message has too, whose registrations stay for that one."""

    @property
    def others(self) -> dict[UUID, tuple[str, ...]]:
        """What carries other messages too, with these."""
        return {one: others for one, others in {**self.entries, **self.quarantined}.items() if others}


async def foresee(database: Database, request: Request) -> Erased:
    """Return what an erasure would do; only the log of who looked is written. Raises as `erase` does."""
    return await _run(database, request, look_only=True)


async def erase(database: Database, request: Request) -> Erased:
    """Erase a message, and return what was done after the commit.

    Raises `ErasureInTheWay` where a rebuild runs, or the ledger could not be had for a moment in `PATIENCE`
    seconds, and what `eventstore.durable.transact` raises.
    """
    return await _run(database, request, look_only=False)


async def _run(database: Database, request: Request, *, look_only: bool) -> Erased:
    erasure_id = time_ordered_uuid(datetime.now(UTC), secrets.token_bytes(10))
    parameters = {**request._asdict(), "look_only": look_only, "erasure_id": erasure_id}

    async def call(connection: LedgerConnection) -> dict[str, Any]:
        try:
            if not look_only:
                await connection.execute(_HOLD_OFF_VACUUM)
            cursor = await connection.execute(_ERASE, parameters)
        except (errors.LockNotAvailable, errors.DeadlockDetected) as busy:
            raise LedgerBusy from busy
        except errors.ObjectInUse as running:
            raise ErasureInTheWay("a rebuild is running") from running
        ((told,),) = await cursor.fetchall()
        report: dict[str, Any] = told
        return report

    async for attempt in AsyncRetrying(
        retry=retry_if_exception_type(LedgerBusy),
        stop=stop_after_delay(PATIENCE),
        wait=wait_random_exponential(multiplier=0.05, max=2),
        reraise=True,
    ):
        with attempt:
            return _told(await transact(database, call), erasure_id)
    raise AssertionError("tenacity either returns or raises")


def _told(report: Mapping[str, Any], erasure_id: UUID) -> Erased:
    return Erased(
        outcome=Outcome(report["outcome"]),
        erasure_id=erasure_id,
        entries=_carrying(report["carrying"]),
        quarantined=_carrying(report["held"]),
        events=report["events"],
        repeats=report["repeats"],
        registrations=len(report["registrations"]),
        shared=tuple(report["shared"]),
    )


def _carrying(found: Mapping[str, list[str] | None]) -> dict[UUID, tuple[str, ...]]:
    return {UUID(one): tuple(others or ()) for one, others in sorted(found.items())}
