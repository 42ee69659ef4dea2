"""What a client may ask, read strictly: what is wrong is named, and no value is ever echoed."""

import contextlib
import json
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.recipients import RecipientKeys
from query import filters
from query.cursors import Position, decode, encode, fingerprint
from query.filters import ALLOWED, InvalidQuery, Query, period

NHS_NUMBER = "9991234608"
OTHER_NHS_NUMBER = "9990548609"
KEYS = RecipientKeys("recipient key", "the one before")

from_parameters = partial(filters.from_parameters, recipients=KEYS)
from_json = partial(filters.from_json, recipients=KEYS)

TEXT_FILTERS = (
    "channel",
    "supplierStatus",
    "channelStatus",
    "messageStatus",
    "messageId",
    "messageReference",
    "batchReference",
)
TIME_FILTERS = ("created_at", "createdAfter", "createdBefore")


def utc(year: int, month: int, day: int, *time_of_day: int) -> datetime:
    hour, minute, second, microsecond = (*time_of_day, 0, 0, 0, 0)[:4]
    return datetime(year, month, day, hour, minute, second, microsecond, tzinfo=UTC)


def asked(query_string: str) -> Query:
    """Return the question of a URL, decoded as the framework decodes it."""
    return from_parameters(parse_qsl(query_string, keep_blank_values=True))


def refusal(ask: Any, *question: Any) -> str:
    with pytest.raises(InvalidQuery) as refused:
        ask(*question)
    assert NHS_NUMBER not in str(refused.value)
    assert refused.value.detail.isascii()
    return refused.value.detail


# Parameters


def test_every_filter_is_read_from_a_url_and_from_json_alike() -> None:
    given: dict[str, str] = {name: f"some {name}" for name in TEXT_FILTERS}
    given |= dict.fromkeys(TIME_FILTERS, "2026-11-23")
    from_url, searched = from_parameters(given.items()), from_json(json.dumps(given).encode())
    assert from_url == searched
    assert from_url.given == given
    assert from_url.filters.model_dump(exclude={"limit", "cursor", "nhs_number"}, by_alias=True) == {
        **{name: given[name] for name in TEXT_FILTERS},
        **dict.fromkeys(TIME_FILTERS, period("2026-11-23")),
    }


def test_nothing_asked_is_everything_ten_thousand_at_a_time() -> None:
    for query in (from_parameters([]), from_json(b"{}")):
        assert query.given == {}
        assert query.after is None
        assert set(query.filters.model_dump(exclude={"limit"}).values()) == {None}
        assert query.filters.limit == 10_000


@pytest.mark.parametrize(
    "name",
    ["channnel", "Channel", "createdAt", "created_after", "message_id", "supplier_status", "", "offset", "é"],
)
def test_a_misspelt_parameter_is_refused_and_the_right_ones_named(name: str) -> None:
    for detail in (
        refusal(from_parameters, [(name, NHS_NUMBER)]),
        refusal(from_json, json.dumps({name: NHS_NUMBER}).encode()),
    ):
        assert detail.startswith(f"{name!a}: unknown parameter; allowed are channel, supplierStatus, ")
        assert all(allowed in detail for allowed in ALLOWED)


@pytest.mark.parametrize("name", ["x" * 100_000, "😀" * 1000, "\ud800", "a\0b", "a\nb", "\x1b[31m"])
def test_a_strange_parameter_is_named_in_a_few_printable_characters(name: str) -> None:
    detail = refusal(from_json, json.dumps({name: NHS_NUMBER}).encode())
    assert detail.isprintable()
    assert len(detail.partition(": unknown parameter")[0]) <= 64


@pytest.mark.parametrize("name", ALLOWED)
def test_a_repeated_parameter_is_refused_even_if_both_say_the_same(name: str) -> None:
    assert refusal(from_parameters, [(name, "5"), (name, "5")]) == f"'{name}': given more than once"
    assert refusal(from_json, f'{{"{name}": 5, "{name}": 5}}'.encode()) == f"'{name}': given more than once"


@pytest.mark.parametrize(("text", "limit"), [("1", 1), ("42", 42), ("10000", 10_000), ("007", 7)])
def test_a_limit_is_a_whole_number(text: str, limit: int) -> None:
    assert from_parameters([("limit", text)]).filters.limit == limit
    assert from_json(json.dumps({"limit": limit}).encode()).filters.limit == limit


@pytest.mark.parametrize(
    "text",
    [
        "0",
        "10001",
        "-1",
        "+1",
        "1.0",
        "1e3",
        "ten",
        "",
        " 1",
        "1_000",
        "0x10",
        "\uff11",
        "9" * 5000,
        NHS_NUMBER,
        "a\0",
    ],
)
def test_a_malformed_limit_is_refused(text: str) -> None:
    rule = "limit: must be a whole number from 1 to 10000"
    assert refusal(from_parameters, [("limit", text)]) == rule
    assert refusal(from_json, json.dumps({"limit": text}).encode()) == rule


