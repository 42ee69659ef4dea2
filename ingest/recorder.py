"""Decides what becomes of one callback, and sees it kept before anyone is told.

The checks come in the contract's order. Whatever is proven by its API key or by its signature is kept,
whatever the answer: recorded, repeated and unprocessable callbacks as entries, half-proven ones in
quarantine.
"""

import random
from datetime import UTC, datetime
from enum import Enum
from os import urandom
from typing import NamedTuple
from uuid import UUID

import structlog

from eventstore.appender import Appender, Recorded
from eventstore.events import SALT_BYTES, Delivery, Entry, Event
from eventstore.group_commit import Waiter
from eventstore.identifiers import time_ordered_uuid
from ingest.callbacks import RULES, Unprocessable, read
from ingest.quarantine import Quarantine, Suspect
from ingest.signature import SigningSecrets, decode_signature

log = structlog.get_logger()


class Verdict(Enum):
    """What a callback came to, by its HTTP status."""

    RECORDED = 200
    INVALID_API_KEY = 401
    INVALID_SIGNATURE = 403
    UNPROCESSABLE = 422


class Outcome(NamedTuple):
    """The verdict on a callback and, for `UNPROCESSABLE`, the rule that it broke."""

    verdict: Verdict
    reason: str = ""


_RECORDED = Outcome(Verdict.RECORDED)


class Received(NamedTuple):
    """A callback as it arrived; `request_id` becomes the id of what is kept of it."""

    request_id: UUID
    received_at: datetime
    key_is_known: bool
    signature: bytes | None
    """The signature header, None where it was missing or repeated."""
    body: bytes


def utc_now() -> datetime:
    """Return the service's clock."""
    return datetime.now(UTC)


def new_request_id(moment: datetime) -> UUID:
    """Return a fresh id for a request that arrived at `moment`."""
    return time_ordered_uuid(moment, random.randbytes(10))  # noqa: S311 - unique, not secret


class Recorder:
    """Turns received callbacks into entries, events and answers."""

    def __init__(
        self,
        appender: Appender,
        quarantine: Quarantine,
        secrets: SigningSecrets,
        *,
        supplier: str,
        max_items: int,
    ) -> None:
        """Take where entries and suspects go, the secrets of the supplier, and its name."""
        self._appender = appender
        self._quarantine = quarantine
        self._secrets = secrets
        self._supplier = supplier
        self._max_items = max_items
        self._log = log.bind()  # once: to ask for it at each callback costs as much as the signature

    @property
    def full(self) -> bool:
        """Whether so much waits that a callback would be refused now."""
        return self._appender.full

    async def record(self, received: Received) -> Outcome:
        """Judge and keep one callback; return after the commit that keeps it.

        Raises `Overloaded` or `QuarantineFull` where there is no room for it, and another error where
        it could not be kept; then nothing may be promised.
        """
        judged = self.judge(received)
        if isinstance(judged, Delivery):
            return self.outcome_of(judged, await self._appender.append(judged))
        if isinstance(judged, Suspect):
            return await self._hold(judged)
        return judged

    def judge(self, received: Received) -> Delivery | Suspect | Outcome:
        """Return what is to be appended, or quarantined, or the outcome where nothing is to be kept."""
        secret_id = self._secrets.verify(received.body, received.signature)
        if received.key_is_known and secret_id is not None:
            return self._delivery(received, secret_id)
        verdict = Verdict.INVALID_SIGNATURE if received.key_is_known else Verdict.INVALID_API_KEY
        if not received.key_is_known and secret_id is None:
            return Outcome(verdict)
        return Suspect(
            quarantine_id=received.request_id,
            received_at=received.received_at,
            answer=verdict.value,
            secret_id=secret_id,
            signature=received.signature,
            body=received.body,
        )

    def offer(self, delivery: Delivery, waiter: Waiter[Recorded]) -> None:
        """Append a delivery and tell the waiter after the commit; raises `Overloaded` at once.

        `outcome_of` says what the answer then is.
        """
        self._appender.offer(delivery, waiter)

    def _delivery(self, received: Received, secret_id: str) -> Delivery:
        reason = None
        events: tuple[Event, ...] = ()
        try:
            events = read(received.body, received.received_at, self._max_items)
        except Unprocessable as broken:
            reason = broken.status
        entry = Entry(
            entry_id=received.request_id,
            kind="callback",
            client_id=self._supplier,
            received_at=received.received_at,
            body=received.body,
            signature=decode_signature(received.signature),
            secret_id=secret_id,
            rules=RULES,
            rejection=reason,
            salt=urandom(SALT_BYTES),
        )
        return Delivery(entry, events)

    def outcome_of(self, delivery: Delivery, recorded: Recorded) -> Outcome:
        """Return the outcome of a delivery that is committed, and log what is worth it."""
        entry, reason = delivery.entry, delivery.entry.rejection
        if reason is not None:
            log.warning("callback.refused", entry_id=str(entry.entry_id), reason=reason)
            return Outcome(Verdict.UNPROCESSABLE, reason)
        if recorded.conflicts:
            log.warning("callback.conflicted", entry_id=str(entry.entry_id), conflicts=recorded.conflicts)
        if recorded.erased or recorded.returned:
            log.warning(
                "callback.of_erased_message",
                entry_id=str(entry.entry_id),
                erased=recorded.erased,
                returned=recorded.returned,
            )
        self._log.debug(
            "callback.recorded",
            entry_id=entry.entry_id,
            events=recorded.events,
            repeats=recorded.repeats,
        )
        return _RECORDED

    async def _hold(self, suspect: Suspect) -> Outcome:
        await self._quarantine.keep(suspect)
        log.warning("callback.quarantined", quarantine_id=str(suspect.quarantine_id), answer=suspect.answer)
        return Outcome(Verdict(suspect.answer))
