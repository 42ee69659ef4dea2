"""What the pages ask of the auditor's verifier: whether what they show is what was sealed.

The verifier shares no code with what it verifies, so the pages know it by these types alone.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID


class Found(NamedTuple):
    """Something that is not as it was sealed, in the verifier's words."""

    what: str
    """A word for the kind, as docs/proof.md lists them."""
    where: str
    told: str


class Proof(NamedTuple):
    """What the proof of one entry comes to."""

    place: int | None = None
    """Its index, where the proof holds."""
    size: int = 0
    signed_at: datetime | None = None
    wrong: str | None = None
    """Why the proof does not hold; None also where there is none to check."""
    missing: str | None = None
    """Why there is none."""


class Anchored(NamedTuple):
    """How the log stands against the newest checkpoint outside the database."""

    size: int | None = None
    signed_at: datetime | None = None
    wrong: str | None = None
    """In which way the log is not what was anchored."""
    missing: str | None = None
    """Why they could not be compared."""


class Inspection(Protocol):
    """Looks at the ledger as the auditor's verifier does, at some entries of it."""

    async def entries(self, entry_ids: Collection[UUID]) -> Mapping[UUID, Sequence[Found]]:
        """Return what is wrong with entries and with what was derived from them, by entry."""

    async def proof(self, entry_id: UUID) -> Proof:
        """Make the proof of an entry and check it as an outsider would."""

    async def anchored(self) -> Anchored:
        """Hold the log against its newest anchor."""
