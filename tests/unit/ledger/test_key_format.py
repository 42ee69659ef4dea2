"""The form of an issued key: its id can be read, its secret not guessed, and no other text has the form."""

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.key_format import (
    KEY_ID_BYTES,
    SECRET_BYTES,
    NameMalformed,
    compose,
    key_id_of,
    salted_hash,
    well_formed,
)

KEY_IDS, SECRETS = (st.binary(min_size=size, max_size=size) for size in (KEY_ID_BYTES, SECRET_BYTES))
KEY_ID, KEY = compose(bytes(range(8)), bytes(range(32)))


def test_a_key_is_recognised_by_its_prefix_and_names_its_id() -> None:
    assert (KEY_ID, KEY) == (
        "0001020304050607",
        "slk_0001020304050607_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
    )


@given(KEY_IDS, SECRETS)
def test_the_id_of_a_key_can_be_read_from_it(key_id: bytes, secret: bytes) -> None:
    name, key = compose(key_id, secret)
    assert key_id_of(key.encode()) == name == key_id.hex()
    assert re.fullmatch(r"[\w-]+", key, re.ASCII), "it needs no quotes in a shell, a header or a URL"


@given(SECRETS, SECRETS)
def test_two_secrets_are_two_keys(one: bytes, other: bytes) -> None:
    assert (compose(bytes(8), one) == compose(bytes(8), other)) == (one == other)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"slk_",
        b"marked-client-key",
        KEY.encode()[:-1],
        KEY.encode() + b"A",
        KEY.encode() + b"\n",
        b" " + KEY.encode(),
        KEY.encode().upper(),
        KEY.encode().replace(b"slk_", b"slx_"),
        KEY.encode().replace(b"0001", b"000g"),
        KEY.encode()[:-1] + b"\xff",
        KEY.encode()[:-1] + "é".encode(),
        KEY.encode() * 1000,
    ],
)
def test_other_text_has_no_key_id(text: bytes) -> None:
    assert key_id_of(text) is None


def test_what_is_kept_is_sha256_of_the_salt_and_the_whole_key() -> None:
    assert salted_hash(b"salt", KEY.encode()) == hashlib.sha256(b"salt" + KEY.encode()).digest()


@pytest.mark.parametrize("name", ["a", "7", "clinic", "nhs.uk", "clinic-2027_b", "x" * 64])
def test_a_name_has_small_letters_digits_dots_hyphens_and_underscores(name: str) -> None:
    assert well_formed(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "Clinic",
        "-clinic",
        ".clinic",
        "_",
        "cli nic",
        "clinic\n",
        "clínic",
        "٣",
        "a'b",
        "a\0b",
        "x" * 65,
    ],
)
def test_any_other_name_is_refused(name: str) -> None:
    with pytest.raises(NameMalformed) as refused:
        well_formed(name)
    assert str(refused.value).isascii()
