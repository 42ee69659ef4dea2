"""The form of an API key that the ledger issues, and what is kept of one. Pure.

    slk_<key id: 16 hex digits>_<secret: 256 random bits in 43 characters>

The prefix lets people and scanners tell what leaked; the id names the key in lists and logs without telling
it. What is kept is SHA-256 of a salt and the whole key. A slow hash is for secrets that people think up: 256
random bits are not guessed, however fast each guess may be.
"""

import base64
import hashlib
import re

from eventstore.errors import LedgerError

KEY_ID_BYTES, SECRET_BYTES, SALT_BYTES = 8, 32, 16

_KEY = re.compile(rb"slk_([0-9a-f]{16})_[0-9A-Za-z_-]{43}")

_KEY_ID = re.compile(r"[0-9a-f]{16}", re.ASCII)

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)


class NameMalformed(LedgerError):
    """The name of a key or a client has 1 to 64 small letters, digits, dots, hyphens and underscores."""


def compose(key_id: bytes, secret: bytes) -> tuple[str, str]:
    """Return the id and the text of a key made of `KEY_ID_BYTES` and `SECRET_BYTES` random bytes."""
    return key_id.hex(), f"slk_{key_id.hex()}_{base64.urlsafe_b64encode(secret).decode().rstrip('=')}"


def key_id_of(key: bytes) -> str | None:
    """Return the id that a key says it has; None where it does not have the form of an issued key."""
    match = _KEY.fullmatch(key)
    return match[1].decode() if match else None


def key_id_like(name: str) -> bool:
    """Return whether a name has the form of a key's id."""
    return _KEY_ID.fullmatch(name) is not None


def salted_hash(salt: bytes, key: bytes) -> bytes:
    """Return what is kept of a key: 32 bytes."""
    return hashlib.sha256(salt + key).digest()


def well_formed(name: str) -> str:
    """Return the name of a key or a client as it is; raises `NameMalformed`.

    It begins with a letter or a digit; migration 0006 holds the table to the same rule.
    """
    if _NAME.fullmatch(name) is None:
        raise NameMalformed(ascii(name[:80]))
    return name
