"""A callback that breaks the structure is refused, and its message names the place and the rule."""

import json
from typing import Any

import pytest

from tests.unit.ingest.test_callbacks import (
    KNOWN,
    MARKER,
    body_of,
    event_of,
    item,
    read_as_kept,
    refusal,
    refusal_of,
)

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
