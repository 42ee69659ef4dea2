"""API keys: a ring opens to each of its keys, and to nothing else."""

import pytest
from pydantic import SecretStr

from ledger.security import ApiKeys, ring

CURRENT = SecretStr("current-key")
PREVIOUS = (SecretStr("key-before"), SecretStr("key-before-that"))


@pytest.mark.parametrize("key", [b"current-key", b"key-before", b"key-before-that"])
def test_a_ring_knows_its_current_key_and_those_before(key: bytes) -> None:
    assert ring(CURRENT, PREVIOUS).knows(key)


@pytest.mark.parametrize(
    "candidate",
    [
        b"",
        b" ",
        b"current-ke",
        b"current-key ",
        b"current-key\0",
        b"CURRENT-KEY",
        b"current-key,key-before",
        b"\xff\xfe\x00",
        "clé-actuelle".encode(),
        "’".encode() * 1000,
    ],
)
def test_a_ring_knows_no_other(candidate: bytes) -> None:
    assert not ring(CURRENT, PREVIOUS).knows(candidate)


def test_a_key_beyond_ascii_is_known_by_its_utf8_bytes_alone() -> None:
    keys = ring(SecretStr("clé"), ())
    assert keys.knows("clé".encode())
    assert not keys.knows("clé".encode("latin-1"))
    assert not keys.knows(b"cle")


@pytest.mark.parametrize("candidate", [b"", b"None", b"key-before"])
def test_without_a_current_key_those_before_open_nothing(candidate: bytes) -> None:
    assert not ring(None, PREVIOUS).knows(candidate)


@pytest.mark.parametrize(
    "keys", [ApiKeys(), ApiKeys(None), ring(None, ())], ids=["no key", "None", "no ring"]
)
@pytest.mark.parametrize("candidate", [b"", b"None", b"key"])
def test_a_ring_without_a_key_opens_to_nothing(keys: ApiKeys, candidate: bytes) -> None:
    assert not keys.knows(candidate)


def test_a_ring_tells_no_key() -> None:
    keys = ring(CURRENT, PREVIOUS)
    assert "key" not in repr(vars(keys)) + repr(keys).partition(" object ")[2]
