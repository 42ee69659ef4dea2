"""The contract's fold, written a second time in plain Python: what the SQL is held against.

It shares nothing with the product but the type of an event.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from eventstore.events import Event

MESSAGE = "created pending_enrichment enriched sending failed delivered".split()
CHANNEL = (
    "created assigning_batch stale_pds retry sending received notification_attempted notified unnotified "
    "temporary_failure technical_failure rejected permanent_failure skipped failed delivered read"
).split()
SUPPLIER = (
    "unknown created pending pending_virus_check accepted sending sent forwarded printed enclosed dispatched "
    "notification_attempted notified unnotified temporary_failure technical_failure validation_failed "
    "virus_scan_failed returned cancelled rejected permanent_failure failed received delivered read"
).split()
CHANNEL_FAILURES = {"failed", "permanent_failure", "technical_failure", "temporary_failure", "rejected"}

Rows = dict[Any, dict[str, Any]]


def fold(events: Iterable[Event]) -> tuple[Rows, Rows]:
    """Return the rows of message_status by message and of channel_status by (message, channel)."""
    unique = {(event.idempotency_key, event.digest): event for event in events}.values()
    messages: dict[str, list[Event]] = {}
    channels: dict[tuple[str, str], list[Event]] = {}
    for event in unique:
        messages.setdefault(event.message_id, []).append(event)
        if event.channel and (event.channel_status or event.supplier_status):
            channels.setdefault((event.message_id, event.channel), []).append(event)
    folded = {key: _channel(told) for key, told in channels.items()}
    return {message: _message(message, told, folded) for message, told in messages.items()}, folded


def _message(message: str, events: list[Event], channels: Rows) -> dict[str, Any]:
    latest = max(events, key=_overall)
    on_channel = [e for e in events if e.channel and (e.channel_status or e.supplier_status)]
    channel = max(on_channel, key=_overall).channel if on_channel else None
    shown = channels.get((message, channel), {})
    status = _greatest(events, "message_status", MESSAGE)
    return {
        "message_reference": latest.message_reference,
        "occurred_at": latest.effective_at,
        "message_status": status,
        "channel": channel,
        "channel_status": shown.get("channel_status"),
        "supplier_status": shown.get("supplier_status"),
        "delivered_at": _first(
            e.effective_at
            for e in events
            if e.message_status == "delivered" or e.channel_status in ("delivered", "read")
        ),
        "read_at": _first(e.effective_at for e in events if "read" in (e.channel_status, e.supplier_status)),
        "failed_at": _first(e.effective_at for e in events if e.message_status == "failed"),
    }


def _channel(events: list[Event]) -> dict[str, Any]:
    return {
        "occurred_at": max(events, key=_overall).effective_at,
        "channel_status": _greatest(events, "channel_status", CHANNEL),
        "supplier_status": _greatest(events, "supplier_status", SUPPLIER),
        "delivered_at": _first(e.effective_at for e in events if e.channel_status in ("delivered", "read")),
        "read_at": _first(e.effective_at for e in events if "read" in (e.channel_status, e.supplier_status)),
        "failed_at": _first(e.effective_at for e in events if e.channel_status in CHANNEL_FAILURES),
    }


def _rank(ranks: list[str], status: str | None) -> int:
    return ranks.index(status) + 1 if status in ranks else 0


def _overall(event: Event) -> tuple[datetime, int, int, int, bytes]:
    return (
        event.effective_at,
        _rank(MESSAGE, event.message_status),
        _rank(CHANNEL, event.channel_status),
        _rank(SUPPLIER, event.supplier_status),
        event.digest,
    )


def _greatest(events: list[Event], name: str, ranks: list[str]) -> str | None:
    stating = [e for e in events if getattr(e, name) is not None]
    if not stating:
        return None
    winner = max(stating, key=lambda e: (e.effective_at, _rank(ranks, getattr(e, name)), e.digest))
    value: str = getattr(winner, name)
    return value


def _first(times: Iterable[datetime]) -> datetime | None:
    return min(times, default=None)
