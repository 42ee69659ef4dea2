"""Whatever a callback holds, it is read or refused, and an answer echoes nothing that it may not quote."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventstore.errors import LedgerError
from ingest.callbacks import RULES, Unprocessable, read
from tests.unit.ingest.test_callbacks import (
    KNOWN,
    MARKER,
    RECEIVED,
    body_of,
    item,
    read_as_kept,
    read_as_new,
    refusal,
)

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
