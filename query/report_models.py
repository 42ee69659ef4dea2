"""The rows of the reports and the answers that hold them. Times are UTC, RFC 3339."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from query.models import Answer, Links

CHANNELS = ("nhsapp", "email", "sms", "letter")
"""The channels that have columns of their own in the delivery report's CSV."""


class ReportRow(Answer):
    """A row of a report: one message, in the order of reference and id."""

    message_reference: str = Field(alias="message_reference")
    message_id: str | None = Field(alias="message_id", description="null while no callback has come")

    @classmethod
    def columns(cls) -> list[str]:
        """Return the headings of the CSV."""
        return [field.alias or name for name, field in cls.model_fields.items()]

    def cells(self) -> list[object]:
        """Return the cells of the row's line, in the order of the columns."""
        return [getattr(self, name) for name in type(self).model_fields]


class ChannelDelivery(Answer):
    """What became of a message on one channel."""

    channel: str
    channel_status: str | None
    delivered_at: datetime | None = Field(description="when it was first delivered on the channel")
    read_at: datetime | None = Field(description="when it was first read on the channel")
    failed_at: datetime | None = Field(description="when it first failed on the channel")
    failure_code: str | None = Field(description="the channel failure code of the latest event with one")


_OF_CHANNEL = tuple(name for name in ChannelDelivery.model_fields if name != "channel")


class DeliveryRow(ReportRow):
    """What became of one registered message."""

    message_status: str | None
    created_at: datetime | None = Field(alias="created_at", description="when the latest event was recorded")
    occurred_at: datetime | None = Field(description="when the latest event took effect")
    delivered_at: datetime | None = Field(description="when it was first delivered")
    read_at: datetime | None = Field(description="when it was first read")
    failed_at: datetime | None = Field(description="when it first failed")
    failure_code: str | None = Field(description="the message failure code of the latest event with one")
    channels: list[ChannelDelivery]

    @classmethod
    def columns(cls) -> list[str]:
        """Return the headings of the CSV: the message's, then those of each channel (`smsReadAt`)."""
        own = [field.alias or name for name, field in cls.model_fields.items() if name != "channels"]
        return own + [f"{channel}{_heading(name)}" for channel in CHANNELS for name in _OF_CHANNEL]

    def cells(self) -> list[object]:
        """Return the cells of the row's line, in the order of the columns."""
        own = [getattr(self, name) for name in type(self).model_fields if name != "channels"]
        known = {one.channel: one for one in self.channels}
        return own + [getattr(known.get(channel), name, None) for channel in CHANNELS for name in _OF_CHANNEL]


def _heading(name: str) -> str:
    """Return what stands after a channel's name: `Status`, `DeliveredAt`."""
    return "".join(part.capitalize() for part in name.removeprefix("channel_").split("_"))


class OverdueRow(ReportRow):
    """A message that has no final status although its time is up."""

    batch_references: list[str] = Field(description="the batches that it was registered in")
    channel: str | None = Field(description="the latest channel")
    second_channel: bool = Field(description="whether it went on to a second channel, which has longer")
    message_status: str | None
    channel_status: str | None
    supplier_status: str | None
    occurred_at: datetime | None = Field(description="when the latest event took effect")
    since: datetime = Field(description="when its time began: the first event, else the registration")
    due_at: datetime = Field(description="when its time was up")
    days_overdue: int = Field(description="whole days since then")


class Delivery(Answer):
    """A page of the delivery report, by message reference."""

    status: Literal["success"] = "success"
    data: list[DeliveryRow]
    links: Links | None = Field(None, description="there when another page follows")


class Overdue(Answer):
    """A page of overdue messages, by message reference."""

    status: Literal["success"] = "success"
    data: list[OverdueRow]
    links: Links | None = Field(None, description="there when another page follows")
