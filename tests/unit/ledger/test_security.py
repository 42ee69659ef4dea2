"""API keys: a ring opens to each of its keys, and to nothing else; a caller's key opens its scopes alone."""

from collections.abc import Mapping

import pytest
from pydantic import SecretStr

from eventstore.caller import Caller, Scope
from ledger.app import create_app
from ledger.issued_keys import IssuedKeys, Kept
from ledger.key_format import compose, key_id_of, salted_hash
from ledger.security import ApiKeys, Callers, ring
from ledger.settings import Settings
from tests.support.service import ENVIRONMENT
from tests.support.supplier import AUDITOR_API_KEY, CLIENT_API_KEY, NOTIFY_API_KEY

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
        "/api/messages",
        "/api/messages/{message_id}/timeline",
        "/api/entries/{entry_id}",
    }


# Callers


def callers(settings: Settings, *keys: tuple[str, Caller]) -> Callers:
    """Return the callers of a service that issued these keys."""
    kept = {
        str(key_id_of(key.encode())): Kept(b"salt", salted_hash(b"salt", key.encode()), caller)
        for key, caller in keys
    }

    async def read() -> Mapping[str, Kept]:
        return kept

    return Callers.of(settings, IssuedKeys(read))


def settings_with(**changes: object) -> Settings:
    environment = {name.lower(): value for name, value in ENVIRONMENT.items()}
    return Settings.model_validate(environment | changes)


async def test_the_keys_of_the_environment_are_a_client_that_sees_all_and_an_auditor() -> None:
    known = callers(settings_with(client_api_key_previous="before", auditor_api_key_previous="long-ago"))
    for key in (CLIENT_API_KEY, "before"):
        for scope in (Scope.STATUSES_READ, Scope.BATCHES_WRITE):
            client = await known.find(key.encode(), scope)
            assert client is not None
            assert (client.client_id, client.sees_only) == ("client", None)
        assert await known.find(key.encode(), Scope.AUDIT_READ) is None
    for key in (AUDITOR_API_KEY, "long-ago"):
        auditor = await known.find(key.encode(), Scope.AUDIT_READ)
        assert auditor is not None
        assert auditor == Caller("auditor", frozenset({Scope.AUDIT_READ}))
        assert await known.find(key.encode(), Scope.STATUSES_READ) is None
    for scope in Scope:
        assert await known.find(NOTIFY_API_KEY.encode(), scope) is None


async def test_one_key_for_clients_and_auditors_opens_to_both() -> None:
    known = callers(settings_with(auditor_api_key=CLIENT_API_KEY))
    found = [await known.find(CLIENT_API_KEY.encode(), scope) for scope in Scope]
    assert [caller and caller.client_id for caller in found] == ["client", "client", "auditor"]


async def test_an_issued_key_is_its_client_and_opens_its_scopes_alone() -> None:
    key_id, key = compose(bytes(8), bytes(32))
    clinic = Caller("clinic", frozenset({Scope.STATUSES_READ}), key_id=key_id)
    known = callers(settings_with(), (key, clinic))
    assert await known.find(key.encode(), Scope.STATUSES_READ) == clinic
    assert clinic.sees_only == "clinic"
    for scope in (Scope.BATCHES_WRITE, Scope.AUDIT_READ):
        assert await known.find(key.encode(), scope) is None
