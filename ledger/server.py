"""Runs the web application: checks first, so that an operator reads one line and no traceback."""

import asyncio
import gc
import signal
import sys
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import uvicorn

from eventstore.recipients import RecipientKeys
from ledger.app import StatusLedger, create_app
from ledger.database_url import database_url
from ledger.migration import head
from ledger.preflight import ensure_fit
from ledger.protocol import CallbackProtocol
from ledger.settings import Settings
from ledger.telemetry.exporters import ensure_exporters
from ledger.telemetry.workers import meeting_place

GRACE = 30
"""Seconds that requests under way have to finish when the service is told to stop."""

LISTEN_BACKLOG = 2048

HTTP_SERVER: dict[str, Any] = {
    "loop": "uvloop",
    "http": CallbackProtocol,
    "ws": "none",
    "lifespan": "on",
    "access_log": False,
    "log_config": None,
    "server_header": False,
    "proxy_headers": False,
    "backlog": LISTEN_BACKLOG,
    "timeout_graceful_shutdown": GRACE,
}
"""How uvicorn serves, for whoever measures it without our application too."""


def application() -> StatusLedger:
    """Return the application of a process that does nothing but serve it."""
    app = create_app()
    gc.collect()
    gc.freeze()  # what is loaded by now stays: no collection need look at it again
    return app


def serve(settings: Settings, host: str, port: int, workers: int, announce: Callable[[], None]) -> None:
    """Call `announce` and serve until told to stop; SIGTERM lets every request under way finish.

    Raises `UnfitDatabase`, `DatabaseUnavailable` or `ExporterMissing` before anything listens.
    """
    ensure_exporters(settings)
    # uvicorn raises the signal that stopped it once more, when it is done: left to the default, SIGTERM
    # would end the process there and then, and leave its own PostgreSQL running.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    # Held throughout: workers come and go, the database and the place where they meet stay.
    with meeting_place() if workers > 1 else nullcontext(), database_url(settings) as url:
        asyncio.run(
            ensure_fit(
                url,
                head=head(),
                deployed=settings.deployed,
                allow_unsafe=settings.allow_unsafe_database,
                recipients=RecipientKeys(*settings.recipient_keys),
                serves=True,
            )
        )
        announce()
        uvicorn.run(
            f"{__name__}:{application.__name__}",
            factory=True,
            host=host,
            port=port,
            workers=workers,
            **HTTP_SERVER,
        )
