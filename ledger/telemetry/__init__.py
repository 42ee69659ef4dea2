"""What the service tells of itself: logs, metrics and traces. `telemetry.py` owns the last two."""

from ledger.telemetry.logs import configure_logging

__all__ = ["configure_logging"]
