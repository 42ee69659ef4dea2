"""API keys: compared in constant time, and known in logs by an id that tells nothing of them."""

import hashlib
import hmac
from collections.abc import Callable, Iterable
from typing import Annotated

from fastapi import HTTPException, Request, Security
from fastapi.security import APIKeyHeader
from pydantic import SecretStr

INVALID_API_KEY = "Invalid API key"

_HEADER = APIKeyHeader(name="x-api-key", scheme_name="x-api-key", auto_error=False)
"""Tells the API's description where the key goes; the check itself reads the raw header."""


class ApiKeys:
    """The ring of keys that open one side of the service: the current one and those it replaced."""

    def __init__(self, *keys: SecretStr | None) -> None:
        """Take the keys; None stands for one that is not set. A ring without a key opens nothing."""
        self._digests = [_digest(key.get_secret_value().encode()) for key in keys if key is not None]

    def knows(self, candidate: bytes) -> bool:
        """Return whether `candidate` is one of the keys.

        Every key of the ring is compared, and digests of one length: how long it takes tells nothing.
        """
        digest = _digest(candidate)
        known = False
        for key in self._digests:
            known |= hmac.compare_digest(key, digest)
        return known


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()


def ring(current: SecretStr | None, previous: Iterable[SecretStr]) -> ApiKeys:
    """Return the ring of a key and those it replaced; without a current key the old ones open nothing."""
    return ApiKeys(current, *previous) if current is not None else ApiKeys()


def require(keys: ApiKeys) -> Callable[..., None]:
    """Return the dependency that answers 401 unless a request bears exactly one key of the ring."""

    def authorise(request: Request, _: Annotated[str | None, Security(_HEADER)]) -> None:
        sent = [value for name, value in request.scope["headers"] if name == b"x-api-key"]
        if len(sent) != 1 or not keys.knows(sent[0]):
            raise HTTPException(401, INVALID_API_KEY)

    return authorise
