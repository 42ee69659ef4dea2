"""Lists the values that a callback is known to say, group by group with the source of each.

They decide what is accepted (contract §1), never what is extracted: a body that was accepted once
states the same events for ever, whatever these lists become.
"""

EVENT_TYPES = ("MessageStatus", "ChannelStatus")
"""Published by NHS Notify: the two kinds of callback item."""

CHANNELS = ("nhsapp", "email", "sms", "letter")
"""Published by NHS Notify."""

CASCADE_TYPES = ("primary", "secondary")
"""Published by NHS Notify."""

MESSAGE_STATUSES = ("created", "pending_enrichment", "enriched", "sending", "delivered", "failed")
"""Published by NHS Notify."""

_PUBLISHED_CHANNEL_STATUSES = ("created", "sending", "delivered", "failed", "skipped")
# Published by NHS Notify.
_SEEN_CHANNEL_STATUSES = ("assigning_batch", "retry", "stale_pds")
# Seen from the producer: Notify's sender says them, its specification does not.
_REQUESTED_CHANNEL_STATUSES = (
    "notification_attempted",
    "notified",
    "permanent_failure",
    "read",
    "received",
    "rejected",
    "technical_failure",
    "temporary_failure",
    "unnotified",
)
# The user's own list, which names these for the channel although Notify publishes them for the supplier.

CHANNEL_STATUSES = (*_PUBLISHED_CHANNEL_STATUSES, *_SEEN_CHANNEL_STATUSES, *_REQUESTED_CHANNEL_STATUSES)
"""Published by NHS Notify, then seen from the producer, then the user's own list."""

_PUBLISHED_SUPPLIER_STATUSES = (
    "delivered",
    "read",
    "notification_attempted",
    "unnotified",
    "rejected",
    "notified",
    "received",
    "permanent_failure",
    "temporary_failure",
    "technical_failure",
    "accepted",
    "cancelled",
    "pending_virus_check",
    "validation_failed",
    "unknown",
)
# Published by NHS Notify.
_DOCUMENTED_SUPPLIER_STATUSES = ("virus_scan_failed",)
# Documented by NHS Notify, outside the list that it publishes.
_SEEN_SUPPLIER_STATUSES = (
    "created",
    "dispatched",
    "enclosed",
    "failed",
    "forwarded",
    "pending",
    "printed",
    "returned",
    "sending",
    "sent",
)
# Seen from the producer: Notify's sender says them, its specification does not.

SUPPLIER_STATUSES = (
    *_PUBLISHED_SUPPLIER_STATUSES,
    *_DOCUMENTED_SUPPLIER_STATUSES,
    *_SEEN_SUPPLIER_STATUSES,
)
"""Published by NHS Notify, then documented by it, then seen from the producer."""
