"""Settles quarantined requests: each once, with its room under the caps freed in the same transaction.

The row stays and tells that the request was there; who settled it, when and why is in the log of acts.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from enum import Enum
from hashlib import sha256
from typing import Literal, NamedTuple
from uuid import UUID

from eventstore.acts import Act, append_acts, new_act_id
from eventstore.appender import Recorded
from eventstore.arrays import Uuids
from eventstore.database import Database, LedgerConnection
from eventstore.durable import run, transact
from eventstore.statements import Numbered, statement
from ingest.refusals import Kept, kept

_LOCK = Numbered(statement("ingest", "quarantine_lock"))
_SETTLE = Numbered(statement("ingest", "settle"))


class Fate(Enum):
    """What becomes of a refusal that somebody wants settled, in words for an operator."""

    RECORDED = "recorded"
    DISCARDED = "discarded"
    ALREADY_REPLAYED = "already replayed"
    ALREADY_DISCARDED = "already discarded"
    STILL_REFUSED = "still refused"
    SIGNATURE_WRONG = "signature still wrong"
    AN_ENTRY = "an entry of the ledger, which is never discarded"
    ERASED = "erased"
    FAILED = "refused by the database"
    UNKNOWN = "neither quarantined nor refused"


class Settled(NamedTuple):
    """What became of one refusal."""

    refusal_id: UUID
    fate: Fate
    reason: str = ""
    """Why it is still refused."""
    recorded: Recorded | None = None
    """What its replay recorded."""


class Tally:
    """What became of many refusals, counted."""

    def __init__(self) -> None:
        """Start from none."""
        self.fates: Counter[Fate] = Counter()
        self.reasons: dict[Fate, Counter[str]] = {fate: Counter() for fate in Fate}
        self.recorded = Recorded(0, 0, 0)
        """What the replays recorded, together."""

    def add(self, settled: Iterable[Settled]) -> None:
        """Count some more."""
        for one in settled:
            self.fates[one.fate] += 1
            if one.reason:
                self.reasons[one.fate][one.reason] += 1
            if one.recorded is not None:
                self.recorded = Recorded(*map(sum, zip(self.recorded, one.recorded, strict=True)))


async def lock(connection: LedgerConnection, ids: Sequence[UUID]) -> None:
    """Hold the quarantined ones of the refusals until the transaction ends: nobody else settles them."""
    await run(connection, _LOCK, {"ids": Uuids(ids)})


async def settle(
    connection: LedgerConnection, ids: Sequence[UUID], settlement: Literal["replayed", "discarded"]
) -> None:
    """Settle those of the quarantined requests that nobody has settled; refused entries stay as they are."""
    if ids:
        await run(connection, _SETTLE, {"ids": Uuids(ids), "settlement": settlement})


async def settled_once(
    database: Database, work: Callable[[LedgerConnection], Awaitable[Sequence[Settled]]]
) -> list[Settled]:
    """Run `work` as one transaction, and return what became of each refusal; raises as `transact` does.

    Where the answer to a commit was lost and `work` runs again, what it did the first time is told.
    """
    told: dict[UUID, Settled] = {}

    async def remembered(connection: LedgerConnection) -> None:
        for settled in await work(connection):
            before = told.get(settled.refusal_id)
            if before is None or (before.fate, settled.fate) not in _DONE_BEFORE:
                told[settled.refusal_id] = settled

    await transact(database, remembered)
    return list(told.values())


_DONE_BEFORE = ((Fate.RECORDED, Fate.ALREADY_REPLAYED), (Fate.DISCARDED, Fate.ALREADY_DISCARDED))


async def discard(database: Database, ids: Sequence[UUID], *, actor: str, reason: str) -> list[Settled]:
    """Discard quarantined requests for good, and tell what became of each; return after the commit.

    A refused entry is never discarded: it is the ledger's. Raises as `transact` does.
    """

    async def work(connection: LedgerConnection) -> list[Settled]:
        await lock(connection, ids)
        found = await kept(connection, ids)
        fates = {refusal_id: fate_of_discard(found.get(refusal_id)) for refusal_id in ids}
        gone = [found[refusal_id] for refusal_id, fate in fates.items() if fate is Fate.DISCARDED]
        await settle(connection, [one.refusal.refusal_id for one in gone], "discarded")
        await append_acts(connection, [_act_of_discard(one, actor, reason) for one in gone])
        return [Settled(refusal_id, fate) for refusal_id, fate in fates.items()]

    return await settled_once(database, work)


def fate_of_discard(found: Kept | None) -> Fate:
    """Return what becomes of a refusal that somebody wants discarded."""
    if found is None:
        return Fate.UNKNOWN
    if found.refusal.answer == 422:
        return Fate.AN_ENTRY
    return settled_fate(found) or Fate.DISCARDED


def settled_fate(found: Kept) -> Fate | None:
    """Return the fate of a refusal that is settled already, None while it waits."""
    if found.replayed_by is not None:
        return Fate.ALREADY_REPLAYED
    match found.refusal.state:
        case "discarded":
            return Fate.ALREADY_DISCARDED
        case "erased":
            return Fate.ERASED
        case _:
            return None


def _act_of_discard(gone: Kept, actor: str, reason: str) -> Act:
    refusal = gone.refusal
    traces = {
        "answer": refusal.answer,
        "received_at": refusal.received_at.isoformat(),
        "bytes": refusal.bytes,
        "sha256": sha256(gone.body or b"").hexdigest(),
    }
    return Act(
        new_act_id(), actor, "quarantine.discard", str(refusal.refusal_id), "discarded", reason, traces
    )
