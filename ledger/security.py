"""Who asks, by API key: keys are compared in constant time, and a route opens to callers with its scope."""

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Iterable
from typing import Annotated, Any

import structlog
from fastapi import HTTPException, Request, Security
from fastapi.security import APIKeyHeader
from pydantic import SecretStr

from eventstore.accesses import Access, identifier
from eventstore.caller import Caller, Scope
from ledger.issued_keys import IssuedKeys
from ledger.key_format import key_id_like
from ledger.peers import peer_of
from ledger.runtime import AUDITOR, CLIENT
from ledger.settings import Settings

log = structlog.get_logger()

INVALID_API_KEY = "Invalid API key"

_HEADER = APIKeyHeader(name="x-api-key", scheme_name="x-api-key", auto_error=False)
"""Tells the API's description where the key goes; the check itself reads the raw header."""


class ApiKeys:
    """The ring of keys that open one side of the service: the current one and those it replaced."""

    def __init__(self, *keys: SecretStr | None) -> None:
        """Take the keys; None stands for one that is not set. A ring without a key opens nothing."""
        self._digests = [_digest(key.get_secret_value().encode()) for key in keys if key is not None]

    def knows(self, candidate: bytes) -> bool:
        """Return whether `candidate` is one of the keys."""
        return self.knows_digest(_digest(candidate))

    def knows_digest(self, digest: bytes) -> bool:
        """Return whether this is the SHA-256 of one of the keys.

        Every key of the ring is compared, and digests of one length: how long it takes tells nothing.
        """
        known = False
        for key in self._digests:
            known |= hmac.compare_digest(key, digest)
        return known

    def named(self, name: str, names: Callable[[bytes], set[str]]) -> bool:
        """Return whether one of the keys has this name, given what makes the names of a key's SHA-256."""
        return any(name in names(digest) for digest in self._digests)


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()


def ring(current: SecretStr | None, previous: Iterable[SecretStr]) -> ApiKeys:
    """Return the ring of a key and those it replaced; without a current key the old ones open nothing."""
    return ApiKeys(current, *previous) if current is not None else ApiKeys()


class Callers:
    """Tells who bears a key: one of the environment's, or one that was issued."""

    def __init__(
        self,
        *known: tuple[ApiKeys, Caller],
        issued: IssuedKeys,
        log_access: Callable[[Access], Awaitable[None]],
    ) -> None:
        """Take the rings of the environment, each with its caller, the issued keys, and who logs a look."""
        self._known = known
        self._issued = issued
        self._log_access = log_access

    @classmethod
    def of(
        cls, settings: Settings, issued: IssuedKeys, log_access: Callable[[Access], Awaitable[None]]
    ) -> "Callers":
        """Return the callers of a service with these settings, and of the keys that were issued."""
        client = Caller(CLIENT, frozenset({Scope.STATUSES_READ, Scope.BATCHES_WRITE}), sees_all=True)
        auditor = Caller(AUDITOR, frozenset({Scope.AUDIT_READ}))
        return cls(
            (ring(settings.client_api_key, settings.client_api_key_previous), client),
            (ring(settings.auditor_api_key, settings.auditor_api_key_previous), auditor),
            issued=issued,
            log_access=log_access,
        )

    async def find(self, key: bytes, scope: Scope) -> Caller | None:
        """Return who bears `key`, if it opens `scope`; raises what reading the issued keys raises."""
        digest = _digest(key)
        callers = [caller for keys, caller in self._known if keys.knows_digest(digest)]
        if not callers:
            issued = await self._issued.caller_of(key)
            callers = [issued] if issued is not None else []
        for caller in callers:
            if scope in caller.scopes:
                return caller
        for caller in callers:
            log.warning("caller.refused", client_id=caller.client_id, key_id=caller.key_id, lacking=scope)
        return None

    async def named(self, name: str, scope: Scope, names: Callable[[bytes], set[str]]) -> Caller | None:
        """Return who bears the key of this name, if it opens `scope`; raises as `find` does.

        The name is an issued key's id, or one of those that `names` makes of the SHA-256 of a key of the
        environment.
        """
        for keys, caller in self._known:
            if scope in caller.scopes and keys.named(name, names):
                return caller
        issued = await self._issued.named(name) if key_id_like(name) else None
        return issued if issued is not None and scope in issued.scopes else None

    async def admit(self, headers: Iterable[tuple[bytes, bytes]], scope: Scope) -> Caller:
        """Return the caller, who bears exactly one key that opens `scope`; raises 401, and as `find` does.

        All others are answered alike: who lacks the scope is not told that the key is known. From there on
        the log lines of the request name the caller.
        """
        sent = [value for name, value in headers if name == b"x-api-key"]
        caller = await self.find(sent[0], scope) if len(sent) == 1 else None
        if caller is None:
            raise HTTPException(401, INVALID_API_KEY)
        structlog.contextvars.bind_contextvars(client_id=caller.client_id)
        if caller.key_id is not None:
            structlog.contextvars.bind_contextvars(key_id=caller.key_id)
        return caller

    def require(self, scope: Scope) -> Callable[..., Awaitable[Caller]]:
        """Return the dependency that gives a route its caller; see `admit`.

        Whoever comes to audit is in the log of who looked before the route runs; where that cannot be
        written, the answer is 500.
        """

        async def authorise(request: Request, _: Annotated[str | None, Security(_HEADER)]) -> Caller:
            caller = await self.admit(request.scope["headers"], scope)
            if scope is Scope.AUDIT_READ:
                await self._log_access(access_of(request, caller))
            return caller

        return authorise


ASKED = ("after", "as_of", "index", "known_at", "limit", "reference")
"""Parameters of a URL whose values the log of who looked keeps; of others it keeps the names alone."""


def access_of(request: Request, caller: Caller) -> Access:
    """Return the look that a request is about to take: the route by its pattern, ids apart from it."""
    path = request.scope["route"].path_format
    ids = [identifier(str(value)) for value in request.path_params.values()]
    detail: dict[str, Any] = {
        identifier(name): identifier(value) if name in ASKED else None
        for name, value in request.query_params.multi_items()
    }
    return Access(
        actor=caller.client_id,
        access=f"{request.method} {path}",
        subject=ids[0] if ids else None,
        detail=detail | ({"ids": ids} if len(ids) > 1 else {}),
        key_id=caller.key_id,
        peer=peer_of(request),
    )
