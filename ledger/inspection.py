"""Lets the auditor's verifier look at single entries for the pages, and holds the log against its anchors."""

import asyncio
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any
from uuid import UUID

from eventstore.anchors import AnchorsUnavailable
from eventstore.checkpoints import Seals, compare, latest_published
from eventstore.database import Database
from eventstore.proofs import proof_of
from eventstore.sealer_state import read_state
from eventstore.statements import statement
from eventstore.tiles import LogInconsistent
from ledger.audit.entries import Entries
from ledger.audit.findings import Finding
from ledger.audit.notes import Head, Key, NotProven, read_key, verify_head
from ledger.audit.proofs import verify_proof
from ledger.seals import seals_of
from ledger.settings import SealingSettings
from query.pages.inspection import Anchored, Found, Proof

MOST_BYTES = 64 * 1024
"""Bytes of an entry that is looked at among others; a larger one is looked at by itself."""

PATIENCE = 5.0
"""Seconds in which the anchors must answer a page."""

NO_KEY = "SEALING_KEY is not set"


class Inspection:
    """Looks at the ledger of a database."""

    def __init__(self, database: Callable[[], Database], settings: SealingSettings) -> None:
        """Take the database, which is asked for at each look, and by what its checkpoints are signed."""
        self._database = database
        self._settings = settings

    @cached_property
    def _seals(self) -> Seals | None:
        return seals_of(self._settings)

    @cached_property
    def _keys(self) -> list[Key]:
        return [] if self._seals is None else _public(self._seals)

    async def entries(self, entry_ids: Collection[UUID]) -> Mapping[UUID, Sequence[Found]]:
        """Return what is wrong with entries and with what was derived from them, by entry; others are well.

        Of several, those that are very long are passed over.
        """
        most_bytes = MOST_BYTES if len(entry_ids) > 1 else 2**40
        asked = {"entry_ids": list(entry_ids), "most_bytes": most_bytes}
        async with self._database().snapshot() as connection:
            cursor = await connection.execute(statement("ledger", "inspected"), asked)
            lines = [json.loads(line) for (line,) in await cursor.fetchall()]
        found = await asyncio.to_thread(lambda: {UUID(one["entry_id"]): self._look(one) for one in lines})
        return {entry_id: wrong for entry_id, wrong in found.items() if wrong}

    async def proof(self, entry_id: UUID) -> Proof:
        """Make the proof of an entry and check it as an outsider would."""
        if not self._keys:
            return Proof(missing=NO_KEY)
        async with self._database().snapshot() as connection:
            text = await proof_of(connection, entry_id)
        if text is None:
            return Proof(missing="it is in no published checkpoint yet")
        try:
            proven = verify_proof(text, self._keys)
        except NotProven as error:
            return Proof(wrong=str(error))
        return Proof(proven.place, proven.head.size, proven.head.signed_at)

    async def anchored(self) -> Anchored:
        """Hold the log against its newest anchor."""
        if self._seals is None:
            return Anchored(missing=NO_KEY)
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._compared(self._seals)
        except LogInconsistent as error:
            return Anchored(wrong=error.detail)
        except AnchorsUnavailable as error:
            return Anchored(missing=f"the anchors are out of reach: {error.detail}")
        except TimeoutError:
            return Anchored(missing="the anchors are out of reach")

    async def _compared(self, seals: Seals) -> Anchored:
        """Compare, and again where it fails: what is published meanwhile is no fault of the log."""
        for again in (True, True, False):
            async with self._database().connection() as connection:
                state = await read_state(connection)
            if state.incarnation is None:
                return Anchored(missing="nothing is sealed yet")
            newest = await asyncio.to_thread(seals.anchors.latest, seals.origin(state.incarnation))
            async with self._database().snapshot() as connection:
                state = await read_state(connection)
                try:
                    said = await compare(connection, state, seals, newest)
                except LogInconsistent:
                    if again:
                        continue
                    raise
                kept = self._head(await latest_published(connection))
            if said is None:
                return Anchored(missing="nothing is anchored yet")
            if kept is None or kept.size != state.published_size:
                told = f"the checkpoint of {state.published_size} entries is not the one that was signed"
                return Anchored(wrong=told)
            return Anchored(said.size, said.signed_at)
        raise AssertionError("the last attempt returns or raises")

    def _look(self, line: Mapping[str, Any]) -> list[Found]:
        return [Found(*one) for one in self._findings(line)]

    def _findings(self, line: Mapping[str, Any]) -> Iterator[Finding]:
        entry, leaf = line["entry"], line["leaf"]
        where = f"entry {line['entry_id']}"
        if entry is None:
            if leaf is not None:
                told = "it was sealed, and is not there any more"
                yield Finding("entry.gone", f"{where} (index {leaf['index']})", told)
            elif line["events"] or line["repeats"]:
                yield Finding("row.stray", where, "what it is said to state belongs to no entry")
            return
        entries = Entries()
        try:
            yield from entries.look_at(entry, leaf, self._head(line["before"]))
            yield from entries.derive(entry, line["events"], line["repeats"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            yield Finding("entry.unreadable", where, str(error))

    def _head(self, note: str | None) -> Head | None:
        """Return what a checkpoint says; one that cannot be believed says nothing of others."""
        try:
            return None if note is None else verify_head(note, self._keys)
        except NotProven:
            return None


def _public(seals: Seals) -> list[Key]:
    """Return the public keys of a ledger; the verifier knows them under any of its logs."""
    return [read_key(str(key)) for key in seals.keys(seals.origin("any"))]
