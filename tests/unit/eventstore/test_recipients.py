"""A recipient is named by a token that tells nothing of the NHS number to whoever lacks the key."""

import hashlib
import hmac
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.recipients import RecipientKeys, recipient_key_id, ten_digits
from ingest.signature import secret_id
from tests.support.client import nhs_numbers

NUMBER, ANOTHER = nhs_numbers(2)


@given(st.sampled_from(nhs_numbers(50)), st.lists(st.integers(0, 10), max_size=4))
def test_spaces_are_tolerated_wherever_they_stand(number: str, places: list[int]) -> None:
    spaced = number
    for place in places:
        spaced = f"{spaced[:place]} {spaced[place:]}"
    assert ten_digits(spaced) == number


@given(st.sampled_from(nhs_numbers(50)), st.integers(0, 9), st.sampled_from(string.digits))
def test_one_wrong_digit_is_never_an_nhs_number(number: str, place: int, digit: str) -> None:
    wrong = f"{number[:place]}{digit}{number[place + 1 :]}"
    assert ten_digits(wrong) == (number if wrong == number else None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        NUMBER[:9],
        f"{NUMBER}0",
        f"0{NUMBER}",
        f"{NUMBER[:3]}-{NUMBER[3:6]}-{NUMBER[6:]}",
        f"{NUMBER[:5]}\t{NUMBER[5:]}",
        f"{NUMBER}\n",
        f"{NUMBER}\0",
        f"+{NUMBER}",
        f"{NUMBER[:-1]}x",
        f"\N{FULLWIDTH DIGIT NINE}{NUMBER[1:]}",
        f"\N{NO-BREAK SPACE}{NUMBER}",
        "\ud800",
        "9990000010",
    ],
)
def test_anything_else_is_none(text: str) -> None:
    assert ten_digits(text) is None


@given(st.text(st.characters()))
def test_arbitrary_text_is_ten_digits_or_none(text: str) -> None:
    digits = ten_digits(text)
    assert digits is None or (len(digits) == 10 and digits.isascii() and digits.isdecimal())


def test_a_token_is_the_hmac_of_the_ten_digits_under_the_key() -> None:
    keys = RecipientKeys("ključ", "the one before")
    expected = hmac.new("ključ".encode(), NUMBER.encode(), hashlib.sha256).digest()
    assert keys.token(keys.ids[0], NUMBER) == expected
    assert keys.tokens(NUMBER) == {
        recipient_key_id("ključ"): expected,
        recipient_key_id("the one before"): hmac.new(
            b"the one before", NUMBER.encode(), hashlib.sha256
        ).digest(),
    }
    assert keys.tokens(ANOTHER) != keys.tokens(NUMBER)


def test_the_current_key_comes_first_and_one_given_twice_counts_once() -> None:
    assert RecipientKeys("b", "a", "b").ids == (recipient_key_id("b"), recipient_key_id("a"))


def test_the_id_of_a_key_is_16_hex_digits_and_not_that_of_a_signing_secret() -> None:
    assert len(recipient_key_id("key")) == 16
    assert set(recipient_key_id("key")) <= set(string.hexdigits.lower())
    assert recipient_key_id("key") not in (recipient_key_id("another"), secret_id("key"))


def test_an_empty_ring_is_false_and_makes_no_token() -> None:
    assert not RecipientKeys()
    assert RecipientKeys("key")
    assert RecipientKeys().tokens(NUMBER) == {}
    with pytest.raises(KeyError):
        RecipientKeys("key").token("another", NUMBER)


def test_a_ring_shows_no_key() -> None:
    assert repr(RecipientKeys("sesame")) == f"RecipientKeys({recipient_key_id('sesame')})"
