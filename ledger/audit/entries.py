"""Holds each entry against its leaf, and what it states against the rows that were derived from it."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from ledger.audit import leaves
from ledger.audit.derive import derive
from ledger.audit.findings import Erased, Finding
from ledger.audit.notes import Head, NotProven

Row = Mapping[str, Any]

IN_FLIGHT = timedelta(minutes=5)
"""How long before the checkpoint before it an entry may have been received and recorded: it was on its way.

One that claims to be older was put there later than it says.
"""

_TIMES = ("occurred_at", "effective_at")


class Entries:
    """What the entries come to, as they pass by in the order of their indexes."""

    def __init__(self) -> None:
        """Begin with none."""
        self._blanked: list[str] = []
        self._erased_by: dict[str, str] = {}
        self._registered: dict[str, set[bytes]] = {}

    def look_at(self, entry: Row, leaf: Row | None, before: Head | None) -> Iterator[Finding]:
        """Compare an entry with its leaf, and its times with those of the checkpoint before it."""
        where = f"entry {entry['entry_id']}" + ("" if leaf is None else f" (index {leaf['index']})")
        if leaf is not None:
            committed = leaves.bytes_of(leaf["commitment"]) or b""
            if leaves.commitment(entry) != committed:
                if any(entry[name] is not None for name in leaves.BLANKED):
                    told = "its body, salt, signature or rejection is not what was sealed"
                    yield Finding("entry.changed", where, told)
                else:
                    self._blanked.append(entry["entry_id"])
            beside = entry.get("commitment")
            if beside is not None and leaves.bytes_of(beside) != committed:
                yield Finding("entry.changed", where, "the commitment beside it is not the sealed one")
            if leaves.hash_of(entry, committed) != leaves.bytes_of(leaf["hash"]):
                yield Finding(
                    "entry.changed", where, "its id, kind, client, times or rules are not as sealed"
                )
        if before is not None:
            yield from _backdated(entry, where, before.signed_at)
        if entry["kind"] == "erasure" and entry["body"] is not None:
            for one in json.loads(leaves.bytes_of(entry["body"]) or b"").get("entries", ()):
                self._erased_by[one] = entry["entry_id"]
        if entry["kind"] == "registration" and entry["body"] is not None:
            told = json.loads(leaves.bytes_of(entry["body"]) or b"")
            self._registered[entry["entry_id"]] = {bytes.fromhex(one) for one in told["messages"]}

    def derive(self, entry: Row, events: list[Row], repeats: list[Row]) -> Iterator[Finding]:
        """Derive what an entry states, and compare it with the rows of `events` and `repeats`."""
        where = f"entry {entry['entry_id']}"
        for repeat in repeats:
            if not repeat["of_event"]:
                told = "it repeats an event that is not there"
                yield Finding("event.gone", f"{where}, item {repeat['item']}", told)
        if entry["body"] is None or entry["kind"] != "callback":
            return
        stated: list[dict[str, Any]] = []
        if entry["rejection"] is None:
            try:
                stated = derive(leaves.bytes_of(entry["body"]) or b"", leaves.moment(entry["received_at"]))
            except NotProven as error:
                yield Finding("entry.unreadable", where, str(error))
                return
        by_item = {row["item"]: row for row in (*repeats, *events)}
        for due in stated:
            row = by_item.pop(due["item"], None)
            place = f"{where}, item {due['item']}"
            if row is None:
                yield Finding("event.gone", place, "it states an event that is neither in events nor repeats")
            elif wrong := [name for name in due if name in row and _plain(row, name) != due[name]]:
                yield Finding("event.changed", place, f"{', '.join(wrong)}: not what the entry states")
        for item in by_item:
            yield Finding("event.surplus", f"{where}, item {item}", "the entry does not state this event")

    def registration(self, row: Row) -> Iterator[Finding]:
        """Look for the commitment to a registration in the body of its entry."""
        salt, token = leaves.bytes_of(row["salt"]) or b"", leaves.bytes_of(row["recipient_token"]) or b""
        committed = sha256(salt + row["message_reference"].encode() + token).digest()
        if committed not in self._registered.get(row["entry_id"], ()):
            where = f"registration of {row['message_reference']} in {row['batch_reference']}"
            yield Finding("registration.changed", where, f"entry {row['entry_id']} does not state it so")

    def finish(self) -> Iterator[Finding | Erased]:
        """Tell of entries that were blanked."""
        for entry_id in self._blanked:
            if entry_id in self._erased_by:
                yield Erased(entry_id, self._erased_by[entry_id])
            else:
                told = "it was blanked, and no erasure names it"
                yield Finding("entry.blanked", f"entry {entry_id}", told)


def _backdated(entry: Row, where: str, signed_at: datetime) -> Iterator[Finding]:
    claims = [("recorded", entry["recorded_at"])]
    if entry["replays"] is None:  # a replay keeps the time at which the first one was received
        claims.insert(0, ("received", entry["received_at"]))
    for word, claim in claims:
        if leaves.moment(claim) < signed_at - IN_FLIGHT:
            told = f"{word} at {claim}, it says, but the checkpoint of {signed_at.isoformat()} is without it"
            yield Finding("entry.backdated", where, told)
            return


def _plain(row: Row, name: str) -> Any:
    value = row[name]
    if name in _TIMES and value is not None:
        return leaves.moment(value)
    return value[2:] if name == "digest" else value