@pytest.mark.parametrize("value", ["5", "5.0", "0.5e1"])
def test_a_limit_in_json_is_whole_as_json_schema_has_it(value: str) -> None:
    assert from_json(f'{{"limit": {value}}}'.encode()).filters.limit == 5


@pytest.mark.parametrize(
    "value", ["0", "-1", "10001", "1.5", "1e5", "true", '"5"', "[]", "{}", "NaN", "1e999"]
)
def test_a_limit_in_json_is_a_number_from_1_to_10000(value: str) -> None:
    assert (
        refusal(from_json, f'{{"limit": {value}}}'.encode())
        == "limit: must be a whole number from 1 to 10000"
    )


# JSON


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"channel=sms",
        b"{",
        b'{"channel": "sms",}',
        b"{'channel': 'sms'}",
        b'{"channel": "\xff"}',
        b'{"channel": "sms"} {}',
        b'{"limit": ' + b"9" * 5000 + b"}",
        b"[" * 50_000,
        b'{"a":' * 50_000,
    ],
)
def test_a_body_that_is_not_json_is_refused(body: bytes) -> None:
    assert refusal(from_json, body) == "body: not JSON"


@pytest.mark.parametrize("body", [b"null", b"[]", b'["channel"]', b'"channel"', b"5", b"NaN", b"true"])
def test_a_body_that_is_not_an_object_is_refused(body: bytes) -> None:
    assert refusal(from_json, body) == "body: must be an object"


@pytest.mark.parametrize("name", [*TEXT_FILTERS, "nhsNumber", "cursor"])
@pytest.mark.parametrize(
    "value", [NHS_NUMBER, "true", "NaN", "1e999", "[]", f'["{NHS_NUMBER}"]', '{"a": "b"}']
)
def test_a_filter_that_is_not_text_is_refused(name: str, value: str) -> None:
    assert refusal(from_json, f'{{"{name}": {value}}}'.encode()) == f"{name}: must be text"


@pytest.mark.parametrize("name", TIME_FILTERS)
@pytest.mark.parametrize("value", [NHS_NUMBER, "true", "NaN", "[]", "{}"])
def test_a_time_that_is_not_text_is_refused(name: str, value: str) -> None:
    assert refusal(from_json, f'{{"{name}": {value}}}'.encode()).startswith(f"{name}: must be a date")


def test_a_null_counts_as_absent() -> None:
    nothing = json.dumps(dict.fromkeys(ALLOWED)).encode()
    assert from_json(nothing) == from_json(b"{}")


def test_a_null_in_a_parameter_that_does_not_exist_is_still_refused() -> None:
    assert "unknown parameter" in refusal(from_json, b'{"channnel": null}')


@pytest.mark.parametrize("value", ["a\0b", "\0", "\ud800", "a\udfffb"])
@pytest.mark.parametrize("name", TEXT_FILTERS)
def test_a_value_that_no_record_can_have_is_no_error(name: str, value: str) -> None:
    assert from_json(json.dumps({name: value}).encode()).unmatchable
    assert from_parameters([(name, value)]).unmatchable


def test_an_ordinary_value_may_match() -> None:
    assert not from_json(json.dumps(dict.fromkeys(TEXT_FILTERS, "é😀" * 9999)).encode()).unmatchable


# Recipients


@pytest.mark.parametrize("written", [NHS_NUMBER, "999 123 4608", f" {NHS_NUMBER} ", "9 9 9 1234608"])
def test_a_recipient_is_asked_for_by_a_token_under_every_key_of_the_ring(written: str) -> None:
    for query in (
        from_parameters([("nhsNumber", written)]),
        from_json(json.dumps({"nhsNumber": written}).encode()),
    ):
        assert query.tokens == KEYS.tokens(NHS_NUMBER)
        assert len(query.tokens) == 2
        assert not query.unmatchable


@pytest.mark.parametrize(
    "written",
    [
        "",
        " ",
        "9991234609",
        "999123456",
        "99912346080",
        "999-123-4608",
        "999\t1234608",
        "\uff19991234608",
        "nonsense",
        "a\0b",
        "\ud800",
    ],
)
def test_a_recipient_that_nobody_can_be_is_no_error_and_is_found_by_nothing(written: str) -> None:
    query = from_json(json.dumps({"nhsNumber": written}).encode())
    assert query.tokens == {}
    assert query.unmatchable
    assert query.given == {"nhsNumber": ""}


def test_without_a_recipient_key_no_recipient_is_found() -> None:
    query = filters.from_parameters([("nhsNumber", NHS_NUMBER)], RecipientKeys())
    assert query.tokens == {}
    assert query.unmatchable


def test_an_nhs_number_goes_no_further_than_to_its_tokens() -> None:
    query = from_parameters([("nhsNumber", "999 123 4608"), ("channel", "sms")])
    for written in (NHS_NUMBER, "999 123 4608"):
        assert written not in f"{query!r}{query}{query.given}"


