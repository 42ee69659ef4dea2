"""Replays what was refused: today's secrets and rules, the original bytes and time of receipt, a new entry.

A replay is an entry like any other, folded by the statement that appends it. It names what it replays, its id
follows from that, and a quarantined request is settled in the same transaction: so a second replay, at once
or after a crash, finds the first one there and changes nothing. The refused entry itself is never touched.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from os import urandom
from typing import NamedTuple
from uuid import UUID

from eventstore.acts import Act, append_acts, new_act_id
from eventstore.appender import Recorded, append_statement, parameters_of, recorded_of
from eventstore.database import Database, LedgerConnection
from eventstore.durable import ONE_TO_BLAME, run
from eventstore.events import SALT_BYTES, Delivery, Entry, Event
from eventstore.identifiers import time_ordered_uuid
from eventstore.statements import Numbered
from ingest.callbacks import RULES, Unprocessable, read
from ingest.refusals import Kept, kept
from ingest.settlement import Fate, Settled, lock, settle, settled_fate, settled_once
from ingest.signature import SigningSecrets, decode_signature


class Rules(NamedTuple):
    """By what a refusal is judged today."""

    secrets: SigningSecrets
    max_items: int
    supplier: str
    """Whose a quarantined request is, once its signature proves it."""


class Judgement(NamedTuple):
    """What a refusal comes to today: `RECORDED`, `STILL_REFUSED`, `SIGNATURE_WRONG`, or what settled it."""

    fate: Fate
    reason: str = ""
    """Why it would still be refused."""
    secret_id: str | None = None
    """Names the secret of today that verifies the signature."""
    events: tuple[Event, ...] = ()


def judge(found: Kept, rules: Rules) -> Judgement:
    """Return what a refusal comes to by today's rules and its original time of receipt."""
    settled = settled_fate(found)
    if settled is not None or found.body is None:
        return Judgement(settled or Fate.ERASED)
    secret_id = rules.secrets.verify(found.body, found.signature)
    if secret_id is None:
        return Judgement(Fate.SIGNATURE_WRONG)
    try:
        events = read(found.body, found.refusal.received_at, rules.max_items)
    except Unprocessable as broken:
        return Judgement(Fate.STILL_REFUSED, broken.status, secret_id)
    return Judgement(Fate.RECORDED, "", secret_id, events)


def replaying_entry_id(found: Kept) -> UUID:
    """Return the id of the entry that replays a refusal: always the same, of its time of receipt."""
    refusal = found.refusal
    derived = sha256(b"status-ledger replay" + refusal.refusal_id.bytes).digest()
    return time_ordered_uuid(refusal.received_at, derived[:10])


async def foresee(database: Database, rules: Rules, ids: Sequence[UUID]) -> list[Settled]:
    """Return what a replay would make of each of the refusals, writing nothing."""
    async with database.connection() as connection:
        found = await kept(connection, ids)
    return [_told(refusal_id, _judgement(found, refusal_id, rules)) for refusal_id in ids]


class Replayer:
    """Replays refusals on behalf of one person."""

    def __init__(
        self,
        database: Database,
        folds: Mapping[str, str],
        rules: Rules,
        *,
        actor: str,
        reason: str | None = None,
    ) -> None:
        """Take the folds that keep the read model in step, today's rules, and who replays and why."""
        self._database = database
        self._append = Numbered(append_statement(folds))
        self._rules = rules
        self._actor = actor
        self._reason = reason

    async def replay(self, ids: Sequence[UUID]) -> list[Settled]:
        """Replay the refusals in one transaction, and tell what became of each; return after the commit.

        Where the database refuses one of them, the others are replayed without it. Raises as `transact`
        does.
        """
        try:
            return await settled_once(self._database, lambda connection: self._replay(connection, ids))
        except ONE_TO_BLAME as error:
            if len(ids) == 1:
                return [Settled(ids[0], Fate.FAILED, type(error).__name__)]
        middle = len(ids) // 2
        return [*await self.replay(ids[:middle]), *await self.replay(ids[middle:])]

    async def _replay(self, connection: LedgerConnection, ids: Sequence[UUID]) -> list[Settled]:
        await lock(connection, ids)
        found = await kept(connection, ids)
        judged = {refusal_id: _judgement(found, refusal_id, self._rules) for refusal_id in ids}
        deliveries = [
            self._delivery(found[refusal_id], judgement)
            for refusal_id, judgement in judged.items()
            if judgement.fate is Fate.RECORDED
        ]
        recorded = await self._record(connection, deliveries)
        told = [_told(refusal_id, judgement, recorded) for refusal_id, judgement in judged.items()]
        await settle(
            connection,
            [one.refusal_id for one in told if one.fate in (Fate.RECORDED, Fate.ALREADY_REPLAYED)],
            "replayed",
        )
        await append_acts(
            connection, [self._act(found[one.refusal_id], one.recorded) for one in told if one.recorded]
        )
        return told

    async def _record(
        self, connection: LedgerConnection, deliveries: Sequence[Delivery]
    ) -> dict[UUID, Recorded | None]:
        """Append the deliveries; return what was recorded by what it replays, None where another had been."""
        if not deliveries:
            return {}
        rows = await run(connection, self._append, parameters_of(deliveries))
        already = {entry_id for outcome, entry_id, _ in rows if outcome == "already"}
        return {
            delivery.entry.replays: None if delivery.entry.entry_id in already else recorded
            for delivery, recorded in zip(deliveries, recorded_of(deliveries, rows), strict=True)
            if delivery.entry.replays is not None
        }

    def _delivery(self, found: Kept, judgement: Judgement) -> Delivery:
        entry = Entry(
            entry_id=replaying_entry_id(found),
            kind="callback",
            client_id=found.client_id or self._rules.supplier,
            received_at=found.refusal.received_at,
            body=found.body or b"",
            signature=decode_signature(found.signature),
            secret_id=judgement.secret_id,
            rules=RULES,
            replays=found.refusal.refusal_id,
            salt=urandom(SALT_BYTES),
        )
        return Delivery(entry, judgement.events)

    def _act(self, found: Kept, recorded: Recorded) -> Act:
        detail = {
            "answer": found.refusal.answer,
            "entry_id": str(replaying_entry_id(found)),
            **recorded.told(),
        }
        subject = str(found.refusal.refusal_id)
        return Act(new_act_id(), self._actor, "quarantine.replay", subject, "recorded", self._reason, detail)


def _judgement(found: Mapping[UUID, Kept], refusal_id: UUID, rules: Rules) -> Judgement:
    return judge(found[refusal_id], rules) if refusal_id in found else Judgement(Fate.UNKNOWN)


def _told(
    refusal_id: UUID, judgement: Judgement, recorded: Mapping[UUID, Recorded | None] | None = None
) -> Settled:
    if judgement.fate is not Fate.RECORDED or recorded is None:
        return Settled(refusal_id, judgement.fate, judgement.reason)
    done = recorded[refusal_id]
    fate = Fate.ALREADY_REPLAYED if done is None else Fate.RECORDED
    return Settled(refusal_id, fate, recorded=done)
