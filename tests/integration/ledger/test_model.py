"""Whatever is done to a ledger, in any order and wherever it crashes, it is what a plain one in memory is.

A state machine draws steps: callbacks new, doubled, late, restated, contradicting, refused; replays,
discards, registrations, erasures, seals, rebuilds; connections lost before the work and after the commit, for
once or for good. After every step each table is compared with the model, and in the end an auditor recomputes
all.
"""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, LiteralString, TypeVar
from unittest import mock
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle as Kept
from hypothesis.stateful import (
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from eventstore import erasure
from eventstore.appender import Appender, Recorded
from eventstore.database import Database
from eventstore.erasure import Outcome
from eventstore.errors import LedgerError
from eventstore.events import Delivery
from eventstore.recipients import RecipientKeys
from eventstore.sealing import Sealing
from ingest import vocabulary
from ingest.batches import InvalidBatch
from ingest.batches import read as read_batch
from ingest.callbacks import Unprocessable
from ingest.callbacks import read as read_callback
from ingest.quarantine import Caps, Quarantine
from ingest.recorder import Received, Recorder, Verdict, new_request_id
from ingest.refusals import Kept as Refused
from ingest.refusals import kept
from ingest.registering import Sender, register
from ingest.replay import Replayer, replaying_entry_id
from ingest.settlement import Fate, discard
from ingest.signature import SigningSecrets
from ledger.audit.bundles import Bundle, read_anchors
from ledger.audit.findings import Erased
from ledger.audit.notes import read_key
from ledger.audit.verify import verify as audit
from ledger.bundling import export
from projections.projection import CURRENT_STATUS, PROJECTIONS, kept_in_step
from projections.rebuild import rebuild
from projections.verify import verify
from tests.support.client import batch, message, nhs_numbers
from tests.support.database import cloned
from tests.support.frail import Frail, Lose, Trouble
from tests.support.plain_ledger import PlainLedger, Quarantined, Told
from tests.support.read_model import read_model, without_versions
from tests.support.refused import MENDED, MENDED_SECRET
from tests.support.sealing import seals_in
from tests.support.supplier import SECRETS, body, item

MESSAGES = ("m-1", "m-2", "m-3")
REFERENCES = ("r-1", "r-2", "r-3")
NUMBERS = nhs_numbers(2)
TIMES = ("2026-11-23T09:00:00Z", "2026-11-23T09:00:01Z", "9999-01-01T00:00:00Z", None)
RECIPIENTS = RecipientKeys("recipient-key")
ATTEMPTED = (LedgerError, psycopg.Error)
"""What a step may end in that lost its connection for good."""

HALVES = ("key", "signature", "neither")
"""What is wrong with a request that is quarantined; of the last, no secret will ever be known."""

FEW = 4
MANY = 80
LONG = 100
"""Examples that the profile `default` draws of a property."""

Outcomes = TypeVar("Outcomes")


@st.composite
def items(draw: st.DrawFn) -> dict[str, Any]:
    """An item of a callback: few messages, keys, times and statuses, so that clashes are common."""
    stated: dict[str, Any] = draw(
        st.sampled_from(
            [
                {"kind": "MessageStatus", "messageStatus": "sending"},
                {"kind": "MessageStatus", "messageStatus": "delivered"},
                {"channel": "nhsapp", "channelStatus": "sending", "supplierStatus": "delivered"},
                {"channel": "sms", "channelStatus": "delivered", "supplierStatus": "delivered"},
                {"channel": "sms", "supplierStatus": "teleported"},
                {"channelStatus": "failed", "messageStatus": "failed"},
            ]
        )
    )
    return item(
        draw(st.sampled_from(MESSAGES)),
        key=draw(st.sampled_from(["key-1", "key-2", "key-3"])),
        reference=draw(st.sampled_from(REFERENCES)),
        timestamp=draw(
            st.sampled_from(["2026-11-23T09:00:00Z", "2026-11-23T09:00:01Z", "9999-01-01T00:00:00Z", None])
        ),
        **stated,
    )


bodies = st.lists(items(), min_size=1, max_size=3).map(lambda drawn: body(*drawn))
Losing = tuple[Lose, int] | None
"""When a step loses its connection, and how often."""

FOR_GOOD = 99
troubles: st.SearchStrategy[Losing] = st.sampled_from(
    [None, None, None, ("before", 1), ("after", 1), ("before", FOR_GOOD), ("after", FOR_GOOD)]
)
"""How a step loses its connections: mostly not, else once, which it must survive, or at every attempt."""


class Watched(Appender):
    """An appender that remembers what it told."""

    told: dict[UUID, Recorded]

    async def append(self, delivery: Delivery) -> Recorded:
        self.told[delivery.entry.entry_id] = recorded = await super().append(delivery)
        return recorded


class LedgerMachine(RuleBasedStateMachine):
    """A ledger on a database of its own, and the model beside it."""

    postgres: str

    posted = Kept("posted")
    refusals = Kept("refusals")

    def __init__(self) -> None:
        super().__init__()
        self.model = PlainLedger()
        self.sealed: list[UUID] = []
        self.incarnation: str | None = None
        self._parts = ExitStack()
        self.url = self._parts.enter_context(cloned(self.postgres))
        self.folder = Path(self._parts.enter_context(tempfile.TemporaryDirectory()))
        self.runner = self._parts.enter_context(asyncio.Runner())
        self.trouble = Trouble(self.url)
        self.trouble.watch_prepared(monkeypatch := pytest.MonkeyPatch())
        self._parts.callback(monkeypatch.undo)
        self.connection = self._parts.enter_context(
            psycopg.connect(self.url, autocommit=True, options="-c timezone=UTC")
        )
        self._open = AsyncExitStack()
        self.runner.run(self._start())

    async def _start(self) -> None:
        async def opened(role: str) -> Database:
            return await self._open.enter_async_context(Frail(self.url, role, self.trouble))

        self.service = await opened("ledger_service")
        self.operator = await opened("ledger_operator")
        self.eraser = await opened("ledger_eraser")
        self.appender = Watched(self.service, kept_in_step(), writers=2)
        self.appender.told = {}
        quarantine = Quarantine(self.service, Caps(1000, 10**6))
        for queue in (self.appender, quarantine):
            queue.open()
            self._open.push_async_callback(queue.close)
        self.recorder = Recorder(self.appender, quarantine, SECRETS, supplier="notify", max_items=1000)
        self.sealing = Sealing(self.service, seals_in(self.folder / "anchors"))

    def teardown(self) -> None:
        try:
            self._audit()
        finally:
            self.trouble.settle()
            self.runner.run(self._open.aclose())
            self._parts.close()

    # What suppliers do ------------------------------------------------------------------------------

    @rule(target=posted, contents=st.lists(bodies, min_size=1, max_size=4), trouble=troubles)
    def post(self, contents: list[bytes], trouble: Losing) -> Any:
        self._post(contents, trouble)
        return multiple(*contents)

    @rule(contents=st.lists(posted, min_size=1, max_size=3), trouble=troubles)
    def post_again(self, contents: list[bytes], trouble: Losing) -> None:
        self._post(contents, trouble)

    @rule(target=posted, content=posted, second=st.integers(0, 2))
    def restate(self, content: bytes, second: int) -> bytes:
        """The same with another time: a status that came back."""
        restated = content.replace(b"T09:00:00Z", f"T09:01:0{second}Z".encode())
        self._post([restated], None)
        return restated

    @rule(target=posted, content=posted)
    def contradict(self, content: bytes) -> bytes:
        """The same keys and times, and something else said."""
        contradicting = content.replace(b'"delivered"', b'"failed"')
        self._post([contradicting], None)
        return contradicting

    @precondition(lambda self: self.model.erased)
    @rule(target=posted, one=items(), trouble=troubles, data=st.data())
    def post_of_an_erased_message(self, one: dict[str, Any], trouble: Losing, data: st.DataObject) -> bytes:
        one["attributes"]["messageId"] = data.draw(st.sampled_from(sorted(self.model.erased)))
        self._post([body(one)], trouble)
        return body(one)

    @rule(target=posted, content=bodies)
    def break_off(self, content: bytes) -> bytes:
        """No JSON, but proven: kept, and refused."""
        self._post([content[:-1]], None)
        return content[:-1]

    @rule(
        target=refusals,
        content=bodies,
        half=st.sampled_from(["key", "signature", "neither"]),
        trouble=troubles,
    )
    def post_half_proven(self, content: bytes, half: str, trouble: Losing) -> UUID:
        received = self._received(content)
        signature = SigningSecrets("unknown").sign(content)
        if half == "key":
            received = received._replace(key_is_known=False)
        else:
            signature = SigningSecrets(MENDED_SECRET).sign(content) if half == "signature" else signature
            received = received._replace(signature=signature.encode())
        expected = Verdict.INVALID_API_KEY if half == "key" else Verdict.INVALID_SIGNATURE

        def keep() -> None:
            self.model.quarantine[received.request_id] = Quarantined(content, provable=half != "neither")

        with self._troubled(trouble):
            outcome = self._attempt(lambda: self.recorder.record(received))
        if outcome is not None:
            assert outcome.verdict is expected
            keep()
        elif self._must_have_left(trouble, quarantine_id=received.request_id):
            keep()
        return received.request_id

    def _post(self, contents: list[bytes], trouble: Losing) -> None:
        told = [self._judged(content) for content in contents]

        async def at_once() -> list[Any]:
            return await asyncio.gather(
                *(self.recorder.record(received) for received, _ in told), return_exceptions=True
            )

        before = dict(self.model.events)
        with self._troubled(trouble):
            outcomes = self.runner.run(at_once())
        recorded = []
        for (received, callback), outcome in zip(told, outcomes, strict=True):
            if isinstance(outcome, BaseException):
                assert isinstance(outcome, ATTEMPTED)
                assert self._excused, "a connection that is lost once is survived"
                if self._must_have_left(trouble, entry_id=received.request_id):
                    recorded.append(callback)
            else:
                verdict = Verdict.UNPROCESSABLE if callback.refused else Verdict.RECORDED
                assert outcome.verdict is verdict
                recorded.append(callback)
        self._record(recorded)
        if trouble is None:
            for callback in recorded:
                self._compare_what_was_told(callback, before)

    def _record(self, callbacks: list[Told]) -> None:
        rows = self._rows("SELECT idempotency_key, digest, entry_id, item FROM events")
        self.model.record(callbacks, {(key, digest): (entry, item) for key, digest, entry, item in rows})

    def _compare_what_was_told(self, callback: Told, before: dict[Any, Any]) -> None:
        told = self.appender.told[callback.entry_id]
        erased = [one for one in callback.events if one.message_id in self.model.erased]
        alone = bool(callback.events) and len(erased) == len(callback.events)
        repeats = sum(entry_id == callback.entry_id for entry_id, _ in self.model.repeats)
        assert (told.erased, told.returned) == ((len(erased), 0) if alone else (0, len(erased)))
        assert (told.events, told.repeats) == (len(callback.events) - repeats - told.erased, repeats)
        for name, number in told.told().items():
            event(f"a callback with {name}" if number else f"a callback without {name}")
        least = self.model.clashes(callback, before)
        assert least <= told.conflicts <= self.model.clashes(callback, self.model.events)

    def _received(self, content: bytes) -> Received:
        now = datetime.now(UTC)
        return Received(new_request_id(now), now, True, SECRETS.sign(content).encode(), content)

    def _judged(self, content: bytes) -> tuple[Received, Told]:
        received = self._received(content)
        return received, self._read(content, received.received_at, received.request_id)

    def _read(
        self, content: bytes, received_at: datetime, entry_id: UUID, replays: UUID | None = None
    ) -> Told:
        try:
            return Told(entry_id, content, read_callback(content, received_at, 1000), False, replays)
        except Unprocessable:
            return Told(entry_id, content, (), True, replays)

    # What operators do ------------------------------------------------------------------------------

    @rule(
        ids=st.lists(refusals, max_size=2, unique=True), grown=st.booleans(), trouble=troubles, data=st.data()
    )
    def replay(self, ids: list[UUID], grown: bool, trouble: Losing, data: st.DataObject) -> None:
        """Replay what was refused, once the secret is mended, and perhaps the known values have grown."""
        refused = [one for one, entry in self.model.entries.items() if entry.refused]
        ids = ids + data.draw(st.lists(st.sampled_from(refused), max_size=2, unique=True)) if refused else ids
        values = (*vocabulary.SUPPLIER_STATUSES, *(["teleported"] if grown else []))
        with mock.patch.object(vocabulary, "SUPPLIER_STATUSES", values):
            found = self.runner.run(self._kept(ids))
            expected = {one: self._fate_of_replay(one) for one in ids}
            replayer = Replayer(self.operator, kept_in_step(), MENDED, actor="somebody")
            with self._troubled(trouble):
                told = self._attempt(lambda: replayer.replay(ids))
            for fate in expected.values():
                event(f"a replay: {fate.value}")
            if told is not None:
                assert {one.refusal_id: one.fate for one in told} == expected
            callbacks = [
                self._read(
                    found[one].body or b"",
                    found[one].refusal.received_at,
                    replaying_entry_id(found[one]),
                    one,
                )
                for one, fate in expected.items()
                if fate is Fate.RECORDED
            ]
        if told is None and not (callbacks and self._must_have_left(trouble, entry_id=callbacks[0].entry_id)):
            return
        self._record(callbacks)
        for one, fate in expected.items():
            if fate is Fate.RECORDED and one in self.model.quarantine:
                self.model.quarantine[one].settled = "replayed"

    def _replayed(self, found: Refused) -> Told:
        refusal = found.refusal
        return self._read(
            found.body or b"", refusal.received_at, replaying_entry_id(found), refusal.refusal_id
        )

    async def _kept(self, ids: list[UUID]) -> Any:
        await self.operator.mend()  # of what earlier troubles left
        async with self.operator.connection() as connection:
            return await kept(connection, ids)

    def _fate_of_replay(self, refusal: UUID) -> Fate:
        if any(entry.replays == refusal for entry in self.model.entries.values()):
            return Fate.ALREADY_REPLAYED
        request, entry = self.model.quarantine.get(refusal), self.model.entries.get(refusal)
        if request is None and (entry is None or not entry.refused):
            return Fate.UNKNOWN
        if request is not None and request.settled is not None:
            return {"discarded": Fate.ALREADY_DISCARDED, "erased": Fate.ERASED}[request.settled]
        if request is not None and not request.provable:
            return Fate.SIGNATURE_WRONG
        content = request.body if request is not None else entry.body if entry is not None else None
        told = self._read(content or b"", datetime.now(UTC), refusal)
        return Fate.STILL_REFUSED if told.refused else Fate.RECORDED

    @rule(one=consumes(refusals), trouble=troubles)
    def discard(self, one: UUID, trouble: Losing) -> None:
        request = self.model.quarantine.get(one)
        waits = request is not None and request.settled is None
        with self._troubled(trouble):
            told = self._attempt(lambda: discard(self.operator, [one], actor="somebody", reason="a trial"))
        if told is not None:
            assert (told[0].fate is Fate.DISCARDED) == waits
        if request is not None and waits:
            query = "SELECT settlement FROM quarantine WHERE quarantine_id = %s"
            ((settled,),) = self.connection.execute(query, [one]).fetchall()
            assert told is None or settled == "discarded"
            request.settled = settled

    @rule(name=st.sampled_from(MESSAGES), whole_entry=st.booleans(), trouble=troubles)
    def erase(self, name: str, whole_entry: bool, trouble: Losing) -> None:
        foreseen = self.model.foresee(name, whole_entry=whole_entry)
        request = erasure.Request(name, "somebody", "a trial", "none", whole_entry)
        with self._troubled(trouble):
            done = self._attempt(lambda: erasure.erase(self.eraser, request))
        if done is not None:
            assert done.outcome is foreseen.outcome
            assert (set(done.entries), set(done.quarantined)) == (foreseen.entries, foreseen.quarantined)
            assert (done.events, done.repeats) == (foreseen.events, foreseen.repeats)
        event(f"an erasure: {foreseen.outcome.value}")
        if foreseen.outcome is Outcome.ERASED:
            rows = self._rows("SELECT entry_id FROM entries WHERE kind = 'erasure'")
            new = [entry_id for (entry_id,) in rows if entry_id not in self.model.entries]
            assert len(new) == 1 or (done is None and not new)
            if new:
                self.model.erase(name, foreseen, new[0])

    @rule()
    def rebuild(self) -> None:
        assert rebuild(self.connection, CURRENT_STATUS) == len(self.model.events)

    @rule(trouble=troubles, spared=st.integers(0, 3))
    def seal(self, trouble: Losing, spared: int) -> None:
        with self._troubled(trouble, spared):
            self._excused = True  # the sealer comes again by itself
            self._attempt(lambda: self.sealing.once(now=True))
        self.runner.run(self.service.mend())  # of what earlier troubles left
        self.runner.run(self.sealing.once(now=True))
        assert set(self._leaves()) == set(self.model.entries)

    # What clients do --------------------------------------------------------------------------------

    @rule(
        client=st.sampled_from(["clinic", "clinic", "registry"]),
        name=st.sampled_from(["batch-1", "batch-1", "batch-2"]),
        plan=st.sampled_from(["plan", "plan", "plan", "another plan"]),
        numbers=st.dictionaries(st.sampled_from(REFERENCES), st.sampled_from(NUMBERS), min_size=1),
        trouble=troubles,
    )
    def register(self, client: str, name: str, plan: str, numbers: dict[str, str], trouble: Losing) -> None:
        sender = Sender(new_request_id(datetime.now(UTC)), client, datetime.now(UTC))
        content = read_batch(
            batch(*(message(*one) for one in numbers.items()), reference=name, routing_plan=plan)
        )
        contradicts = self.model.contradicts(client, name, plan, numbers)
        with self._troubled(trouble):
            try:
                new = self._attempt(lambda: register(self.service, RECIPIENTS, sender, content))
            except InvalidBatch:
                assert contradicts
                return
        assert not contradicts or new is None
        if contradicts:
            return
        if new is None and not self._left(entry_id=sender.entry_id):
            return
        expected = self.model.register(sender.entry_id, client, name, plan, numbers)
        assert new in (None, expected) or (trouble is not None and new == 0)

    # What must hold ---------------------------------------------------------------------------------

    @invariant()
    def every_table_is_what_the_model_says(self) -> None:
        rows = self._rows("SELECT entry_id, kind, body, rejection IS NOT NULL, replays FROM entries")
        assert {
            one: (kind, content if kind == "callback" else b"", refused, replays)
            for one, kind, content, refused, replays in rows
        } == {
            one: (entry.kind, entry.body, entry.refused, entry.replays)
            for one, entry in self.model.entries.items()
        }
        rows = self._rows("SELECT idempotency_key, digest, entry_id, item, effective_at FROM events")
        assert {(key, digest): (one, place, at) for key, digest, one, place, at in rows} == {
            key: (*self.model.holders[key], event.effective_at) for key, event in self.model.events.items()
        }
        rows = self._rows("SELECT entry_id, item, idempotency_key, digest FROM repeats")
        assert {(one, place): (key, digest) for one, place, key, digest in rows} == self.model.repeats
        messages, channels = read_model(self.connection)
        assert (without_versions(messages), without_versions(channels)) == self.model.read_model()
        rows = self._rows(
            "SELECT client_id, batch_reference, message_reference, routing_plan_id FROM registrations",
        )
        assert {(client, name, one): plan for client, name, one, plan in rows} == {
            key: plan for key, (plan, _) in self.model.registrations.items()
        }

    @invariant()
    def the_quarantine_is_what_the_model_says(self) -> None:
        rows = self._rows("SELECT quarantine_id, settlement FROM quarantine")
        assert dict(rows) == {one: request.settled for one, request in self.model.quarantine.items()}
        waiting = [len(one.body) for one in self.model.quarantine.values() if one.settled is None]
        assert self._rows("SELECT requests, bytes FROM quarantine_usage") == [(len(waiting), sum(waiting))]

    @invariant()
    def an_index_never_changes(self) -> None:
        now = self._leaves()
        assert now[: len(self.sealed)] == self.sealed
        self.sealed = now
        ((incarnation,),) = self._rows("SELECT incarnation FROM sealer")
        assert self.incarnation in (None, incarnation)
        self.incarnation = None if incarnation is None else str(incarnation)

    @rule()
    def verify(self) -> None:
        assert list(verify(self.connection, PROJECTIONS)) == []

    def _audit(self) -> None:
        """Recompute everything as an auditor does."""
        if not self.model.entries:
            return
        self.seal(None, 0)
        assert list(verify(self.connection, PROJECTIONS)) == []
        self.runner.run(export(self.service, self.folder / "bundle"))
        seals = seals_in(self.folder / "anchors")
        key = read_key(str(seals.key.verifying(seals.origin(self.incarnation or self._incarnation()))))
        found = list(audit(Bundle(self.folder / "bundle"), read_anchors(self.folder / "anchors"), [key]))
        blank = {str(one) for one, entry in self.model.entries.items() if entry.body is None}
        assert [one for one in found if not isinstance(one, Erased)] == []
        assert {one.entry_id for one in found if isinstance(one, Erased)} <= blank

    def _incarnation(self) -> str:
        return str(self._rows("SELECT incarnation FROM sealer")[0][0])

    # Trouble ----------------------------------------------------------------------------------------

    @contextmanager
    def _troubled(self, trouble: Losing, spared: int = 0) -> Iterator[None]:
        if trouble is not None:
            self.trouble.brew(trouble[0], times=trouble[1], spared=spared)
        self._excused = trouble is not None and trouble[1] == FOR_GOOD
        try:
            yield
        finally:
            self.trouble.settle()

    def _attempt(self, work: Callable[[], Awaitable[Outcomes]]) -> Outcomes | None:
        """Return what became of some work, None where the trouble was too much for it."""

        async def attempted() -> Outcomes:
            return await work()

        try:
            return self.runner.run(attempted())
        except InvalidBatch:
            raise
        except ATTEMPTED:
            assert self._excused, "a connection that is lost once is survived"
            return None

    def _rows(self, query: LiteralString) -> list[Any]:
        return self.connection.execute(query).fetchall()

    def _leaves(self) -> list[UUID]:
        rows = self._rows("SELECT index, entry_id FROM leaves ORDER BY index")
        assert [index for index, _ in rows] == list(range(len(rows)))
        return [entry_id for _, entry_id in rows]

    def _must_have_left(self, trouble: Losing, **row: UUID) -> bool:
        """Return whether a failed step left its row: it did if it lost its connection after the commit."""
        assert trouble is not None
        assert self._left(**row) == (trouble[0] == "after")
        return trouble[0] == "after"

    def _left(self, **row: UUID) -> bool:
        """Return whether there is an entry (`entry_id`) or a quarantined request (`quarantine_id`)."""
        ((column, one),) = row.items()
        table = {"entry_id": "entries", "quarantine_id": "quarantine"}[column]
        return bool(self.connection.execute(f"SELECT FROM {table} WHERE {column} = %s", [one]).rowcount)


def test_a_ledger_is_what_a_plain_one_in_memory_is(postgres: str) -> None:
    class Machine(LedgerMachine):
        pass

    Machine.postgres = postgres
    many = settings.default is not None and settings.default.max_examples > LONG
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=MANY if many else FEW,
            stateful_step_count=30 if many else 20,
            suppress_health_check=list(HealthCheck),
        ),
    )
