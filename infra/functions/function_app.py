"""Where the Functions host looks for the service's functions: all of them are in `ledger/functions.py`."""

from ledger.functions import app

__all__ = ["app"]
