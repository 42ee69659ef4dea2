"""Canonical form is RFC 8785's, and hashes see what they should and nothing else."""

import json
import struct
from hashlib import sha256
from typing import Any

import pytest
import rfc8785
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingest.canonical import canonical, content_hash, digest, hashes
from ingest.strict_json import MAX_SAFE_INTEGER, parse

texts = st.text(st.characters(exclude_categories=["Cs"]))
astral_and_neighbours = st.text(st.sampled_from("a\u2019\ue000\ufb33\uffff\U00010000\U0001f600\U0010ffff"))
values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda children: (
        st.lists(children, max_size=4) | st.dictionaries(texts | astral_and_neighbours, children, max_size=4)
    ),
    max_leaves=20,
)
objects = st.dictionaries(texts, values, max_size=5)


def as_doubles(value: Any) -> Any:
    """Say the same with every number that RFC 8785 has no exact integer for as the double it is."""
    if isinstance(value, dict):
        return {key: as_doubles(member) for key, member in value.items()}
    if isinstance(value, list):
        return [as_doubles(member) for member in value]
    if isinstance(value, int) and abs(value) > MAX_SAFE_INTEGER:
        return float(value)
    return value


def reparsed(value: Any, **style: Any) -> Any:
    return parse(json.dumps(value, **style).encode())


@settings(deadline=None, max_examples=500)
@given(values, st.booleans())
def test_canonical_form_is_that_of_rfc8785_for_any_json(value: Any, escaped: bool) -> None:
    assert canonical(reparsed(value, ensure_ascii=escaped)) == rfc8785.dumps(as_doubles(value))


@settings(deadline=None)
@given(values)
def test_canonical_form_is_its_own_canonical_form(value: Any) -> None:
    form = canonical(reparsed(value))
    assert canonical(parse(form)) == form


def test_every_character_is_escaped_as_rfc8785_does() -> None:
    surrogates = range(0xD800, 0xE000)
    for code in (*range(0x3000), *range(0xD700, 0x10300)):
        if code not in surrogates:
            assert canonical([chr(code)]) == rfc8785.dumps([chr(code)])
            assert canonical({chr(code): 0}) == rfc8785.dumps({chr(code): 0})


@pytest.mark.parametrize(
    ("character", "form"),
    [
        ("\x00", rb'"\u0000"'),
        ("\x0f", rb'"\u000f"'),
        ("\x08\t\n\x0c\r", rb'"\b\t\n\f\r"'),
        ('"\\/', rb'"\"\\/"'),
        ("\x7f", b'"\x7f"'),
        ("\u2028\u2019", '"\u2028\u2019"'.encode()),
    ],
)
def test_escapes_are_the_shortest_that_rfc8785_names(character: str, form: bytes) -> None:
    assert canonical(character) == form


def test_keys_are_sorted_by_utf16_unit_as_in_the_example_of_rfc8785() -> None:
    expected = ["\r", "1", "\x80", "\xf6", "\u20ac", "\U0001f600", "\ufb33"]
    form = canonical({key: key for key in sorted(expected)})
    assert list(json.loads(form)) == expected
    mixed = {"\uffff": 0, "\U00100000": 0, "a": 0}
    assert list(json.loads(canonical(mixed))) == ["a", "\U00100000", "\uffff"]


@pytest.mark.parametrize(
    ("bits", "form"),
    [
        ("0000000000000000", "0"),
        ("8000000000000000", "0"),
        ("0000000000000001", "5e-324"),
        ("8000000000000001", "-5e-324"),
        ("7fefffffffffffff", "1.7976931348623157e+308"),
        ("4340000000000000", "9007199254740992"),
        ("c340000000000000", "-9007199254740992"),
        ("4430000000000000", "295147905179352830000"),
        ("44b52d02c7e14af5", "9.999999999999997e+22"),
        ("44b52d02c7e14af6", "1e+23"),
        ("44b52d02c7e14af7", "1.0000000000000001e+23"),
        ("444b1ae4d6e2ef4e", "999999999999999700000"),
        ("444b1ae4d6e2ef4f", "999999999999999900000"),
        ("444b1ae4d6e2ef50", "1e+21"),
        ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"),
        ("3eb0c6f7a0b5ed8d", "0.000001"),
        ("41b3de4355555553", "333333333.3333332"),
        ("41b3de4355555554", "333333333.33333325"),
        ("becbf647612f3696", "-0.0000033333333333333333"),
        ("43143ff3c1cb0959", "1424953923781206.2"),
    ],
)
def test_numbers_are_written_as_in_appendix_b_of_rfc8785(bits: str, form: str) -> None:
    (number,) = struct.unpack(">d", bytes.fromhex(bits))
    assert canonical(parse(repr(number).encode())) == form.encode()


