"""What a callback states, which rule it breaks first, and that an answer tells nothing else of it."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from eventstore.errors import LedgerError
from eventstore.events import Event
from ingest import vocabulary
from ingest.callbacks import RULES, Unprocessable, extract, read
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


# Structure


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (b"", "body: not strict JSON: syntax error at character 0"),
        (b'{"data":[],"data":[]}', "body: not strict JSON: duplicate key"),
        (b'{"data":NaN}', "body: not strict JSON: NaN or Infinity"),
        (b'\xef\xbb\xbf{"data":[]}', "body: not strict JSON: byte order mark"),
        (b"[" * 100_000, "body: not strict JSON: nesting deeper than 32"),
        (b"[]", "body: must be an object"),
        (b"null", "body: must be an object"),
        (b'"data"', "body: must be an object"),
        (b"{}", "data: required"),
        (b'{"data":null}', "data: must be a list"),
        (b'{"data":{}}', "data: must be a list"),
        (b'{"data":"' + MARKER.encode() + b'"}', "data: must be a list"),
        (b'{"data":[]}', "data: at least one item is required"),
        (b'{"data":[null]}', "data[0]: must be an object"),
        (b'{"data":["MARKER"]}', "data[0]: must be an object"),
        (b'{"data":[{}]}', "data[0].type: required"),
    ],
)
def test_a_body_without_items_is_refused(body: bytes, rule: str) -> None:
    assert refusal(body) == rule
    assert refusal(body, read_as_kept) == rule


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"type": 1}, "type: must be text"),
        ({"type": None}, "type: must be text"),
        ({"type": "Channel\0Status"}, "type: must not contain NUL"),
        ({"attributes": None}, "attributes: must be an object"),
        ({"attributes": []}, "attributes: must be an object"),
        ({"attributes": {}}, "attributes.messageId: required"),
        ({"meta": "MARKER"}, "meta: must be an object"),
        ({"meta": {}}, "meta.idempotencyKey: required"),
        ({"meta": {"idempotencyKey": 7}}, "meta.idempotencyKey: must be text"),
        ({"meta": {"idempotencyKey": None}}, "meta.idempotencyKey: must be text"),
        ({"meta": {"idempotencyKey": "a\0"}}, "meta.idempotencyKey: must not contain NUL"),
    ],
)
def test_an_item_breaking_structure_is_refused(change: dict[str, Any], rule: str) -> None:
    for body in (body_of(item() | change), json.dumps({"data": [item() | change]}).encode()):
        assert refusal(body) == f"data[0].{rule}"
        assert refusal(body, read_as_kept) == f"data[0].{rule}"


@pytest.mark.parametrize("part", ["type", "attributes", "meta"])
def test_an_item_without_one_of_its_parts_is_refused(part: str) -> None:
    stated = item()
    del stated[part]
    assert refusal_of(stated) == f"data[0].{part}: required"


@pytest.mark.parametrize("field", ["messageId", "messageReference"])
def test_ids_are_required(field: str) -> None:
    assert refusal_of(item(**{field: ...})) == f"data[0].attributes.{field}: required"
    assert refusal_of(item(**{field: None})) == f"data[0].attributes.{field}: must be text"


COLUMNS = ["messageId", "messageReference", "messageFailureReasonCode", "channelFailureReasonCode", *KNOWN]


@pytest.mark.parametrize("field", [*COLUMNS, "messageStatusDescription", "channelStatusDescription"])
@pytest.mark.parametrize("value", [1, 1.5, True, [], {}, ["delivered"], {"delivered": MARKER}])
def test_no_other_type_is_taken_for_text(field: str, value: Any) -> None:
    assert refusal_of(item(**{field: value})) == f"data[0].attributes.{field}: must be text"


@pytest.mark.parametrize("field", COLUMNS)
@pytest.mark.parametrize("text", ["\0", "a\0", "\0a", "a\0b", "a\n\0\nb"])
def test_no_column_takes_nul(field: str, text: str) -> None:
    assert refusal_of(item(**{field: text})) == f"data[0].attributes.{field}: must not contain NUL"


@pytest.mark.parametrize("field", ["messageId", "messageReference", "messageFailureReasonCode"])
def test_line_feeds_are_no_reason_to_refuse(field: str) -> None:
    assert "a\nb\n" in event_of(item(**{field: "a\nb\n"}))


@pytest.mark.parametrize(("field", "least"), [("cascadeOrder", 1), ("retryCount", 0)])
@pytest.mark.parametrize("value", [-1, 2**31, 2**53, 10**30, 1.0, 1.5, 1e300, True, False, "1", "", [], {}])
def test_an_integer_is_an_integer_of_its_column(field: str, least: int, value: Any) -> None:
    expected = f"data[0].attributes.{field}: must be an integer from {least} to 2147483647"
    assert refusal_of(item(**{field: value})) == expected


def test_cascades_are_counted_from_one_and_retries_from_none() -> None:
    assert refusal_of(item(cascadeOrder=0)).startswith("data[0].attributes.cascadeOrder: must be")
    assert event_of(item(retryCount=0)).retry_count == 0


@pytest.mark.parametrize(
    "value",
    [
        "",
        "2026-11-23",
        "2026-11-23T09:15:02",
        MARKER,
        "\0",
        1795425302,
        True,
        [],
        {},
        "0001-01-01T00:00:00+01:00",
    ],
)
def test_a_timestamp_is_rfc3339_with_an_offset(value: Any) -> None:
    expected = "data[0].attributes.timestamp: must be an RFC 3339 time with an offset"
    assert refusal_of(item(timestamp=value)) == expected


@pytest.mark.parametrize("status", [..., None])
def test_a_message_status_needs_the_status_of_the_message(status: Any) -> None:
    stated = item("MessageStatus", messageStatus=status)
    assert refusal_of(stated) == "data[0].attributes.messageStatus: required"


@pytest.mark.parametrize("nothing", [..., None])
def test_a_channel_status_needs_one_of_the_three_statuses(nothing: Any) -> None:
    bare = {"messageStatus": nothing, "channelStatus": nothing, "supplierStatus": nothing}
    assert refusal_of(item(**bare)) == (
        "data[0].attributes: one of messageStatus, channelStatus, supplierStatus is required"
    )
    for field in bare:
        assert event_of(item(**(bare | {field: "delivered"}))).event_type == "ChannelStatus"


def test_channel_facts_without_a_channel_are_kept() -> None:
    event = event_of(item(channel=...))
    assert (event.channel, event.channel_status) == (None, "delivered")


def test_a_message_names_the_item_and_one_broken_item_refuses_all() -> None:
    broken = item(messageId=7)
    assert refusal_of(broken).startswith("data[0].")
    assert refusal(body_of(item(), item(), broken, broken)) == "data[2].attributes.messageId: must be text"


def test_a_body_with_typographic_quotes_is_read_as_sent() -> None:
    reference = "the person\u2019s reference"
    assert event_of(item(messageReference=reference)).message_reference == reference


# What an answer tells


def test_an_unprocessable_callback_is_a_ledger_error_with_its_answer() -> None:
    with pytest.raises(LedgerError, match=r"^The callback breaks a rule of the contract: data: required$"):
        read(b"{}", RECEIVED, 1)


def marked() -> dict[str, Any]:
    """Build an item that is in order and holds a marker wherever it can."""
    stated = item(
        messageId=f"{MARKER}-id",
        messageReference=f"{MARKER}-reference",
        messageFailureReasonCode=MARKER,
        channelFailureReasonCode=MARKER,
        messageStatusDescription=MARKER,
        channelStatusDescription=MARKER,
        metadata=[MARKER],
    )
    stated["attributes"][MARKER] = MARKER
    return stated | {MARKER: MARKER, "links": MARKER, "meta": {"idempotencyKey": MARKER, MARKER: MARKER}}


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    members = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    return [path, *(place for key, member in members for place in places(member, (*path, key)))]


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.sampled_from(["", "\0", "a" * 300]),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=3), children, max_size=3)
    ),
    max_leaves=6,
)


@settings(deadline=None, max_examples=1_000)
@given(st.sampled_from(places({"data": [marked()]})), anything, st.booleans())
def test_anything_anywhere_is_read_or_refused_without_an_echo_of_the_rest(
    place: tuple[Any, ...], value: Any, left_out: bool
) -> None:
    callback: Any = {"data": [marked()]}
    if place:
        *path, last = place
        inner = callback
        for key in path:
            inner = inner[key]
        if left_out:
            del inner[last]
        else:
            inner[last] = value
    else:
        callback = value
    for reading in (read_as_new, read_as_kept):
        try:
            reading(json.dumps(callback).encode())
        except Unprocessable as error:
            told = error
        else:
            continue
        assert told.status.isascii()
        assert MARKER not in told.status
        assert MARKER not in str(told)


@pytest.mark.parametrize("place", [place for place in places({"data": [marked()]}) if len(place) > 2])
@pytest.mark.parametrize("value", [[MARKER], {MARKER: MARKER}, f"{MARKER}\0", f"{MARKER}{'a' * 300}"])
def test_only_values_that_should_be_known_are_quoted(place: tuple[Any, ...], value: Any) -> None:
    callback: Any = {"data": [marked()]}
    inner = callback
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    quotable = place[-1] == "type" or place[-1] in KNOWN
    try:
        read_as_new(json.dumps(callback).encode())
    except Unprocessable as error:
        told = error.status
    else:
        return
    assert (MARKER in told) == (quotable and " is not one of " in told)


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=80))
def test_arbitrary_bytes_raise_nothing_but_unprocessable(body: bytes) -> None:
    refusal(body)
    refusal(body, read_as_kept)


@settings(deadline=None, max_examples=500)
@given(st.data())
def test_a_callback_torn_anywhere_raises_nothing_but_unprocessable(data: st.DataObject) -> None:
    body = bytearray(body_of(marked()))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(body) - 1))
        end = data.draw(st.integers(start, min(len(body), start + 5)))
        body[start:end] = data.draw(st.binary(max_size=3))
        if not body:
            break
    for reading in (read_as_new, read_as_kept):
        try:
            reading(bytes(body))
        except Unprocessable as error:
            told = error
        else:
            continue
        assert told.status.isascii()


def test_the_parser_states_its_version() -> None:
    assert RULES == 1
