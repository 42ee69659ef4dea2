"""What strict JSON is, and that nothing but its one error ever comes out."""

import json

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import strict_json
from ingest.strict_json import MAX_DEPTH, MAX_SAFE_INTEGER, NotStrictJson, Real, parse

MEBIBYTE = 2**20

texts = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | texts,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(texts, children, max_size=4),
    max_leaves=20,
)


def refusal(body: bytes) -> str:
    with pytest.raises(NotStrictJson) as caught:
        parse(body)
    assert str(caught.value).isascii()
    return caught.value.detail


@settings(deadline=None)
@given(values, st.booleans(), st.sampled_from([None, 1]))
def test_whatever_json_writes_is_read_back(value: object, escaped: bool, indent: int | None) -> None:
    assert parse(json.dumps(value, ensure_ascii=escaped, indent=indent).encode()) == value


@settings(deadline=None, max_examples=500)
@given(st.binary(max_size=60))
def test_arbitrary_bytes_raise_nothing_but_the_one_error(body: bytes) -> None:
    try:
        parse(body)
    except NotStrictJson as error:
        refused = error
    else:
        return
    assert str(refused).isascii()


@settings(deadline=None, max_examples=1_000)
@given(st.text(alphabet='[]{}",:019eE.+-\\u \n\0tfn\u2019\U0001f600dD', max_size=14).map(str.encode))
def test_it_agrees_with_an_independent_strict_parser(body: bytes) -> None:
    try:
        value = parse(body)
    except NotStrictJson as error:
        if error.detail.startswith("syntax"):
            with pytest.raises(ValueError, match=r"."):
                orjson.loads(body)
    else:
        assert orjson.loads(body) == value


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":1,"a":1}',
        b'{"a":1,"\\u0061":2}',
        b'[{"a":{"b":[{"c":1,"d":2,"c":3}]}}]',
        b'{"":0,"":0}',
    ],
)
def test_duplicate_keys_are_refused_at_any_depth(body: bytes) -> None:
    assert refusal(body) == "duplicate key"


@pytest.mark.parametrize("depth", range(MAX_DEPTH))
def test_duplicate_keys_are_refused_below_any_number_of_lists(depth: int) -> None:
    assert refusal(b"[" * depth + b'{"a":1,"a":2}' + b"]" * depth) == "duplicate key"


def test_the_same_key_in_two_objects_is_no_duplicate() -> None:
    assert parse(b'[{"a":{"a":1}},{"a":2}]') == [{"a": {"a": 1}}, {"a": 2}]


@pytest.mark.parametrize("word", [b"NaN", b"Infinity", b"-Infinity"])
def test_nan_and_infinity_are_refused(word: bytes) -> None:
    assert refusal(b'{"a":[' + word + b"]}") == "NaN or Infinity"


@pytest.mark.parametrize(
    "number", [b"1e999", b"-1e999", b"1E+400", b"1" * 400, b"-" + b"9" * 5_000, b"2e308"]
)
def test_numbers_beyond_a_double_are_refused(number: bytes) -> None:
    assert refusal(b"[" + number + b"]") == "number beyond the range of a double"


@pytest.mark.parametrize("number", [0, 1, -1, MAX_SAFE_INTEGER, -MAX_SAFE_INTEGER])
def test_integers_of_53_bits_stay_integers(number: int) -> None:
    assert type(parse(str(number).encode())) is int
    assert parse(str(number).encode()) == number


@pytest.mark.parametrize(
    "number", ["1.0", "1e0", "-0.0", "0.1", "1e-400", "9007199254740992", "-9007199254740992", "9" * 300]
)
def test_every_other_number_is_the_double_that_it_rounds_to(number: str) -> None:
    value = parse(number.encode())
    assert isinstance(value, Real)
    assert value == float(number)


@pytest.mark.parametrize(
    "escapes", ["\\ud800", "\\udfff", "\\udc00\\ud800", "\\ud800\\ud800", "\\ud83d.\\ude00", "\\uD83D"]
)
@pytest.mark.parametrize("shape", ['"{}"', '["{}"]', '{{"{}":1}}', '{{"a":[{{"b":"x{}"}}]}}'])
def test_lone_surrogates_are_refused_wherever_they_stand(shape: str, escapes: str) -> None:
    assert refusal(shape.format(escapes).encode()) == "lone surrogate"


def test_a_pair_of_surrogates_is_one_character() -> None:
    assert parse(b'"\\ud83d\\ude00"') == "\U0001f600"


def test_an_escaped_backslash_before_what_looks_like_a_surrogate_is_text() -> None:
    assert parse(b'"\\\\ud800"') == "\\ud800"


def test_a_byte_order_mark_is_refused() -> None:
    assert refusal(b"\xef\xbb\xbf{}") == "byte order mark"


@pytest.mark.parametrize("body", [b'"\xff"', b'"\xed\xa0\x80"', b'"\xc0\xaf"', '"\u2019"'.encode("cp1252")])
def test_bytes_that_are_not_utf8_are_refused(body: bytes) -> None:
    assert refusal(body) == "not UTF-8 at byte 1"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32-be"])
