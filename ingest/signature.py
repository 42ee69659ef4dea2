"""Proves that a callback's bytes are its sender's: HMAC-SHA256 of the raw body, in lower-case hex.

The signature covers bytes, never re-serialised JSON; Notify's key is `APPLICATION_ID.API_KEY`.
"""

import hmac
from binascii import unhexlify
from dataclasses import dataclass


def secret_id(secret: str) -> str:
    """Return 16 hex digits that name a secret in the ledger without telling it."""
    return hmac.digest(secret.encode(), b"status-ledger secret id", "sha256")[:8].hex()


def decode_signature(header: bytes | str | None) -> bytes | None:
    """Return the 32 bytes that a signature header states, or None unless it is 64 hex digits alone.

    Either case; no prefix and no white space, which `bytes.fromhex` would let pass.
    """
    if header is None or len(header) != 64:
        return None
    try:
        return unhexlify(header)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True, repr=False, eq=False, init=False)
class SigningSecrets:
    """The ring of secrets that may sign a callback: the current one, then those it replaced."""

    _keys: tuple[tuple[str, hmac.HMAC], ...]
    """Each secret's id, and its HMAC before the first byte: to copy it costs less than to begin another."""

    def __init__(self, current: str, *previous: str) -> None:
        """Raise `ValueError`, which tells nothing of a secret, where one is empty or no Unicode text."""
        ring = (current, *previous)
        if not all(ring):
            raise ValueError("a signing secret is empty")
        try:
            keys = tuple(
                (secret_id(secret), hmac.new(secret.encode(), digestmod="sha256")) for secret in ring
            )
        except UnicodeEncodeError:
            raise ValueError("a signing secret is not Unicode text") from None
        object.__setattr__(self, "_keys", keys)

    def __repr__(self) -> str:
        return f"SigningSecrets({', '.join(key_id for key_id, _ in self._keys)})"

    def sign(self, body: bytes) -> str:
        """Return the signature of `body` by the current secret, as the header carries it."""
        return _digest(self._keys[0][1], body).hex()

    def verify(self, body: bytes, header: bytes | str | None) -> str | None:
        """Return the id of the secret that made the signature in `header`, or None if none did."""
        signature = decode_signature(header)
        if signature is None:
            return None
        verified_by = None
        for key_id, key in self._keys:  # all of them: how long it takes must not tell which one it was
            if hmac.compare_digest(_digest(key, body), signature):
                verified_by = key_id
        return verified_by


def _digest(key: hmac.HMAC, body: bytes) -> bytes:
    mac = key.copy()
    mac.update(body)
    return mac.digest()


class KeptSecrets:
    """Every secret that ever verified an entry and is still at hand, the retired ones too, by their ids.

    They tell of a signature that the ledger holds whether it is its secret's. None of them proves a callback.
    """

    def __init__(self, *secrets: str) -> None:
        """Take the secrets; an empty one is none."""
        self._keys = {secret_id(secret): secret.encode() for secret in secrets if secret}

    def __repr__(self) -> str:
        return f"KeptSecrets({', '.join(self._keys)})"

    def verifies(self, key_id: str, body: bytes, signature: bytes) -> bool | None:
        """Return whether the secret of that id made the signature of `body`; None where it is not at hand."""
        key = self._keys.get(key_id)
        if key is None:
            return None
        return hmac.compare_digest(hmac.digest(key, body, "sha256"), signature)
