"""Signed notes and checkpoints: as other tools write and read them, and nothing else is believed."""

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.notes import (
    Checkpoint,
    InvalidNote,
    SigningKey,
    VerifyingKey,
    parse_checkpoint,
    read_checkpoint,
)

# The example of the Go package golang.org/x/mod/sumdb/note, from which the format comes.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
SAID = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
SIGNED = (
    SAID
    + "\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1F"
    + "FYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)

ORIGIN = "ledger.test/status-ledger/0123456789abcdef"
KEY = SigningKey(b"k" * 32)
HEAD = Checkpoint(ORIGIN, 20852163, b"r" * 32, datetime(2026, 11, 23, 9, 15, 2, 123456, tzinfo=UTC))
NOTE = KEY.sign(ORIGIN, HEAD.text)


def peter() -> VerifyingKey:
    return VerifyingKey("PeterNeumann", base64.b64decode(PETER.rpartition("+")[2])[1:])


def test_a_note_of_another_implementation_is_verified() -> None:
    assert str(peter()) == PETER
    assert peter().verify(SIGNED) == SAID


def test_a_note_may_bear_other_signatures_too() -> None:
    others = "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp\n"
    assert peter().verify(SIGNED + others) == SAID


def test_a_checkpoint_is_written_as_the_format_says() -> None:
    text = f"{ORIGIN}\n20852163\n{base64.b64encode(b'r' * 32).decode()}\nsigned 2026-11-23T09:15:02.123456Z\n"
    assert HEAD.text == text
    body, _, signature = NOTE.partition("\n\n")
    assert f"{body}\n" == text
    assert signature.startswith(f"— {ORIGIN} ")
    assert signature.endswith("\n")
    assert signature.count("\n") == 1


def test_what_was_signed_is_read_back() -> None:
    assert read_checkpoint(NOTE, [KEY.verifying(ORIGIN)]) == HEAD


def test_a_ring_of_keys_reads_what_any_of_them_signed() -> None:
    other = SigningKey(b"o" * 32)
    ring = [other.verifying(ORIGIN), KEY.verifying(ORIGIN)]
    assert read_checkpoint(NOTE, ring) == HEAD
    with pytest.raises(InvalidNote, match="did not sign"):
        read_checkpoint(NOTE, ring[:1])
    with pytest.raises(InvalidNote):
        read_checkpoint(NOTE, [])


def test_a_checkpoint_of_another_origin_is_refused() -> None:
    elsewhere = "ledger.test/another"
    with pytest.raises(InvalidNote, match="its origin is"):
        read_checkpoint(KEY.sign(elsewhere, HEAD.text), [KEY.verifying(elsewhere)])
    with pytest.raises(InvalidNote, match="did not sign"):
        read_checkpoint(NOTE, [KEY.verifying(elsewhere)])


@given(st.integers(0, len(NOTE) - 1), st.characters(codec="utf-8"))
def test_a_note_with_any_character_changed_is_refused(place: int, character: str) -> None:
    changed = NOTE[:place] + character + NOTE[place + 1 :]
    try:
        read = read_checkpoint(changed, [KEY.verifying(ORIGIN)])
    except InvalidNote:
        return
    assert read == HEAD, "only what is not signed, such as the last line's end, may differ"


@pytest.mark.parametrize(
    "text",
    [
        "",
        HEAD.text[:-1],
        HEAD.text + "\n",
        HEAD.text + "further\n",
        HEAD.text.replace("20852163", "020852163"),
        HEAD.text.replace("20852163", "-1"),
        HEAD.text.replace("20852163", "٣"),
        HEAD.text.replace("signed ", ""),
        HEAD.text.replace("Z", "+01:00"),
        HEAD.text.replace("Z", ""),
        HEAD.text.replace("23T", "32T"),
        HEAD.text.replace("cnJy", "c", 1),
        HEAD.text.replace(base64.b64encode(b"r" * 32).decode(), base64.b64encode(b"r" * 31).decode()),
    ],
)
def test_a_text_that_is_not_as_we_write_it_is_refused(text: str) -> None:
    with pytest.raises(InvalidNote):
        parse_checkpoint(text)