def test_a_cursor_for_one_recipient_is_refused_for_another_and_tells_neither() -> None:
    question = from_parameters([("nhsNumber", NHS_NUMBER)])
    cursor = encode(Position(utc(2026, 11, 23, 9), "m"), question.given)
    same = from_json(json.dumps({"nhsNumber": "999 123 4608", "cursor": cursor}).encode())
    assert same.after == Position(utc(2026, 11, 23, 9), "m")
    for other in (OTHER_NHS_NUMBER, "nonsense"):
        assert "not one that this service gave" in refusal(
            from_parameters, [("nhsNumber", other), ("cursor", cursor)]
        )
    # Eight hex digits of a plain hash would be enough to find the one number in ten thousand million.
    assert fingerprint(question.given) != fingerprint({"nhsNumber": NHS_NUMBER})
    assert decode(cursor, {"nhsNumber": KEYS.token(KEYS.ids[0], NHS_NUMBER).hex()})


# Cursors


def test_a_cursor_is_read_for_the_filters_that_it_was_made_for_whatever_the_limit() -> None:
    position = Position(utc(2026, 11, 23, 9), "m")
    cursor = encode(position, {"channel": "sms"})
    assert asked(f"limit=5&cursor={cursor}&channel=sms").after == position
    body = json.dumps({"cursor": cursor, "channel": "sms", "messageId": None}).encode()
    assert from_json(body).after == position


@pytest.mark.parametrize("cursor", ["", "nonsense", NHS_NUMBER, "é", "a\0b"])
def test_a_cursor_that_was_never_given_is_refused(cursor: str) -> None:
    detail = refusal(from_parameters, [("cursor", cursor)])
    assert detail == "cursor: not one that this service gave for these filters"


def test_a_cursor_that_was_given_for_other_filters_is_refused() -> None:
    cursor = encode(Position(utc(2026, 11, 23, 9), "m"), {"channel": "sms"})
    for other in ("", "&channel=email", "&channel=sms&messageId=m"):
        assert "not one that this service gave" in refusal(asked, f"cursor={cursor}{other}")


@pytest.mark.parametrize("client", [None, "clinic", "hospital"])
def test_a_cursor_is_good_for_the_client_alone_that_it_was_given_to(client: str | None) -> None:
    position = Position(utc(2026, 11, 23, 9), "m")
    cursor = encode(position, from_parameters([("channel", "sms")], client=client).made_for)
    for other in (None, "clinic", "hospital"):
        question = [("channel", "sms"), ("cursor", cursor)]
        if other == client:
            for query in (
                from_parameters(question, client=other),
                from_json(json.dumps(dict(question)).encode(), client=other),
            ):
                assert (query.after, query.client) == (position, client)
        else:
            with pytest.raises(InvalidQuery, match="cursor: not one that this service gave"):
                from_parameters(question, client=other)


def test_no_parameter_poses_as_the_client_that_asks() -> None:
    (client_only,) = from_parameters([], client="clinic").made_for
    assert client_only not in ALLOWED
    refusal(from_parameters, [(client_only, "clinic")])


# Anything at all

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda one: st.lists(one, max_size=2) | st.dictionaries(st.text(max_size=5), one, max_size=2),
    max_leaves=4,
)
NAMES = st.sampled_from(ALLOWED) | st.text(st.characters())


@given(st.binary() | ANYTHING.map(lambda value: json.dumps(value).encode()))
def test_arbitrary_bytes_are_a_question_or_an_invalid_one(body: bytes) -> None:
    with contextlib.suppress(InvalidQuery):
        from_json(body)


@given(st.dictionaries(NAMES, ANYTHING, max_size=4))
def test_an_arbitrary_object_is_a_question_or_an_invalid_one(value: dict[str, Any]) -> None:
    try:
        query = from_json(json.dumps(value).encode())
    except InvalidQuery:
        return
    assert query.given.keys() <= value.keys() <= set(ALLOWED)


@given(st.lists(st.tuples(NAMES, st.text(st.characters())), max_size=4))
def test_arbitrary_parameters_are_a_question_or_an_invalid_one(parameters: list[tuple[str, str]]) -> None:
    try:
        query = from_parameters(parameters)
    except InvalidQuery:
        return
    assert {name for name, _ in parameters} <= set(ALLOWED)
    told = ("limit", "nhsNumber")
    assert {**query.given, "nhsNumber": ""} == {
        **{name: value for name, value in parameters if name not in told},
        "nhsNumber": "",
    }


@given(
    st.text(st.characters())
    | st.from_regex(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)?)?")
)
def test_an_arbitrary_time_is_a_period_or_malformed(text: str) -> None:
    try:
        query = from_parameters([("created_at", text)])
    except InvalidQuery:
        return
    assert query.filters.created_at is not None
    assert query.filters.created_at.start <= query.filters.created_at.end