def test_integers_beyond_53_bits_are_the_doubles_they_round_to() -> None:
    assert canonical(parse(b"9007199254740993")) == b"9007199254740992"
    assert canonical(parse(b"[1.0,1e2,-0]")) == b"[1,100,0]"


def item(**attributes: Any) -> dict[str, Any]:
    return {
        "type": "ChannelStatus",
        "attributes": {"messageId": "m-1", "timestamp": "2026-11-23T09:15:02Z", "note": "\u2019"}
        | attributes,
        "meta": {"idempotencyKey": "k-1"},
    }


def test_a_digest_is_the_sha256_of_the_item_in_canonical_form() -> None:
    form = '{"attributes":{"messageId":"m-1","note":"\u2019","timestamp":"2026-11-23T09:15:02Z"},'
    form += '"meta":{"idempotencyKey":"k-1"},"type":"ChannelStatus"}'
    assert digest(item(metadata=[{"x": 1}])) == sha256(form.encode()).digest()
    untimed = form.replace(',"timestamp":"2026-11-23T09:15:02Z"', "")
    expected = int.from_bytes(sha256(untimed.encode()).digest()[:8], "big", signed=True)
    assert content_hash(item(metadata=[{"x": 1}])) == expected


@settings(deadline=None)
@given(objects, st.randoms(use_true_random=False), st.sampled_from([None, 0, 3]), st.booleans())
def test_hashes_ignore_key_order_and_white_space(
    attributes: dict[str, Any], random: Any, indent: int | None, escaped: bool
) -> None:
    members = list(attributes.items())
    random.shuffle(members)
    plain = reparsed({"type": "t", "attributes": attributes})
    other = reparsed({"attributes": dict(members), "type": "t"}, indent=indent, ensure_ascii=escaped)
    assert digest(other) == digest(plain)
    assert content_hash(other) == content_hash(plain)


@settings(deadline=None)
@given(values)
def test_hashes_ignore_metadata(metadata: Any) -> None:
    assert digest(item(metadata=reparsed(metadata))) == digest(item())
    assert content_hash(item(metadata=reparsed(metadata))) == content_hash(item())


def test_metadata_elsewhere_counts() -> None:
    assert digest(item() | {"metadata": 1}) != digest(item())
    assert content_hash(item(routingPlan={"metadata": 1})) != content_hash(item(routingPlan={}))


@settings(deadline=None)
@given(values)
def test_a_timestamp_changes_the_digest_and_not_the_content_hash(timestamp: Any) -> None:
    assert digest(item(timestamp=reparsed([timestamp]))) != digest(item())
    assert content_hash(item(timestamp=reparsed([timestamp]))) == content_hash(item())


@pytest.mark.parametrize(
    "other",
    [
        item() | {"type": "MessageStatus"},
        item() | {"links": {}},
        item() | {"meta": {"idempotencyKey": "k-2"}},
        item(messageId="m-2"),
        item(note=None),
    ],
)
def test_any_other_difference_changes_both_hashes(other: dict[str, Any]) -> None:
    assert digest(other) != digest(item())
    assert content_hash(other) != content_hash(item())


@settings(deadline=None)
@given(objects)
def test_a_digest_has_32_bytes_and_a_content_hash_fits_a_bigint(attributes: dict[str, Any]) -> None:
    given_item = reparsed({"attributes": attributes})
    assert len(digest(given_item)) == 32
    assert -(2**63) <= content_hash(given_item) < 2**63


names = st.sampled_from(["a", "timestamp", "zone", 'a,"timestamp', ',"timestamp":"', "\U0001f600"])
times = st.sampled_from(
    ["", "t", 't","zone":"', ',"timestamp":"t', '"timestamp":', "\\", "\u2019", 1.5, None, 7]
)
timed = st.dictionaries(names, times | st.dictionaries(names, times, max_size=3), max_size=4)


@settings(deadline=None, max_examples=500)
@given(timed, timed)
@example({"a": {"a": 1, "timestamp": "t"}, "timestamp": "t"}, {})
@example({"a": 1, "timestamp": "t"}, {"a": {"a": 1, "timestamp": "t"}})
@example({"a": 1, "timestamp": 't","zone":"'}, {"zone": ""})
def test_both_hashes_at_once_are_what_each_is_by_itself(attributes: Any, around: Any) -> None:
    whole = reparsed(around | {"attributes": attributes})
    assert hashes(whole) == (digest(whole), content_hash(whole))


def test_hashing_leaves_the_item_as_it_was() -> None:
    original = item(metadata=1)
    digest(original)
    content_hash(original)
    assert original == item(metadata=1)
