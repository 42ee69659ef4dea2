"""An application that nobody opens first: whatever comes opens it, and what fails is tried again.

Azure Functions starts an ASGI application with its first requests, once for each that comes at that moment,
gives it up where that fails, and stops it from another event loop than it started in. So nothing is left to
that: the application opens once, however many ask; where the database is not fit the service stays up,
healthy but not ready, and answers 500; and when that is mended it opens without a restart.
"""

import asyncio
import math
import time
from contextlib import AbstractAsyncContextManager
from typing import Any

import psycopg
import structlog
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from eventstore.errors import LedgerError

PAUSE = 1.0
"""Seconds between an attempt to open the ledger that failed and the next one."""

log = structlog.get_logger()


class OnDemand:
    """An ASGI application that is open when it is asked for something, if it can be."""

    def __init__(self, app: FastAPI) -> None:
        """Wrap an application; nothing is opened yet."""
        self._app = app
        self._lifespan: AbstractAsyncContextManager[Any] | None = None
        self._opening: asyncio.Task[None] | None = None
        self._failed_at = -math.inf

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, the application open if it can be; have nothing to start or stop."""
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            return
        await self.open()
        await self._app(scope, receive, send)

    async def open(self) -> None:
        """Open the application unless it is open, or tell why it does not open.

        All who ask meanwhile wait for the same attempt. After one that failed nobody waits for the next: a
        database that is away makes fast failures.
        """
        if self._lifespan is not None:
            return
        failed_before = self._failed_at > -math.inf
        if self._opening is None and time.monotonic() - self._failed_at >= PAUSE:
            self._opening = asyncio.create_task(self._open())
        if self._opening is not None and not failed_before:
            await asyncio.shield(self._opening)  # whose request ends early leaves it to the others

    async def close(self) -> None:
        """Close the application, if it is open."""
        if self._opening is not None:
            await self._opening
        if self._lifespan is not None:
            lifespan, self._lifespan = self._lifespan, None
            await lifespan.__aexit__(None, None, None)

    async def _open(self) -> None:
        lifespan = self._app.router.lifespan_context(self._app)
        try:
            await lifespan.__aenter__()
        except (LedgerError, psycopg.Error, OSError) as error:
            self._failed_at = time.monotonic()
            log.error("service.opening_failed", error=type(error).__name__, reason=str(error))  # noqa: TRY400
        else:
            self._lifespan = lifespan
        finally:
            self._opening = None