def test_other_encodings_of_unicode_are_refused(encoding: str) -> None:
    refusal('{"a":"b"}'.encode(encoding))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"[1,]",
        b'{"a":1,}',
        b"{'a':1}",
        b"01",
        b"+1",
        b"1.",
        b".5",
        b"1 2",
        b"[]]",
        b'"a\nb"',
        b"//",
        b'"\\x41"',
        b'"\\u12"',
        b'"\\u 123"',
        b"tru",
        b"\x00",
        "\u0661".encode(),
        b"[1\xc2\xa0]",
        b"0x1",
        b"1_000",
    ],
)
def test_what_is_no_json_is_refused_with_its_place(body: bytes) -> None:
    assert refusal(body).startswith("syntax error at character ")


@pytest.mark.parametrize("body", [b"null", b"true", b'"text"', b"1", b"[]", b" {} \r\n\t"])
def test_any_json_value_may_be_the_outermost(body: bytes) -> None:
    assert parse(body) == json.loads(body)


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_nesting_is_taken_to_the_limit_and_no_further(opening: str, closing: str) -> None:
    def nested(depth: int) -> bytes:
        return (opening * depth + "1" + closing * depth).encode()

    parse(nested(MAX_DEPTH))
    for depth in (
        MAX_DEPTH + 1,
        254,
        255,
        1024,
        1025,
        100_000,
    ):  # on either side of what orjson writes and reads
        assert refusal(nested(depth)) == "nesting deeper than 32"


def test_brackets_in_text_nest_nothing() -> None:
    value = ["[" * 100, '"{' * 100, "\\" * 99 + "[" * 100, "]" * 100 + "\\"]
    assert parse(json.dumps(value).encode()) == value


def test_many_brackets_side_by_side_nest_nothing() -> None:
    body = b"[" + b",".join([b'[{"a":[]}]'] * 10_000) + b"]"
    assert parse(body) == [[{"a": []}]] * 10_000


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b"[" * MEBIBYTE,
        b"[]" * (MEBIBYTE // 2),
        b"]" * MEBIBYTE,
        b"[" * 33 + b'"' * MEBIBYTE,
        b"[]" * 33 + b'\\"' * (MEBIBYTE // 2),
        b"[]" * 33 + b'"' + b'\\"' * (MEBIBYTE // 2) + b"\\",
        b"[]" * 33 + b'"a' * (MEBIBYTE // 2),
        b"[]" * 33 + b"\\" * MEBIBYTE,
        b"[]" * 33 + b"a" * MEBIBYTE,
        b"1" * MEBIBYTE,
        b"-" + b"1" * MEBIBYTE,
        b"1" * MEBIBYTE + b"e-1",
        b"1e" + b"9" * MEBIBYTE,
        b"-" * MEBIBYTE,
        b'"' + b"\\ud800" * (MEBIBYTE // 6) + b'"',
        b'"' + b"\\u" * (MEBIBYTE // 2) + b'"',
        b"\xf0" * MEBIBYTE,
    ],
    ids=lambda body: f"{body[:8]!r}...{body[-4:]!r}",
)
def test_a_mebibyte_of_malice_is_refused(body: bytes) -> None:
    refusal(body)


@pytest.mark.parametrize(
    "body",
    [
        b'"' + b"\\u0000" * (MEBIBYTE // 6) + b'"',
        b"[" + b'"\\u0000",' * (MEBIBYTE // 9) + b"0]",
        b"0." + b"1" * MEBIBYTE,
        b"1." + b"0" * MEBIBYTE + b"1e-300",
        b"1e-" + b"9" * MEBIBYTE,
        b" " * MEBIBYTE + b"1",
    ],
    ids=lambda body: f"{body[:8]!r}...{body[-4:]!r}",
)
def test_a_mebibyte_of_odd_but_strict_json_is_read(body: bytes) -> None:
    parse(body)


def test_a_refusal_echoes_nothing_and_says_its_sentence() -> None:
    for body in (
        b'{"MARKER":1,"MARKER":1}',
        b'["MARKER"',
        b'"MARKER\xff"',
        b'["MARKER\\ud800"]',
        b"[MARKER]",
    ):
        with pytest.raises(NotStrictJson) as caught:
            parse(body)
        assert str(caught.value).startswith("The body is not strict JSON: ")
        assert "MARKER" not in str(caught.value)
        assert caught.value.__suppress_context__ or caught.value.__context__ is None


numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)


@settings(deadline=None)
@given(st.lists(values | numbers | st.dictionaries(texts, numbers)))
def test_the_short_way_reads_what_the_careful_way_reads(value: object) -> None:
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    quick = strict_json._as_notify_writes_it(body)  # noqa: SLF001 - held against its twin
    if quick is not None:
        careful = strict_json._with_care(body)  # noqa: SLF001
        assert repr(quick) == repr(careful)
