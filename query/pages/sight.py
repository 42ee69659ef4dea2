"""What every page is made from: what it sees of the ledger, and who may look."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from eventstore.database import Database
from eventstore.recipients import RecipientKeys
from query.evidence import Verifies
from query.pages.inspection import Inspection
from query.pages.visitor import Visitor

PREFIX = "/audit"
SEARCH = f"{PREFIX}/search"

SignedIn = Callable[..., Awaitable[Visitor]]
"""The dependency that gives a route its visitor, or shows the way to sign in."""


class Sight(NamedTuple):
    """What the pages see of the ledger."""

    database: Callable[[], Database]
    """Asked for at each request: it opens with the service."""
    recipients: RecipientKeys
    verifies: Verifies
    """Tells of a kept signature whether its secret still verifies it."""
    inspection: Inspection
    """Looks at what is shown as the auditor's verifier does."""
