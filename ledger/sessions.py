"""Sessions of auditors: a signed cookie that names a key, and is worth as much as that key is now.

It holds no key, and needs no table: whatever process is asked looks whether the named key still opens the
audit, so a key that is revoked or rotated out ends its sessions within seconds, everywhere.
"""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, TypedDict

from itsdangerous import BadSignature, URLSafeSerializer
from pydantic import BaseModel, ConfigDict, ValidationError

from eventstore.caller import Caller, Scope
from ledger.security import Callers
from query.pages.visitor import Visitor

IDLE = 30 * 60
"""Seconds without a request after which a session ends."""

LONGEST = 8 * 3600
"""Seconds after which a session ends in any case."""

RENEWED_AFTER = 60
"""Seconds after which a request makes the cookie anew; not each does."""


class _Kept(BaseModel):
    """What the cookie holds."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    key: str
    """Names the key of an auditor: the id of an issued one, or a hash of one of the environment's."""
    nonce: str
    began: int
    seen: int


class CookieRules(TypedDict):
    """How a cookie is set, whatever it holds."""

    path: str
    secure: bool
    httponly: bool
    samesite: Literal["strict"]


class Session(NamedTuple):
    """Whose session it is, and the cookie to set, where it must be renewed."""

    visitor: Visitor
    renewed: str | None


class Sessions:
    """Begins sessions and knows them again."""

    def __init__(
        self, ring: Sequence[str], callers: Callers, *, secure: bool, clock: Callable[[], float] = time.time
    ) -> None:
        """Take the secrets, the current one first, and whether browsers must use HTTPS; a clock in seconds.

        Without a secret no session can begin.
        """
        self._callers = callers
        self._secure = secure
        self._clock = clock
        self._signing = [hmac.digest(one.encode(), b"status-ledger session", "sha256") for one in ring]
        self._signer = URLSafeSerializer(
            list(reversed(self._signing)) or b"",  # the last one signs
            salt="status-ledger session",
            signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"},
        )

    def __bool__(self) -> bool:
        return bool(self._signing)

    @property
    def cookie(self) -> str:
        """The cookie's name; with `__Host-` browsers hold it to HTTPS, to this host and to no subdomain."""
        return "__Host-audit" if self._secure else "audit"

    @property
    def cookie_rules(self) -> CookieRules:
        """How the cookie is set; it ends with the browser's session at the latest."""
        return {"path": "/", "secure": self._secure, "httponly": True, "samesite": "strict"}

    def begin(self, key: bytes, caller: Caller) -> str:
        """Return the cookie of a new session with a key of `caller`."""
        now = int(self._clock())
        named = caller.key_id or self._name(key, self._signing[0])
        return self._signed(_Kept(key=named, nonce=secrets.token_urlsafe(16), began=now, seen=now))

    async def find(self, cookie: str | None) -> Session | None:
        """Return whose session a cookie is; None where there is none, or no longer.

        Raises what reading the issued keys raises.
        """
        if not self or not cookie:
            return None
        try:
            kept = _Kept.model_validate(self._signer.loads(cookie))
        except (BadSignature, ValidationError):
            return None
        now = int(self._clock())
        if now - kept.seen > IDLE or now - kept.began > LONGEST:
            return None
        caller = await self._callers.named(kept.key, Scope.AUDIT_READ, self._names)
        if caller is None:
            return None
        renew = now - kept.seen > RENEWED_AFTER
        renewed = self._signed(kept.model_copy(update={"seen": now})) if renew else None
        return Session(Visitor(caller, self._form_token(kept)), renewed)

    def _signed(self, kept: _Kept) -> str:
        text = self._signer.dumps(kept.model_dump())
        return text if isinstance(text, str) else text.decode()

    @staticmethod
    def _form_token(kept: _Kept) -> str:
        """Return what the forms of a session carry: as secret as its cookie, and another for each.

        Whatever the secrets: while they are rotated, the process that made a form and the one that it is sent
        to may have different ones.
        """
        return hashlib.sha256(b"status-ledger form token\n" + kept.nonce.encode()).hexdigest()

    def _names(self, digest: bytes) -> set[str]:
        """Return all the names that sessions may have for a key of the environment, given its SHA-256."""
        return {self._named(digest, secret) for secret in self._signing}

    def _name(self, key: bytes, secret: bytes) -> str:
        return self._named(hashlib.sha256(key).digest(), secret)

    def _named(self, digest: bytes, secret: bytes) -> str:
        return "environment." + hmac.digest(secret, digest, "sha256")[:16].hex()
