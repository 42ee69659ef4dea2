"""What a callback states, and which values it may state."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from eventstore.events import Event
from ingest import vocabulary
from ingest.callbacks import Unprocessable, extract, read
from ingest.canonical import content_hash, digest

RECEIVED = datetime(2026, 11, 23, 9, 15, 4, tzinfo=UTC)
MARKER = "MARKER"


def item(type_: str = "ChannelStatus", /, **attributes: Any) -> dict[str, Any]:
    """Build an item as Notify sends it; an attribute given as `...` is left out."""
    said = {
        "messageId": "2WL3qFTEFM0qMY8xjRbt1LIKCzM",
        "messageReference": "1642109b-69eb-447f-8f97-ab70a74f5db4",
        "cascadeType": "primary",
        "cascadeOrder": 1,
        "channel": "nhsapp",
        "channelStatus": "delivered",
        "channelStatusDescription": "Opened on the person\u2019s device",
        "supplierStatus": "read",
        "timestamp": "2026-11-23T09:15:02.123456789Z",
        "retryCount": 0,
    }
    said |= {"messageStatus": "delivered"} if type_ == "MessageStatus" else {}
    said |= attributes
    return {
        "type": type_,
        "attributes": {name: value for name, value in said.items() if value is not ...},
        "links": {"message": "https://notify.example/v1/messages/2WL3qFTEFM0qMY8xjRbt1LIKCzM"},
        "meta": {"idempotencyKey": "2515ae6b3a08339fba3534f3b17cd57cd573c57d25b25b9aae08e42dc9f0a445"},
    }


def body_of(*items: Any) -> bytes:
    return json.dumps({"data": items}, ensure_ascii=False, separators=(",", ":")).encode()


def read_as_new(body: bytes) -> tuple[Event, ...]:
    return read(body, RECEIVED, 1_000)


def read_as_kept(body: bytes) -> tuple[Event, ...]:
    return extract(body, RECEIVED)


def event_of(stated: Any) -> Event:
    (event,) = read_as_new(body_of(stated))
    return event


def refusal(body: bytes, by: Callable[[bytes], object] = read_as_new) -> str:
    with pytest.raises(Unprocessable) as caught:
        by(body)
    assert caught.value.status.isascii()
    assert str(caught.value).isascii()
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return caught.value.status


def refusal_of(stated: Any) -> str:
    return refusal(body_of(stated))


# What is extracted


def test_a_channel_status_states_its_event() -> None:
    stated = item(channelFailureReasonCode="CFR-1", messageFailureReasonCode="MFR-2")
    assert event_of(stated) == Event(
        item=0,
        idempotency_key="2515ae6b3a08339fba3534f3b17cd57cd573c57d25b25b9aae08e42dc9f0a445",
        digest=digest(stated),
        content_hash=content_hash(stated),
        event_type="ChannelStatus",
        message_id="2WL3qFTEFM0qMY8xjRbt1LIKCzM",
        message_reference="1642109b-69eb-447f-8f97-ab70a74f5db4",
        channel="nhsapp",
        message_status=None,
        channel_status="delivered",
        supplier_status="read",
        message_failure_code="MFR-2",
        channel_failure_code="CFR-1",
        cascade_type="primary",
        cascade_order=1,
        retry_count=0,
        occurred_at=datetime(2026, 11, 23, 9, 15, 2, 123456, tzinfo=UTC),
        effective_at=datetime(2026, 11, 23, 9, 15, 2, 123456, tzinfo=UTC),
    )


def test_a_message_status_states_its_event() -> None:
    stated = {
        "type": "MessageStatus",
        "attributes": {"messageId": "m", "messageReference": "r", "messageStatus": "sending"},
        "meta": {"idempotencyKey": "k"},
    }
    event = event_of(stated)
    assert (event.message_id, event.message_reference, event.message_status) == ("m", "r", "sending")
    assert event[7:] == (None, "sending", *[None] * 8, RECEIVED)


def test_a_supplier_clock_far_ahead_is_cut_five_minutes_after_receipt() -> None:
    event = event_of(item(timestamp="2036-11-23T09:15:02+01:00"))
    assert event.occurred_at == datetime(2036, 11, 23, 8, 15, 2, tzinfo=UTC)
    assert event.effective_at == RECEIVED + timedelta(minutes=5)


def test_items_are_numbered_from_zero_in_their_order() -> None:
    events = read(body_of(*(item(messageId=f"m-{n}") for n in range(1_000))), RECEIVED, 1_000)
    assert [(event.item, event.message_id) for event in events] == [(n, f"m-{n}") for n in range(1_000)]


OPTIONAL = {
    "messageStatus": "message_status",
    "messageFailureReasonCode": "message_failure_code",
    "channel": "channel",
    "channelStatus": "channel_status",
    "channelFailureReasonCode": "channel_failure_code",
    "cascadeType": "cascade_type",
    "cascadeOrder": "cascade_order",
    "retryCount": "retry_count",
    "timestamp": "occurred_at",
}


@pytest.mark.parametrize("field", OPTIONAL)
def test_null_in_an_optional_field_counts_as_absent(field: str) -> None:
    absent, null = event_of(item(**{field: ...})), event_of(item(**{field: None}))
    assert getattr(null, OPTIONAL[field]) is None
    assert null._replace(digest=b"", content_hash=0) == absent._replace(digest=b"", content_hash=0)


@pytest.mark.parametrize("field", ["messageStatusDescription", "channelStatusDescription"])
@pytest.mark.parametrize("text", [None, "", "\0", "\u2019", "\U0001f600" * 10_000])
def test_descriptions_are_any_text_and_no_column(field: str, text: str | None) -> None:
    assert event_of(item(**{field: text})).channel_status == "delivered"


@settings(deadline=None)
@given(
    st.sampled_from(["links", "channels", "routingPlan", "metadata", "supplierStatusDescription", "\u2019"]),
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text("\0a\u2019"),
        lambda children: st.lists(children) | st.dictionaries(st.text("\0a"), children),
        max_leaves=5,
    ),
)
def test_fields_that_are_not_read_may_hold_anything(field: str, value: Any) -> None:
    stated = item(**{field: value}) | {field: value}
    stated["meta"][field] = value
    body = json.dumps({"data": [stated], field: value}).encode()
    (event,) = read(body, RECEIVED, 1)
    assert event[4:] == event_of(item())[4:]


def test_metadata_alone_makes_no_other_event() -> None:
    assert event_of(item(metadata=[{"key": "attempt", "value": 2}])) == event_of(item())


@pytest.mark.parametrize(
    ("field", "longest"), [("messageId", 64), ("messageReference", 255), ("idempotencyKey", 255)]
)
@pytest.mark.parametrize("character", ["a", "\u2019", "\U0001f600"])
def test_lengths_count_characters(field: str, longest: int, character: str) -> None:
    def holding(text: str) -> dict[str, Any]:
        if field == "idempotencyKey":
            return item() | {"meta": {field: text}}
        return item(**{field: text})

    place = f"data[0].{'meta' if field == 'idempotencyKey' else 'attributes'}.{field}"
    for length in (1, longest):
        assert character * length in event_of(holding(character * length))
    for length in (0, longest + 1, 100_000):
        assert refusal_of(holding(character * length)) == f"{place}: must be 1 to {longest} characters"


def test_integers_reach_to_the_ends_of_their_columns() -> None:
    event = event_of(item(cascadeOrder=2**31 - 1, retryCount=2**31 - 1))
    assert (event.cascade_order, event.retry_count) == (2**31 - 1, 2**31 - 1)


# What is accepted

KNOWN = {
    "messageStatus": vocabulary.MESSAGE_STATUSES,
    "channel": vocabulary.CHANNELS,
    "channelStatus": vocabulary.CHANNEL_STATUSES,
    "supplierStatus": vocabulary.SUPPLIER_STATUSES,
    "cascadeType": vocabulary.CASCADE_TYPES,
}


@pytest.mark.parametrize("type_", vocabulary.EVENT_TYPES)
@pytest.mark.parametrize(("field", "value"), [(field, value) for field in KNOWN for value in KNOWN[field]])
def test_every_known_value_is_accepted(type_: str, field: str, value: str) -> None:
    event = event_of(item(type_, **{field: value}))
    assert event.event_type == type_
    assert value in event


@pytest.mark.parametrize("field", KNOWN)
@pytest.mark.parametrize(
    "value", ["", " ", "deliverd", "Delivered", "delivered ", "\u0434elivered", "\U0001f600"]
)
def test_an_unknown_value_is_refused_by_read_and_extracted_all_the_same(field: str, value: str) -> None:
    stated = item("MessageStatus", **{field: value})
    expected = f"data[0].attributes.{field}: {value!a} is not one of {', '.join(KNOWN[field])}"
    assert refusal_of(stated) == expected
    (event,) = read_as_kept(body_of(stated))
    assert value in event


def test_the_message_of_the_contract() -> None:
    assert refusal_of(item("MessageStatus", messageStatus="deliverd")) == (
        "data[0].attributes.messageStatus: 'deliverd' is not one of "
        "created, pending_enrichment, enriched, sending, delivered, failed"
    )


def test_an_unknown_type_is_refused_by_read_and_extracted_all_the_same() -> None:
    stated = item("SupplierStatus", channelStatus=..., supplierStatus=...)
    assert refusal_of(stated) == "data[0].type: 'SupplierStatus' is not one of MessageStatus, ChannelStatus"
    assert read_as_kept(body_of(stated))[0].event_type == "SupplierStatus"


def test_what_is_extracted_does_not_depend_on_the_known_values(monkeypatch: pytest.MonkeyPatch) -> None:
    body = body_of(item(), item("MessageStatus"))
    before = read(body, RECEIVED, 2)
    for name in [name for name in vars(vocabulary) if name.isupper()]:
        monkeypatch.setattr(vocabulary, name, ())
    assert extract(body, RECEIVED) == before
    refusal(body)


def test_what_read_accepts_extract_reads_alike() -> None:
    body = body_of(item(), item("MessageStatus"))
    assert extract(body, RECEIVED) == read(body, RECEIVED, 2)


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=100))
@example("'\x1f\x1f\x1f\x1f\x08\U00010000\U00010000\U00010000\U00010000\"")
def test_a_quoted_value_has_at_most_64_ascii_characters(value: str) -> None:
    status = refusal_of(item(channel=f"x{value}"))
    quoted = status.removeprefix("data[0].attributes.channel: ").removesuffix(
        " is not one of nhsapp, email, sms, letter"
    )
    assert len(quoted) <= 64
    if len(ascii(f"x{value}")) <= 64:
        assert quoted == ascii(f"x{value}")
    else:
        cuts = {ascii(f"x{value}"[:length] + "...") for length in range(len(value) + 1)}
        assert quoted in cuts  # whose quotation marks may be others than those of the whole


@pytest.mark.parametrize("unit", ["a", "\u2019", "\U0001f600", "'", '"', "'\"", "\\"])
def test_a_long_value_is_cut_with_an_ellipsis(unit: str) -> None:
    status = refusal_of(item(channelStatus=unit * 100_000))
    quoted = status.removeprefix("data[0].attributes.channelStatus: ").partition(" is not one of ")[0]
    assert 54 <= len(quoted) <= 64
    assert quoted.endswith(("...'", '..."'))


def test_too_many_items_are_refused_by_read_alone() -> None:
    body = body_of(*[item()] * 1_001)
    assert refusal(body) == "data: at most 1000 items are allowed"
    assert len(extract(body, RECEIVED)) == 1_001
