"""The ranks of the statuses: where two facts bear the same time, the later stage of the life wins.

Ranks only break ties in time. PostgreSQL ranks with the functions of migration 0002, so that every
process ranks alike during a rolling deployment; this is the same table for those who read Python, and
a test holds the two together. Pure.
"""

RANKS_VERSION = 1
"""Version of the table; a change of it is a migration and a rebuild of the read model."""

MESSAGE = ("created", "pending_enrichment", "enriched", "sending", "failed", "delivered")

CHANNEL = (
    "created",
    "assigning_batch",
    "stale_pds",
    "retry",
    "sending",
    "received",
    "notification_attempted",
    "notified",
    "unnotified",
    "temporary_failure",
    "technical_failure",
    "rejected",
    "permanent_failure",
    "skipped",
    "failed",
    "delivered",
    "read",
)

SUPPLIER = (
    "unknown",
    "created",
    "pending",
    "pending_virus_check",
    "accepted",
    "sending",
    "sent",
    "forwarded",
    "printed",
    "enclosed",
    "dispatched",
    "notification_attempted",
    "notified",
    "unnotified",
    "temporary_failure",
    "technical_failure",
    "validation_failed",
    "virus_scan_failed",
    "returned",
    "cancelled",
    "rejected",
    "permanent_failure",
    "failed",
    "received",
    "delivered",
    "read",
)


def rank(lifecycle: tuple[str, ...], status: str | None) -> int:
    """Return the place of `status` in `lifecycle`, from 1; 0 where it is absent or not in the table."""
    return lifecycle.index(status) + 1 if status in lifecycle else 0


def lifecycle_rank(message: str | None, channel: str | None, supplier: str | None) -> int:
    """Return the rank of a whole event: the message's, then the channel's, then the supplier's."""
    return rank(MESSAGE, message) * 10_000 + rank(CHANNEL, channel) * 100 + rank(SUPPLIER, supplier)
