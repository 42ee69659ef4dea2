"""Who asks: a client or an auditor, as its API key makes it known to every read and write. Pure."""

from enum import StrEnum
from typing import NamedTuple


class Scope(StrEnum):
    """What an API key opens."""

    STATUSES_READ = "statuses:read"
    BATCHES_WRITE = "batches:write"
    AUDIT_READ = "audit:read"


class Caller(NamedTuple):
    """Whose API key a request bears, and what the key opens."""

    client_id: str
    scopes: frozenset[Scope]
    sees_all: bool = False
    """Whether it sees the status of every message, and not only of those that the client registered."""
    key_id: str | None = None
    """Names an issued key; None for a key of the environment."""

    @property
    def sees_only(self) -> str | None:
        """The client whose messages are all that it sees; None where it sees every client's."""
        return None if self.sees_all else self.client_id
