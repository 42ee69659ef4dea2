"""A batch is read as the client sends it to Notify, or the first broken rule is named, and never a value."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.batches import LONGEST, MOST_BRACKETS, MOST_MESSAGES, Batch, InvalidBatch, Message, read
from tests.support.client import (
    ANOTHER,
    NHS_NUMBER,
    REFERENCE,
    ROUTING_PLAN,
    batch,
    batch_of,
    message,
    written,
)

PLACE = "data.attributes"
BAD_NUMBER = "must be text, 10 digits of which the last is the check digit"


def refusal(body: bytes) -> str:
    """Return why a body is refused."""
    with pytest.raises(InvalidBatch) as refused:
        read(body)
    detail = refused.value.detail
    assert detail.isascii()
    assert refused.value.__suppress_context__ or refused.value.__context__ is None
    return detail


def changed(path: str, value: Any) -> bytes:
    """Return a batch of three messages with one value changed, or left out where it is `...`."""
    whole: Any = batch_of([message("a"), message("b", ANOTHER), message("c")])
    holder, names = whole, path.split(".")
    for name in names[:-1]:
        holder = holder[int(name) if name.isdecimal() else name]
    if value is ...:
        del holder[names[-1]]
    else:
        holder[int(names[-1]) if names[-1].isdecimal() else names[-1]] = value
    return written(whole)


def test_a_batch_is_its_references_its_plan_and_whom_its_messages_are_for() -> None:
    further = {"originator": {"odsCode": "X1"}, "personalisation": {"name": "’"}, "later": None}
    body = batch(message("1"), message("2", ANOTHER, **further))
    expected = Batch(REFERENCE, ROUTING_PLAN, (Message("1", NHS_NUMBER), Message("2", ANOTHER)))
    assert read(body) == expected
    assert read(json.dumps(json.loads(body), indent=2).encode()) == expected
    assert read(json.dumps(json.loads(body), separators=(",", ":"), ensure_ascii=False).encode()) == expected


def test_spaces_within_an_nhs_number_are_tolerated() -> None:
    spaced = f"{NHS_NUMBER[:3]} {NHS_NUMBER[3:6]} {NHS_NUMBER[6:]}"
    assert read(batch(message("1", spaced))) == read(batch(message("1")))


def test_one_recipient_may_have_many_messages() -> None:
    assert len(read(batch(message("1"), message("2"))).messages) == 2


@pytest.mark.parametrize("text", ["x", "x" * LONGEST, "😀" * LONGEST, " ", "’", "\x01"])
def test_a_reference_is_any_text_of_up_to_255_characters(text: str) -> None:
    body = batch(message(text), reference=text, routing_plan=text)
    assert read(body) == Batch(text, text, (Message(text, NHS_NUMBER),))


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("data", ..., "data: required"),
        ("data", [], "data: must be an object"),
        ("data.type", ..., "data.type: required"),
        ("data.type", "Message", "data.type: must be MessageBatch"),
        ("data.type", None, "data.type: must be MessageBatch"),
        ("data.attributes", ..., "data.attributes: required"),
        ("data.attributes", None, "data.attributes: must be an object"),
        *(
            (f"{PLACE}.{name}", value, f"{PLACE}.{name.replace('.1.', '[1].')}: {told}")
            for name in ("routingPlanId", "messageBatchReference", "messages.1.messageReference")
            for value, told in (
                (..., "required"),
                (None, "must be text"),
                (5, "must be text"),
                ("", "must be 1 to 255 characters"),
                ("x" * 256, "must be 1 to 255 characters"),
                ("a\0", "must not contain NUL"),
            )
        ),
        (f"{PLACE}.messages", ..., f"{PLACE}.messages: required"),
        (f"{PLACE}.messages", {}, f"{PLACE}.messages: must be a list"),
        (f"{PLACE}.messages", [], f"{PLACE}.messages: must be 1 to 45000 messages"),
        (f"{PLACE}.messages.1", None, f"{PLACE}.messages[1]: must be an object"),
        (f"{PLACE}.messages.1", NHS_NUMBER, f"{PLACE}.messages[1]: must be an object"),
        (f"{PLACE}.messages.1.recipient", ..., f"{PLACE}.messages[1].recipient: required"),
        (f"{PLACE}.messages.1.recipient", NHS_NUMBER, f"{PLACE}.messages[1].recipient: must be an object"),
        (
            f"{PLACE}.messages.1.recipient.nhsNumber",
            ...,
            f"{PLACE}.messages[1].recipient.nhsNumber: required",
        ),
        *(
            (
                f"{PLACE}.messages.1.recipient.nhsNumber",
                bad,
                f"{PLACE}.messages[1].recipient.nhsNumber: {BAD_NUMBER}",
            )
            for bad in (
                None,
                int(NHS_NUMBER),
                "",
                "9990000010",
                NHS_NUMBER[:9],
                f"{NHS_NUMBER}\0",
                [NHS_NUMBER],
            )
        ),
        (
            f"{PLACE}.messages.2.messageReference",
            "a",
            f"{PLACE}.messages[2].messageReference: the same as that of messages[0]",
        ),
    ],
)
def test_a_broken_rule_is_named_by_its_place(path: str, value: Any, told: str) -> None:
    assert refusal(changed(path, value)) == told


@pytest.mark.parametrize("body", [b"null", b"[]", b"5", b'"data"'])
def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    assert refusal(body) == "body: must be an object"


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (b"", "syntax error at character 0"),
        (batch(message("1"))[:-1], "syntax error"),
        (b'{"data": 1, "data": 1}', "duplicate key"),
        (b'{"data": NaN}', "NaN or Infinity"),
        (b'{"data": "\\ud800"}', "lone surrogate"),
        (b'{"data": "\xff"}', "not UTF-8"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b"[" * 33 + b"]" * 33, "nesting deeper than 32"),
    ],
)
def test_json_that_two_readers_could_take_differently_is_refused(body: bytes, rule: str) -> None:
    assert refusal(body).startswith(f"body: not strict JSON: {rule}")


def test_45000_messages_are_read_and_one_more_is_refused() -> None:
    messages = [message(str(number)) for number in range(MOST_MESSAGES)]
    assert len(read(batch(*messages)).messages) == 45_000
    assert refusal(batch(*messages, message("one more"))) == f"{PLACE}.messages: must be 1 to 45000 messages"


def test_a_body_of_brackets_is_refused_before_it_is_read() -> None:
    assert refusal(b"[" + b"{}," * MOST_BRACKETS) == f"body: more than {MOST_BRACKETS} objects and lists"


def test_the_first_bad_message_is_the_one_that_is_named() -> None:
    messages = [message(str(number)) for number in range(10)]
    messages[7]["recipient"]["nhsNumber"] = messages[3]["recipient"]["nhsNumber"] = "1"
    assert refusal(batch(*messages)) == f"{PLACE}.messages[3].recipient.nhsNumber: {BAD_NUMBER}"


def test_a_message_does_not_show_whom_it_is_for() -> None:
    shown = repr(read(batch(message("1"))))
    assert NHS_NUMBER not in shown
    assert "Message('1')" in shown


SECRET = "sesame"
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(SECRET) | st.just(NHS_NUMBER),
    lambda one: st.lists(one, max_size=2) | st.dictionaries(st.just(SECRET), one, max_size=1),
    max_leaves=3,
)
PLACES = st.sampled_from(
    [
        "data",
        "data.type",
        "data.attributes",
        "data.attributes.routingPlanId",
        "data.attributes.messageBatchReference",
        "data.attributes.messages",
        "data.attributes.messages.1",
        "data.attributes.messages.1.messageReference",
        "data.attributes.messages.1.recipient",
        "data.attributes.messages.1.recipient.nhsNumber",
    ]
)


@given(PLACES, ANYTHING)
def test_whatever_is_said_where_a_refusal_tells_no_value(path: str, value: Any) -> None:
    try:
        read(changed(path, value))
    except InvalidBatch as refused:
        told = f"{refused} {refused.detail}"
        assert SECRET not in told
        assert NHS_NUMBER not in told


@given(st.binary() | ANYTHING.map(lambda value: json.dumps(value).encode()))
def test_arbitrary_bytes_are_a_batch_or_an_invalid_one(body: bytes) -> None:
    with pytest.raises(InvalidBatch):
        read(body)
