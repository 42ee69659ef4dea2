"""Names the recipient of a message without telling who it is: a token of the NHS number. Pure.

A token is HMAC-SHA256(recipient key, the number's ten digits). A plain hash would tell the number: there are
so few that they can all be tried. Whoever lacks the key has nothing to try them with.
"""

import hmac
import re

from nhs_number.validate import is_valid

_TEN_DIGITS = re.compile(r"\d{10}", re.ASCII)


def ten_digits(text: str) -> str | None:
    """Return the digits of an NHS number written with or without spaces, None where it is no NHS number.

    The last digit must be the check digit of the others (modulus 11).
    """
    digits = text.replace(" ", "")
    if _TEN_DIGITS.fullmatch(digits) is None or not is_valid(digits):
        return None
    return digits


def recipient_key_id(key: str) -> str:
    """Return 16 hex digits that name a recipient key in the ledger without telling it."""
    return hmac.digest(key.encode(), b"status-ledger recipient key id", "sha256")[:8].hex()


class RecipientKeys:
    """The ring of recipient keys: the current one, under which tokens are made, then those it replaced.

    An empty ring is false: it makes no token and finds none.
    """

    def __init__(self, *ring: str) -> None:
        """Take the keys, the current one first."""
        self._keys = {recipient_key_id(key): key.encode() for key in ring}

    def __bool__(self) -> bool:
        return bool(self._keys)

    def __repr__(self) -> str:
        return f"RecipientKeys({', '.join(self._keys)})"

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the keys, the current one's first."""
        return tuple(self._keys)

    def token(self, key_id: str, digits: str) -> bytes:
        """Return the token of a number (`ten_digits`) under one key of the ring; `KeyError` without it."""
        return hmac.digest(self._keys[key_id], digits.encode(), "sha256")

    def tokens(self, digits: str) -> dict[str, bytes]:
        """Return the token of a number under every key of the ring, by its id, the current one first."""
        return {key_id: self.token(key_id, digits) for key_id in self._keys}
