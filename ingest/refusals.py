"""Finds the requests that were refused and kept: quarantined ones (401, 403) and refused entries (422).

A refusal is *waiting* until it is *settled*: replayed into the ledger or, a quarantined one, discarded.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from psycopg.rows import args_row

from eventstore.database import Database, LedgerConnection
from eventstore.statements import statement

BATCH_REQUESTS = 500
BATCH_BYTES = 4 * 1024 * 1024
"""How many refusals are settled in one transaction, and the bytes of their bodies."""

QUARANTINED = (401, 403)
ANSWERS = (*QUARANTINED, 422)
"""What a request that is kept may have been answered."""


class Refusal(NamedTuple):
    """A refused request without its bytes. Fields stand in the order of the columns of `sql/refusals.sql`."""

    refusal_id: UUID
    """Of the quarantined request, or of the refused entry."""
    received_at: datetime
    answer: int
    """401, 403 or 422."""
    secret_id: str | None
    """Names the secret that verified the signature; None for a 403."""
    bytes: int | None
    """How long the body is or, where it went when the refusal was settled, was; None where it was erased."""
    reason: str | None
    """The reason of a 422."""
    state: str
    """`waiting`, `replayed`, `discarded`, or `erased`: an entry without its body."""
    settled_at: datetime | None


class Kept(NamedTuple):
    """A refusal with all that is kept of it, in the order of the columns of `sql/refusals_kept.sql`."""

    refusal: Refusal
    recorded_at: datetime
    client_id: str | None
    """Whose entry it is; None for a quarantined one, whose sender is not proven."""
    signature: bytes | None
    """The signature header as received; of a replayed one in lower case."""
    body: bytes | None
    """None where the refusal was discarded, or the entry's body erased."""
    replayed_by: UUID | None
    """The entry that replays it."""


class Filters(NamedTuple):
    """Which refusals are meant; all that is given must hold."""

    ids: tuple[UUID, ...] | None = None
    answers: tuple[int, ...] = ANSWERS
    since: datetime | None = None
    """Received at this time or later."""
    until: datetime | None = None
    """Received before this time."""
    rejection: str | None = None
    """Text that the reason of a 422 contains, to the letter."""
    all_states: bool = False
    """Settled ones too."""


class Usage(NamedTuple):
    """How much the quarantine holds."""

    requests: int
    bytes: int


async def page(
    connection: LedgerConnection, filters: Filters, limit: int, before: Refusal | None = None
) -> list[Refusal]:
    """Return at most `limit` refusals, newest first, that come after `before` in that order."""
    parameters = {
        **_parameters(filters),
        "limit": limit,
        "before_at": before.received_at if before else None,
        "before_id": before.refusal_id if before else None,
    }
    async with connection.cursor(row_factory=args_row(Refusal)) as cursor:
        await cursor.execute(statement("ingest", "refusals"), parameters)
        return await cursor.fetchall()


async def count(connection: LedgerConnection, filters: Filters) -> int:
    """Return how many refusals are meant."""
    nowhere = {"limit": None, "before_at": None, "before_id": None}
    counted = f"SELECT count(*) FROM (\n{statement('ingest', 'refusals')}\n) AS refusals"  # noqa: S608 - a file of ours
    cursor = await connection.execute(counted.encode(), {**_parameters(filters), **nowhere})
    ((found,),) = await cursor.fetchall()
    return int(found)


async def batches(database: Database, filters: Filters) -> AsyncIterator[list[UUID]]:
    """Yield the ids of the refusals that are meant, newest first, as many as are settled at once.

    What comes while the caller works is not among them.
    """
    last: Refusal | None = None
    while True:
        async with database.connection() as connection:
            found = await page(connection, filters, BATCH_REQUESTS, last)
        if not found:
            return
        last = found[-1]
        batch: list[UUID] = []
        size = 0
        for refusal in found:
            weight = refusal.bytes or 0
            if batch and size + weight > BATCH_BYTES:
                yield batch
                batch, size = [], 0
            batch.append(refusal.refusal_id)
            size += weight
        yield batch


async def kept(connection: LedgerConnection, ids: Sequence[UUID]) -> dict[UUID, Kept]:
    """Return what is kept of each of the refusals, by its id; what is unknown is not among them."""
    cursor = await connection.execute(statement("ingest", "refusals_kept"), {"ids": list(ids)})
    width = len(Refusal._fields)
    return {row[0]: Kept(Refusal(*row[:width]), *row[width:]) for row in await cursor.fetchall()}


async def usage(connection: LedgerConnection) -> Usage:
    """Return how much the quarantine holds."""
    cursor = await connection.execute(statement("ingest", "quarantine_usage"))
    ((requests, size),) = await cursor.fetchall()
    return Usage(requests, size)


def _parameters(filters: Filters) -> dict[str, object]:
    ids = None if filters.ids is None else list(filters.ids)
    return {**filters._asdict(), "ids": ids, "answers": list(filters.answers)}
