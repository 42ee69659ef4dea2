"""A sealed ledger with a past, and what somebody might do to it in silence."""

from collections.abc import Callable
from pathlib import Path
from uuid import UUID

from eventstore.checkpoints import Seals
from eventstore.database import Database
from eventstore.sealing import Sealing
from ledger.audit.bundles import Bundle, read_anchors
from ledger.audit.findings import Erased, Finding
from ledger.audit.notes import Key, read_key
from ledger.audit.verify import verify
from ledger.bundling import export
from ledger.preflight import SERVICE_ROLE
from tests.support.database import execute
from tests.support.sealing import leaves, tampered


class Ledger:
    """A ledger with a past: callbacks, a repeat, a refusal, a registration; three checkpoints."""

    def __init__(self, url: str, folder: Path, seals: Seals) -> None:
        self.url = url
        self.folder = folder
        self.seals = seals
        self.anchors = folder / "anchors"
        self.bundles = 0

    @property
    def key(self) -> Key:
        ((incarnation,),) = execute(self.url, "SELECT incarnation FROM sealer")
        return read_key(str(self.seals.key.verifying(self.seals.origin(str(incarnation)))))

    def entry(self, index: int) -> UUID:
        return leaves(self.url)[index]

    def tamper(self, *statements: str) -> None:
        """Do as a superuser, and leave the guards as they were."""
        tampered(self.url, *statements)

    async def seal(self) -> None:
        async with Database(self.url, role=SERVICE_ROLE, connections=1) as database:
            await Sealing(database, self.seals).once(now=True)

    async def bundle(self) -> Bundle:
        self.bundles += 1
        folder = self.folder / f"bundle-{self.bundles}"
        async with Database(self.url, role=SERVICE_ROLE, connections=1) as database:
            await export(database, folder)
        return Bundle(folder)

    async def found(self) -> list[Finding | Erased]:
        return list(verify(await self.bundle(), read_anchors(self.anchors), [self.key]))


Tampering = Callable[[Ledger], None]


def changes_a_byte(ledger: Ledger) -> None:
    ledger.tamper(
        "UPDATE entries SET body = set_byte(body, 0, 32) FROM leaves"
        " WHERE leaves.entry_id = entries.entry_id AND index = 2"
    )


def changes_a_byte_and_its_leaf(ledger: Ledger) -> None:
    changes_a_byte(ledger)
    ledger.tamper(
        "UPDATE entries SET commitment = entry_commitment(salt, body, signature, rejection)",
        "UPDATE leaves SET commitment = entries.commitment FROM entries"
        " WHERE leaves.entry_id = entries.entry_id AND index = 2",
        "UPDATE leaves SET hash = sha256('\\x00'::bytea || leaf_content(entries.entry_id, kind, client_id,"
        " received_at, recorded_at, secret_id, rules, replays, entries.commitment)) FROM entries"
        " WHERE leaves.entry_id = entries.entry_id AND index = 2",
    )


def changes_what_stands_beside(ledger: Ledger) -> None:
    ledger.tamper(
        "UPDATE entries SET commitment = sha256(entries.commitment) FROM leaves"
        " WHERE leaves.entry_id = entries.entry_id AND index = 2"
    )


def changes_a_time(ledger: Ledger) -> None:
    ledger.tamper(
        "UPDATE entries SET received_at = received_at - interval '1 microsecond' FROM leaves"
        " WHERE leaves.entry_id = entries.entry_id AND index = 2"
    )


def deletes_a_row(ledger: Ledger) -> None:
    ledger.tamper("DELETE FROM entries USING leaves WHERE leaves.entry_id = entries.entry_id AND index = 2")


def deletes_a_row_and_its_leaf(ledger: Ledger) -> None:
    deletes_a_row(ledger)
    ledger.tamper("DELETE FROM leaves WHERE index = 2")


def swaps_two_rows(ledger: Ledger) -> None:
    ledger.tamper(
        "UPDATE leaves SET index = index + 100 WHERE index IN (2, 3)",
        "UPDATE leaves SET index = 105 - index WHERE index IN (102, 103)",
    )


def cuts_the_tail_off(ledger: Ledger) -> None:
    ledger.tamper(
        "DELETE FROM events USING leaves WHERE leaves.entry_id = events.entry_id AND index >= 5",
        "DELETE FROM entries USING leaves WHERE leaves.entry_id = entries.entry_id AND index >= 5",
        "DELETE FROM leaves WHERE index >= 5",
        "DELETE FROM checkpoints WHERE size > 5",
        "UPDATE sealer SET published_size = 5, signed_size = 5, size = 5",
    )


def replaces_a_checkpoint(ledger: Ledger) -> None:
    ledger.tamper(
        "UPDATE checkpoints SET note = other.note, root = other.root FROM checkpoints AS other"
        " WHERE checkpoints.size = 7 AND other.size = 5"
    )


def forges_a_signature(ledger: Ledger) -> None:
    ledger.tamper("UPDATE checkpoints SET note = regexp_replace(note, 'signed 2', 'signed 1') WHERE size = 7")


def changes_an_event(ledger: Ledger) -> None:
    ledger.tamper("UPDATE events SET channel_status = 'failed' WHERE idempotency_key = 'key-2'")


def deletes_an_event(ledger: Ledger) -> None:
    ledger.tamper("DELETE FROM events WHERE idempotency_key = 'key-2'")


def deletes_an_event_that_was_told_again(ledger: Ledger) -> None:
    ledger.tamper("DELETE FROM events WHERE idempotency_key = 'key-1'")


def adds_an_event(ledger: Ledger) -> None:
    ledger.tamper(
        "INSERT INTO events (recorded_at, effective_at, content_hash, entry_id, item, event_type, message_id,"
        " message_reference, idempotency_key, digest)"
        " SELECT recorded_at, effective_at, content_hash, entry_id, 7, event_type, message_id,"
        " message_reference, 'new', sha256('new') FROM events WHERE idempotency_key = 'key-2'"
    )


def changes_a_registration(ledger: Ledger) -> None:
    ledger.tamper("UPDATE registrations SET recipient_token = sha256('') WHERE message_reference = 'r-2'")


def blanks_without_saying_so(ledger: Ledger) -> None:
    ledger.tamper(
        "UPDATE entries SET body = NULL, salt = NULL, signature = NULL, rejection = NULL FROM leaves"
        " WHERE leaves.entry_id = entries.entry_id AND index = 2"
    )


def switches_a_guard_off(ledger: Ledger) -> None:
    execute(ledger.url, "ALTER TABLE events DISABLE TRIGGER append_only")


def grants_too_much(ledger: Ledger) -> None:
    execute(ledger.url, "GRANT DELETE ON entries TO ledger_service")


ENTRY_2 = ("entry.changed", "index 2")
