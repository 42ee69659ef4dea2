"""API keys: a ring opens to each of its keys, and to nothing else."""

import pytest
from pydantic import SecretStr

from ledger.app import create_app
from ledger.security import ApiKeys, ring
from ledger.settings import Settings
from tests.support.service import ENVIRONMENT

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


def test_the_description_of_the_api_tells_which_routes_need_a_key() -> None:
    settings = Settings.model_validate({name.lower(): value for name, value in ENVIRONMENT.items()})
    described = create_app(settings).openapi()
    needing = {
        path
        for path, operations in described["paths"].items()
        for operation in operations.values()
        if operation.get("security") == [{"x-api-key": []}]
    }
    assert needing == {
        "/api/message/batch",
        "/api/statuses",
        "/api/statuses/search",
        "/api/messages/{message_id}/timeline",
    }
