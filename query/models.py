"""The answers of the query side, as clients and auditors receive them. Times are UTC, RFC 3339."""

from datetime import datetime
from typing import Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from query.timeline import Step

EXAMPLE_MESSAGE_ID = "2WL3qFTEFM0qMY8xjRbt1LIKCzM"


class Answer(BaseModel):
    """A part of an answer; names are in camel case but where the contract says otherwise."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)


class Refusal(BaseModel):
    """Why a request was not answered."""

    status: str


class Record(Answer):
    """The latest status of a message or, asked for with `channel`, its latest on that channel."""

    created_at: datetime = Field(alias="created_at", description="when the latest event was recorded")
    message_id: str = Field(alias="message_id")
    message_reference: str = Field(alias="message_reference")
    channel: str | None = Field(description="the latest channel, or the one asked for")
    channel_status: str | None
    supplier_status: str | None
    message_status: str | None
    occurred_at: datetime = Field(description="when the latest event took effect")
    delivered_at: datetime | None = Field(description="when it was first delivered")
    read_at: datetime | None = Field(description="when it was first read")
    failed_at: datetime | None = Field(description="when it first failed")


class Links(Answer):
    """Where to go on."""

    next: str = Field(description="the path of the next page")
    cursor: str = Field(description="the `cursor` of the next page, for `POST /api/statuses/search`")


class Statuses(Answer):
    """A page of records, newest first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "status": "success",
                    "data": [
                        {
                            "created_at": "2026-11-23T09:15:02.123456Z",
                            "message_id": EXAMPLE_MESSAGE_ID,
                            "message_reference": "1642109b-69eb-447f-8f97-ab70a74f5db4",
                            "channel": "nhsapp",
                            "channelStatus": "delivered",
                            "supplierStatus": "read",
                            "messageStatus": "delivered",
                            "occurredAt": "2026-11-23T09:15:01.413000Z",
                            "deliveredAt": "2026-11-23T09:10:44.102000Z",
                            "readAt": "2026-11-23T09:15:01.413000Z",
                            "failedAt": None,
                        }
                    ],
                }
            ]
        }
    )

    status: Literal["success"] = "success"
    data: list[Record]
    links: Links | None = Field(None, description="there when another page follows")


class ChangeShown(Answer):
    """What became of a register's value."""

    before: str | None
    after: str


class StepShown(Answer):
    """One line of a timeline: an event, or a repeat of one."""

    kind: Literal["event", "repeat"]
    entry_id: UUID
    item: int = Field(description="position in the callback's `data`, from 0")
    index: int | None = Field(
        None, description="the entry's index in the sealed ledger; null until it is sealed"
    )
    effective_at: datetime = Field(description="when it counts from")
    occurred_at: datetime | None = Field(description="the supplier's claim")
    received_at: datetime
    recorded_at: datetime
    type: str
    idempotency_key: str
    digest: str = Field(description="SHA-256 of the item in canonical form, in hex")
    message_reference: str
    channel: str | None
    message_status: str | None
    channel_status: str | None
    supplier_status: str | None
    message_failure_code: str | None
    channel_failure_code: str | None
    cascade_type: str | None
    cascade_order: int | None
    retry_count: int | None
    replays: UUID | None = Field(description="the entry or quarantined request that the entry replays")
    changed: dict[str, ChangeShown] = Field(
        description="by register: what the event changed when it took effect"
    )
    holds: list[str] = Field(description="the registers whose current value is this event's")
    late: bool = Field(description="recorded after an event of later effect")
    conflict: bool = Field(description="another event of its key differs in more than the timestamp")

    @classmethod
    def of(cls, step: Step) -> Self:
        """Return a step as it is shown."""
        told: dict[str, Any] = step.told._asdict()
        return cls(
            **{name: told[name] for name in cls.model_fields.keys() & told.keys() - {"digest"}},
            type=step.told.event_type,
            digest=step.told.digest.hex(),
            changed={
                name: ChangeShown(before=change.before, after=change.after)
                for name, change in step.changed.items()
            },
            holds=step.holds,
            late=step.late,
            conflict=step.conflict,
        )


class MessageTimeline(Answer):
    """Everything that the ledger holds of one message."""

    message_id: str
    current: Record | None = Field(description="what `GET /api/statuses` says of the message")
    timeline: list[StepShown]


class TimelineAnswer(Answer):
    """A message's timeline, by effective time."""

    status: Literal["success"] = "success"
    data: MessageTimeline
