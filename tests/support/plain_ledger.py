"""A ledger in plain memory: what the one in PostgreSQL is held against, step by step.

It shares with the product how a body is read, and the type of an event. That the reading is right is tested
elsewhere, by the auditor's own parser too.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from eventstore.erasure import Outcome
from eventstore.events import Event
from tests.support.plain_fold import Rows, fold

Key = tuple[str, bytes]
"""What makes an event one: its idempotency key and its digest."""

Place = tuple[UUID, int]
"""An entry, and an item of it."""


class Told(NamedTuple):
    """A callback that is to be recorded."""

    entry_id: UUID
    body: bytes
    events: tuple[Event, ...]
    """What it states; nothing where it is refused."""
    refused: bool = False
    replays: UUID | None = None


@dataclass
class Entry:
    """A line of the ledger."""

    kind: str
    body: bytes | None
    refused: bool = False
    replays: UUID | None = None


@dataclass
class Quarantined:
    """A request of which half the proof was right."""

    body: bytes
    provable: bool
    """Whether a secret that will be known verifies it."""
    settled: str | None = None


class Erasing(NamedTuple):
    """What an erasure is about to do."""

    outcome: Outcome
    entries: set[UUID]
    quarantined: set[UUID]
    events: int
    repeats: int


@dataclass
class PlainLedger:
    """Entries, events, repeats, registrations, quarantine, and who was erased."""

    entries: dict[UUID, Entry] = field(default_factory=dict)
    events: dict[Key, Event] = field(default_factory=dict)
    holders: dict[Key, Place] = field(default_factory=dict)
    """The item that each event came by."""
    repeats: dict[Place, Key] = field(default_factory=dict)
    quarantine: dict[UUID, Quarantined] = field(default_factory=dict)
    registrations: dict[tuple[str, str, str], tuple[str, str]] = field(default_factory=dict)
    """Routing plan and NHS number by client, batch and message reference."""
    erased: set[str] = field(default_factory=set)

    def record(self, callbacks: Iterable[Told], first: Mapping[Key, Place]) -> None:
        """Record callbacks that came at the same time; `first` says which of them brought an event first."""
        candidates: dict[Key, dict[Place, Event]] = {}
        for told in callbacks:
            blank = bool(told.events) and all(one.message_id in self.erased for one in told.events)
            body = None if blank else told.body
            self.entries[told.entry_id] = Entry("callback", body, told.refused, told.replays)
            for one in () if blank else told.events:
                candidates.setdefault(key_of(one), {})[told.entry_id, one.item] = one
        for key, places in candidates.items():
            if key not in self.events:
                place = first[key]
                self.events[key], self.holders[key] = places.pop(place), place  # KeyError: none of them did
            self.repeats |= dict.fromkeys(places, key)

    def clashes(self, told: Told, among: Mapping[Key, Event]) -> int:
        """Return how many events of a callback differ from one of their key in more than the timestamp."""
        mine = {
            key_of(one): one
            for one in told.events
            if self.holders.get(key_of(one), ())[:1] == (told.entry_id,)
        }
        return sum(
            any(k[0] == key[0] and other.content_hash != one.content_hash for k, other in among.items())
            for key, one in mine.items()
        )

    def read_model(self) -> tuple[Rows, Rows]:
        """Return the rows of both projected tables."""
        return fold(self.events.values())

    def contradicts(self, client: str, batch: str, plan: str, numbers: Mapping[str, str]) -> bool:
        """Return whether a message is registered in the batch otherwise."""
        known = {reference: self.registrations.get((client, batch, reference)) for reference in numbers}
        return any(one not in (None, (plan, numbers[reference])) for reference, one in known.items())

    def register(self, entry_id: UUID, client: str, batch: str, plan: str, numbers: Mapping[str, str]) -> int:
        """Register those messages of a batch that are new, and return how many that are."""
        new = {(client, batch, one): (plan, number) for one, number in numbers.items()}
        new = {key: value for key, value in new.items() if key not in self.registrations}
        if new:
            self.entries[entry_id] = Entry("registration", b"")
        self.registrations |= new
        return len(new)

    def foresee(self, message: str, *, whole_entry: bool) -> Erasing:
        """Return what an erasure of a message will do."""
        keys = {key for key, one in self.events.items() if one.message_id == message}
        repeats = {place for place, key in self.repeats.items() if key in keys}
        delivering = {self.holders[key][0] for key in keys} | {entry_id for entry_id, _ in repeats}
        replayed = {self.entries[one].replays for one in delivering}
        refused = {
            one for one, entry in self.entries.items() if entry.refused and states(entry.body, message)
        }
        carrying = delivering | refused | {one for one in replayed if one is not None and one in self.entries}
        held = {
            one
            for one, request in self.quarantine.items()
            if request.settled is None and states(request.body, message)
        }
        others = set[str]().union(
            *(self._carried(one) for one in carrying), *(stated(self.quarantine[one].body) for one in held)
        ) - {message}
        if not carrying and not held:
            outcome = Outcome.ALREADY if message in self.erased else Outcome.UNKNOWN
        else:
            outcome = Outcome.OTHERS if others and not whole_entry else Outcome.ERASED
        return Erasing(outcome, carrying, held, len(keys), len(repeats))

    def erase(self, message: str, erasing: Erasing, erasure_id: UUID) -> None:
        """Do what an erasure was foreseen to do."""
        gone = {key for key, one in self.events.items() if one.message_id == message}
        known_as = {self.events[key].message_reference for key in gone}
        messages, _ = self.read_model()
        shared = {row["message_reference"] for other, row in messages.items() if other != message}
        self.registrations = {
            key: value for key, value in self.registrations.items() if key[2] not in known_as - shared
        }
        for one in erasing.entries:
            self.entries[one].body = None
            self.entries[one].refused = False
        for one in erasing.quarantined:
            self.quarantine[one].settled = "erased"
        self.repeats = {place: key for place, key in self.repeats.items() if key not in gone}
        for key in gone:
            del self.events[key], self.holders[key]
        self.erased.add(message)
        self.entries[erasure_id] = Entry("erasure", b"")

    def _carried(self, entry_id: UUID) -> set[str]:
        entry = self.entries[entry_id]
        keys = [key for key, (holder, _) in self.holders.items() if holder == entry_id]
        keys += [key for (holder, _), key in self.repeats.items() if holder == entry_id]
        return {self.events[key].message_id for key in keys} | (
            stated(entry.body) if entry.refused else set()
        )


def key_of(event: Event) -> Key:
    """Return what makes an event one."""
    return event.idempotency_key, event.digest


def stated(body: bytes | None) -> set[str]:
    """Return the messages that a body speaks of; none where it is no JSON."""
    try:
        return {item["attributes"]["messageId"] for item in json.loads(body or b"")["data"]}
    except ValueError:
        return set()


def states(body: bytes | None, message: str) -> bool:
    """Return whether a body speaks of a message, be it JSON or the torso of it."""
    if body is None:
        return False
    return message in stated(body) or (not stated(body) and f'"messageId":"{message}"'.encode() in body)
