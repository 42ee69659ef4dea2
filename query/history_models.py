"""The answers that auditors receive of messages and entries. Times are UTC, RFC 3339."""

from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any, Literal, Self
from urllib.parse import quote, urlencode
from uuid import UUID

from pydantic import Field

from query.cursors import encode_place
from query.cuts import Question
from query.evidence import Evidence, Verification
from query.history import History, place_of
from query.models import Answer, Record
from query.timeline import Change, Step


class ChangeShown(Answer):
    """What became of a register's value."""

    before: str | None
    after: str


class StepShown(Answer):
    """One line of a timeline; what does not belong to its kind is null."""

    kind: Literal["event", "repeat", "registration", "refused"] = Field(
        description="an event, a repeat of one, a client's registration, or an entry that names the message "
        "and was refused with 422"
    )
    entry_id: UUID
    item: int = Field(description="position in the callback's `data`, from 0")
    ledger_index: int | None = Field(description="the entry's index in the sealed ledger; null until sealed")
    effective_at: datetime = Field(description="when it counts from")
    occurred_at: datetime | None = Field(description="the supplier's claim")
    received_at: datetime
    recorded_at: datetime
    type: str | None
    idempotency_key: str | None
    digest: str | None = Field(description="SHA-256 of the item in canonical form, in hex")
    message_reference: str | None
    channel: str | None
    message_status: str | None
    channel_status: str | None
    supplier_status: str | None
    message_failure_code: str | None
    channel_failure_code: str | None
    cascade_type: str | None
    cascade_order: int | None
    retry_count: int | None
    client_id: str | None = Field(description="who registered the message")
    batch_reference: str | None
    routing_plan_id: str | None
    rejection: str | None = Field(description="why the entry was refused")
    replays: UUID | None = Field(description="the entry or quarantined request that the entry replays")
    changed: dict[str, ChangeShown] = Field(
        description="by register: what the event changed when it took effect"
    )
    changed_when_recorded: dict[str, ChangeShown] = Field(
        description="by register: what it changed of the message's record when it came"
    )
    holds: list[str] = Field(description="the registers whose value at the cut is this event's")
    late: bool = Field(description="recorded after an event of later effect")
    conflict: bool = Field(description="another event of its key differs in more than the timestamp")
    restated: bool = Field(description="another event of its key differs in the timestamp alone")

    @classmethod
    def of(cls, step: Step) -> Self:
        """Return a step as it is shown."""
        told: dict[str, Any] = step.told._asdict()
        return cls(
            **{name: told[name] for name in cls.model_fields.keys() & told.keys() - {"digest"}},
            type=step.told.event_type,
            digest=step.told.digest.hex() if step.told.digest is not None else None,
            changed=_shown(step.changed),
            changed_when_recorded=_shown(step.changed_when_recorded),
            holds=step.holds,
        )


def _shown(changes: Mapping[str, Change]) -> dict[str, ChangeShown]:
    return {name: ChangeShown(before=one.before, after=one.after) for name, one in changes.items()}


class MessageTimeline(Answer):
    """What the ledger holds of one message: all of it, or what satisfies the cut."""

    message_id: str
    known_at: datetime | int | None = Field(
        description="the cut: what was recorded at this time or earlier or, a number, what the first so many "
        "entries of the sealed ledger say"
    )
    as_of: datetime | None = Field(description="the cut: what was effective at this time or earlier")
    current: Record | None = Field(
        description="the message's record at the cut, as the fold gives it: without a cut, what "
        "`GET /api/statuses` says; null where nothing was known"
    )
    channels: list[Record] = Field(description="the same on each channel")
    timeline: list[StepShown]


class TimelineLinks(Answer):
    """Where to go on."""

    next: str = Field(description="the path of the next page")


class TimelineAnswer(Answer):
    """A page of a message's timeline, by effective time."""

    status: Literal["success"] = "success"
    data: MessageTimeline
    links: TimelineLinks | None = Field(None, description="there when another page follows")

    @classmethod
    def of(cls, asked: Question, history: History) -> Self:
        """Return what was found, as it is shown."""
        links: dict[str, TimelineLinks] = {}
        if history.more:
            given = {name: text for name, text in asked.made_for.items() if name != "messageId"}
            given |= {
                "limit": str(asked.limit),
                "cursor": encode_place(place_of(history.steps[-1]), asked.made_for),
            }
            links["links"] = TimelineLinks(next=f"{timeline_path(asked.message_id)}?{urlencode(given)}")
        return cls(
            status="success",
            data=MessageTimeline(
                message_id=asked.message_id,
                known_at=asked.cut.known_at if asked.cut.first is None else asked.cut.first,
                as_of=asked.cut.as_of,
                current=Record(**history.record) if history.record else None,
                channels=[Record(**one) for one in history.channels],
                timeline=[StepShown.of(step) for step in history.steps],
            ),
            **links,
        )


def timeline_path(message_id: str) -> str:
    """Return the path of a message's timeline; the supplier's ids are opaque, any character may be in one."""
    return f"/api/messages/{quote(message_id, safe='')}/timeline"


class StatedShown(Answer):
    """An event that came of an entry, or one that it delivered again."""

    kind: Literal["event", "repeat"]
    item: int = Field(description="position in the callback's `data`, from 0")
    message_id: str
    idempotency_key: str
    digest: str = Field(description="SHA-256 of the item in canonical form, in hex")
    type: str
    channel: str | None
    message_status: str | None
    channel_status: str | None
    supplier_status: str | None
    effective_at: datetime
    first_entry_id: UUID = Field(description="the entry that delivered the event first: of a repeat another")


class EntryShown(Answer):
    """One entry of the ledger, as evidence."""

    entry_id: UUID
    ledger_index: int | None = Field(description="its index in the sealed ledger; null until sealed")
    kind: Literal["callback", "registration", "erasure"]
    client_id: str = Field(description="whose request it was")
    received_at: datetime = Field(description="the service's clock")
    recorded_at: datetime = Field(description="the database's clock")
    rules: int = Field(description="version of the parser that read the body")
    body: str | None = Field(description="the bytes as received, in base64; null where they were erased")
    sha256: str | None = Field(description="SHA-256 of those bytes, in hex")
    signature: str | None = Field(description="the supplier's HMAC-SHA256 over those bytes, in hex")
    secret_id: str | None = Field(description="names the secret that verified the signature when it came")
    verification: Verification = Field(description="whether that secret verifies the signature now")
    rejection: str | None = Field(description="why it was refused with 422; null where it was accepted")
    replays: UUID | None = Field(description="the entry or quarantined request that it replays")
    replays_kind: Literal["entry", "quarantined"] | None
    replayed_by: UUID | None = Field(description="the entry that replays it")
    stated: list[StatedShown] = Field(description="the events that came of it, and those that it repeated")

    @classmethod
    def of(cls, evidence: Evidence) -> Self:
        """Return an entry as it is shown."""
        entry = evidence.entry
        told: dict[str, Any] = entry._asdict()
        body, signature = entry.body, entry.signature
        return cls(
            **{name: told[name] for name in cls.model_fields.keys() & told.keys() - {"body", "signature"}},
            body=b64encode(body).decode() if body is not None else None,
            sha256=sha256(body).hexdigest() if body is not None else None,
            signature=signature.hex() if signature is not None else None,
            verification=evidence.verification,
            stated=[StatedShown(**one._asdict() | {"digest": one.digest.hex()}) for one in evidence.stated],
        )


class EntryAnswer(Answer):
    """An entry, as evidence."""

    status: Literal["success"] = "success"
    data: EntryShown
