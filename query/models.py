"""The answers of the query side, as clients receive them. Times are UTC, RFC 3339."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

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

    @classmethod
    def of(cls, row: Sequence[Any]) -> "Record":
        """Return the record of a row of the database, whose values stand in the order of the fields."""
        return cls.model_construct(**dict(zip(cls.model_fields, row, strict=True)))


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
