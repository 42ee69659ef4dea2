"""Events of one message for property tests: few values and few times, so that ties and clashes are common."""

import hashlib
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import strategies as st

from eventstore.events import Delivery, Entry, Event, effective_at
from eventstore.identifiers import time_ordered_uuid
from projections import lifecycle

RECEIVED = datetime(2026, 11, 23, 12, tzinfo=UTC)


def event(
    message_id: str = "message",
    *,
    key: str = "key",
    occurred_at: datetime | None = RECEIVED,
    received_at: datetime = RECEIVED,
    channel: str | None = None,
    message_status: str | None = None,
    channel_status: str | None = None,
    supplier_status: str | None = None,
    reference: str = "reference",
) -> Event:
    """Return an event; its digest follows from what it says, as the product's does."""
    said = (message_id, key, occurred_at, channel, message_status, channel_status, supplier_status, reference)
    digest = hashlib.sha256(repr(said).encode()).digest()
    content = hashlib.sha256(repr((*said[:2], *said[3:])).encode()).digest()
    return Event(
        item=0,
        idempotency_key=key,
        digest=digest,
        content_hash=int.from_bytes(content[:8], "big", signed=True),
        event_type="MessageStatus" if message_status else "ChannelStatus",
        message_id=message_id,
        message_reference=reference,
        channel=channel,
        message_status=message_status,
        channel_status=channel_status,
        supplier_status=supplier_status,
        message_failure_code=None,
        channel_failure_code=None,
        cascade_type=None,
        cascade_order=None,
        retry_count=None,
        occurred_at=occurred_at,
        effective_at=effective_at(occurred_at, received_at),
    )


TIMES = st.sampled_from([0, 1, 2, 60]).map(
    lambda seconds: RECEIVED - timedelta(seconds=seconds)
) | st.sampled_from(
    [
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(1999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        datetime(2000, 1, 1, tzinfo=UTC),
        RECEIVED + timedelta(days=400),
        datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    ]
)


def _maybe(values: tuple[str, ...]) -> st.SearchStrategy[str | None]:
    return st.none() | st.sampled_from(values)


def events_of(*messages: str) -> st.SearchStrategy[Event]:
    """Return events of these messages."""
    return st.builds(
        event,
        message_id=st.sampled_from(messages),
        key=st.sampled_from(["key-1", "key-2", "key-3"]),
        occurred_at=TIMES,
        channel=_maybe(("nhsapp", "sms")),
        message_status=_maybe(lifecycle.MESSAGE),
        channel_status=_maybe(lifecycle.CHANNEL),
        supplier_status=_maybe(lifecycle.SUPPLIER),
        reference=st.sampled_from(["reference-1", "reference-2"]),
    )


EVENTS = events_of("message-1", "message-2")


def deliver(*events: Event, received_at: datetime = RECEIVED, number: int = 0) -> Delivery:
    """Return the events as one entry; `number` tells entries of one time apart."""
    entry_id: UUID = time_ordered_uuid(received_at, number.to_bytes(10, "big"))
    numbered = tuple(one._replace(item=place) for place, one in enumerate(events))
    entry = Entry(
        entry_id=entry_id,
        kind="callback",
        client_id="notify",
        received_at=received_at,
        body=b"{}",
        signature=b"s" * 32,
        secret_id="secret",
        rules=1,
    )
    return Delivery(entry, numbered)
