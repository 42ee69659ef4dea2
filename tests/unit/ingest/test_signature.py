"""Signatures: who made them is told, and nothing else is."""

import hashlib
import hmac
from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.signature import KeptSecrets, SigningSecrets, decode_signature, secret_id

CURRENT, PREVIOUS, OLDEST = "application-2.key-2", "application-1.key-1", "application-0.cl\u00e9"
RING = SigningSecrets(CURRENT, PREVIOUS, OLDEST)
BODY = '{"data":[{"attributes":{"channelStatusDescription":"the person\u2019s device"}}]}'.encode()

secrets = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


def signed_with(secret: str, body: bytes = BODY) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def test_a_signature_is_hmac_sha256_of_the_raw_bytes_in_lower_case_hex() -> None:
    assert SigningSecrets("key").sign(b"The quick brown fox jumps over the lazy dog") == (
        "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"
    )
    assert RING.sign(BODY) == signed_with(CURRENT)


@settings(deadline=None)
@given(secrets, st.lists(secrets, max_size=3), st.binary())
def test_whoever_signs_is_verified_by_the_current_secret(
    current: str, previous: list[str], body: bytes
) -> None:
    ring = SigningSecrets(current, *previous)
    assert ring.verify(body, ring.sign(body)) == secret_id(current)


@pytest.mark.parametrize("secret", [CURRENT, PREVIOUS, OLDEST])
@pytest.mark.parametrize("as_bytes", [True, False])
@pytest.mark.parametrize("upper", [True, False])
def test_every_secret_of_the_ring_verifies_and_is_named(secret: str, as_bytes: bool, upper: bool) -> None:
    header = signed_with(secret)
    header = header.upper() if upper else header
    assert RING.verify(BODY, header.encode() if as_bytes else header) == secret_id(secret)


def test_a_secret_outside_the_ring_verifies_nothing() -> None:
    assert RING.verify(BODY, signed_with("application-3.key-3")) is None


@settings(deadline=None)
@given(st.integers(0, len(BODY) - 1), st.integers(1, 255))
def test_a_body_changed_by_one_byte_is_refused(position: int, change: int) -> None:
    tampered = bytearray(BODY)
    tampered[position] ^= change
    assert RING.verify(bytes(tampered), signed_with(CURRENT)) is None


@settings(deadline=None)
@given(st.integers(0, 255))
def test_a_signature_changed_by_one_bit_is_refused(bit: int) -> None:
    tampered = int(signed_with(CURRENT), 16) ^ (1 << bit)
    assert RING.verify(BODY, f"{tampered:064x}") is None


def test_the_same_json_in_other_bytes_is_refused() -> None:
    assert RING.verify(BODY.replace(b":", b": "), signed_with(CURRENT)) is None
    assert RING.verify(BODY.decode().encode("unicode_escape"), signed_with(CURRENT)) is None


VALID = signed_with(CURRENT)
MALFORMED = [
    "",
    VALID[:-1],
    VALID + "0",
    VALID[:-1] + "g",
    f"sha256={VALID}",
    f"0x{VALID[2:]}",
    f" {VALID}",
    f"{VALID} ",
    f"{VALID}\n",
    f"{VALID[:32]} {VALID[32:]}",
    " ".join(f"{VALID[i : i + 2]}" for i in range(0, 64, 2)),
    f"{VALID},{VALID}",
    f'"{VALID}"',
    VALID[:-1] + "\uff11",
    VALID[:-1] + "\u0661",
    "\u2019" * 64,
    "\ud800" * 64,
    "\x00" * 64,
    "f" * 1_000_000,
]


@pytest.mark.parametrize("header", MALFORMED, ids=lambda header: ascii(header[:20]))
def test_a_malformed_header_is_no_signature(header: str) -> None:
    assert decode_signature(header) is None
    assert decode_signature(header.encode(errors="surrogatepass")) is None
    assert RING.verify(BODY, header) is None


def test_no_header_is_no_signature() -> None:
    assert decode_signature(None) is None
    assert RING.verify(BODY, None) is None


@settings(deadline=None)
@given(st.binary(max_size=80) | st.text(max_size=80))
def test_an_arbitrary_header_crashes_nothing(header: bytes | str) -> None:
    assert decode_signature(header) is None
    assert RING.verify(BODY, header) is None


@settings(deadline=None)
@given(st.binary(min_size=32, max_size=32))
def test_64_hex_digits_are_32_bytes_in_either_case(signature: bytes) -> None:
    assert decode_signature(signature.hex()) == signature
    assert decode_signature(signature.hex().upper().encode()) == signature


def test_a_secret_is_named_without_being_told() -> None:
    expected = hmac.new(CURRENT.encode(), b"status-ledger secret id", hashlib.sha256).hexdigest()[:16]
    assert secret_id(CURRENT) == expected
    assert secret_id(CURRENT) != secret_id(PREVIOUS)


def test_a_ring_shows_ids_and_no_secret() -> None:
    for shown in (repr(RING), str(RING), f"{RING}", repr([RING]), repr(RING.verify)):
        assert secret_id(CURRENT) in shown
        for secret in (CURRENT, PREVIOUS, OLDEST):
            assert secret not in shown


def test_a_ring_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        RING._keys = ()  # type: ignore[misc]  # noqa: SLF001 - that is what is tried


@pytest.mark.parametrize("ring", [("",), (CURRENT, ""), ("unspeakable\ud800",)])
def test_a_secret_that_cannot_sign_is_refused_untold(ring: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="a signing secret is") as caught:
        SigningSecrets(*ring)
    assert "unspeakable" not in str(caught.value)


# Secrets that are kept to verify what the ledger holds


@given(st.binary(), st.text(min_size=1), st.text(min_size=1))
def test_a_kept_secret_tells_its_own_signature_from_any_other(body: bytes, secret: str, other: str) -> None:
    kept = KeptSecrets(secret, "another")
    signature = bytes.fromhex(SigningSecrets(secret).sign(body))
    assert kept.verifies(secret_id(secret), body, signature) is True
    assert kept.verifies(secret_id(secret), body + b" ", signature) is False
    assert kept.verifies(secret_id("another"), body, signature) is (secret == "another")
    assert KeptSecrets(other).verifies(secret_id(secret), body, signature) is (
        True if other == secret else None
    )


def test_kept_secrets_show_ids_and_no_secret() -> None:
    assert repr(KeptSecrets("marked", "")) == f"KeptSecrets({secret_id('marked')})"
