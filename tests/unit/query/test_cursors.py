"""A cursor gives back the position that it was made of, to the same question alone."""

import base64
import json
import string
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from query.cursors import (
    MalformedCursor,
    Place,
    Position,
    decode,
    decode_place,
    encode,
    encode_place,
    fingerprint,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=64)
POSITIONS = st.builds(Position, st.datetimes(timezones=st.just(UTC)), TEXT)
FILTERS = st.dictionaries(st.sampled_from(["channel", "messageId", "created_at"]), st.text(max_size=9))
POSITION = Position(datetime(2026, 11, 23, 9, 15, 2, 123456, tzinfo=UTC), "2WL3qFTEFM0qMY8xjRbt1LIKCzM")
SMS = {"channel": "sms"}


def cursor_of(value: Any) -> str:
    """Return a cursor that holds any JSON value."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@given(POSITIONS, FILTERS)
def test_a_cursor_gives_back_its_position(position: Position, filters: dict[str, str]) -> None:
    assert decode(encode(position, filters), filters) == position


@given(POSITIONS, FILTERS)
def test_a_cursor_needs_no_escape_in_a_url(position: Position, filters: dict[str, str]) -> None:
    assert set(encode(position, filters)) <= {*string.ascii_letters, *string.digits, "-", "_"}


def test_a_position_is_kept_whatever_its_time_zone() -> None:
    there = POSITION.created_at.astimezone(datetime.strptime("+0530", "%z").tzinfo)
    assert decode(encode(POSITION._replace(created_at=there), SMS), SMS) == POSITION


@given(POSITIONS, FILTERS, FILTERS)
def test_another_set_of_filters_is_refused(
    position: Position, made_for: dict[str, str], asked: dict[str, str]
) -> None:
    cursor = encode(position, made_for)
    if made_for == asked:
        assert decode(cursor, asked) == position
    else:
        with pytest.raises(MalformedCursor):
            decode(cursor, asked)


def test_the_order_of_the_filters_does_not_matter() -> None:
    one, other = {"channel": "sms", "messageId": "m"}, {"messageId": "m", "channel": "sms"}
    assert decode(encode(POSITION, one), other) == POSITION


@given(st.text() | st.text(st.characters(codec="ascii")), FILTERS)
def test_arbitrary_text_is_refused_and_nothing_else_happens(text: str, filters: dict[str, str]) -> None:
    with pytest.raises(MalformedCursor):
        decode(text, filters)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda one: st.lists(one, max_size=4)
)


@given(st.lists(JSON, max_size=2) | JSON)
def test_arbitrary_json_is_refused_although_its_fingerprint_is_right(value: Any) -> None:
    told = [fingerprint(SMS), *value] if isinstance(value, list) else value
    try:
        position = decode(cursor_of(told), SMS)
    except MalformedCursor:
        return
    assert [type(part) for part in told] == [str, int, str]
    assert position.message_id == told[2]


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "=",
        "é",
        "\ud800",
        "AAAA\n",
        cursor_of(None),
        cursor_of({"a": 1, "b": 2, "c": 3}),
        cursor_of([fingerprint(SMS), True, "m"]),
        cursor_of([fingerprint(SMS), 1.5, "m"]),
        cursor_of([fingerprint(SMS), 10**30, "m"]),
        cursor_of([fingerprint(SMS), -(10**18), "m"]),
        cursor_of([fingerprint(SMS), 0, None]),
        cursor_of([fingerprint(SMS), 0, "a\0b"]),
        cursor_of([fingerprint(SMS), 0, "\ud800"]),
        cursor_of([fingerprint(SMS), 0, "m", "more"]),
        cursor_of([["unhashable"], 0, "m"]),
        base64.urlsafe_b64encode(b"[" * 100_000).decode(),
        base64.urlsafe_b64encode(b'["a",' + b"9" * 5000 + b',"m"]').decode(),
        encode(POSITION, SMS)[:-1],
        encode(POSITION, SMS) + "A",
    ],
)
def test_a_damaged_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(MalformedCursor):
        decode(cursor, SMS)


def test_a_position_at_either_end_of_time_is_kept() -> None:
    for moment in (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)):
        position = Position(moment, "m")
        assert decode(encode(position, {}), {}) == position


# Lines of a timeline

SMALL = st.integers(-(2**31), 2**31 - 1)
PLACES = st.builds(Place, TEXT, SMALL, st.datetimes(timezones=st.just(UTC)), st.uuids(), SMALL)
UUID_TEXT = "01a20ace-29b6-7b2d-ab41-ce01a416fa59"


@given(PLACES, FILTERS, FILTERS)
def test_a_cursor_gives_back_its_line_to_the_same_question_alone(
    place: Place, made_for: dict[str, str], asked: dict[str, str]
) -> None:
    cursor = encode_place(place, made_for)
    assert decode_place(cursor, made_for) == place
    if made_for != asked:
        with pytest.raises(MalformedCursor):
            decode_place(cursor, asked)


@pytest.mark.parametrize(
    "parts",
    [
        [],
        ["v", 1, 0, UUID_TEXT],
        ["v", 1, 0, UUID_TEXT, 0, 0],
        [1, 1, 0, UUID_TEXT, 0],
        ["a\0b", 1, 0, UUID_TEXT, 0],
        ["\ud800", 1, 0, UUID_TEXT, 0],
        ["v", True, 0, UUID_TEXT, 0],
        ["v", 2**31, 0, UUID_TEXT, 0],
        ["v", 1, 10**30, UUID_TEXT, 0],
        ["v", 1, 0, "no id", 0],
        ["v", 1, 0, None, 0],
        ["v", 1, 0, UUID_TEXT, 2**31],
    ],
)
def test_a_damaged_cursor_of_a_line_is_refused(parts: list[Any]) -> None:
    with pytest.raises(MalformedCursor):
        decode_place(cursor_of([fingerprint(SMS), *parts]), SMS)


@given(PLACES, POSITIONS)
def test_a_cursor_of_records_is_none_of_lines(place: Place, position: Position) -> None:
    with pytest.raises(MalformedCursor):
        decode_place(encode(position, SMS), SMS)
    with pytest.raises(MalformedCursor):
        decode(encode_place(place, SMS), SMS)
