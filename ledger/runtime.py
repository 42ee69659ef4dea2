"""The service's working parts, opened once and closed in order."""

import asyncio
from contextlib import AsyncExitStack, ExitStack

import structlog

from eventstore.appender import Appender
from eventstore.database import Database
from eventstore.errors import LedgerError
from eventstore.group_commit import Limits
from ingest.quarantine import Caps, Quarantine
from ingest.recorder import Recorder
from ingest.signature import SigningSecrets
from ledger.database_url import database_url
from ledger.migration import head
from ledger.preflight import ensure_fit
from ledger.settings import Settings
from projections.projection import folds

SUPPLIER = "notify"
"""The `client_id` of the supplier's entries."""

CLIENT = "client"
"""The client that bears `CLIENT_API_KEY`; it sees every client's messages."""

AUDITOR = "auditor"
"""Who bears `AUDITOR_API_KEY`."""

WRITERS = 2
"""Appends in flight at once: while one is committed, the next is on its way. Three were no faster."""

log = structlog.get_logger()


class NotOpen(LedgerError):
    """The service is not open."""


def signing_secrets(settings: Settings) -> SigningSecrets:
    """Return the ring of secrets that may sign a callback today."""
    return SigningSecrets(
        settings.hmac_secret.get_secret_value(),
        *(previous.get_secret_value() for previous in settings.hmac_secret_previous),
    )


class Ledger:
    """Database, appender, quarantine and recorder under one roof."""

    def __init__(self, settings: Settings) -> None:
        """Take the settings; nothing is opened before `open`."""
        self.settings = settings
        self._opening = asyncio.Lock()
        self._parts: AsyncExitStack | None = None
        self._database: Database | None = None
        self._recorder: Recorder | None = None

    @property
    def database(self) -> Database:
        """The open database; raises `NotOpen`."""
        if self._database is None:
            raise NotOpen
        return self._database

    @property
    def recorder(self) -> Recorder:
        """The open recorder; raises `NotOpen`."""
        if self._recorder is None:
            raise NotOpen
        return self._recorder

    async def open(self) -> None:
        """Open everything, or nothing; a second call, even at the same time, does no harm.

        Raises `UnfitDatabase` where the database must not be trusted with callbacks.
        """
        async with self._opening:
            if self._parts is not None:
                return
            async with AsyncExitStack() as parts:
                await self._open(parts)
                self._parts = parts.pop_all()
        log.info("service.opened", environment=self.settings.environment)

    async def close(self) -> None:
        """Write what waits, then close everything; a second call does no harm."""
        async with self._opening:
            if self._parts is None:
                return
            parts, self._parts = self._parts, None
            await parts.aclose()
            self._database = self._recorder = None
        log.info("service.closed")

    async def _open(self, parts: AsyncExitStack) -> None:
        settings = self.settings
        blocking = ExitStack()
        url = await asyncio.to_thread(blocking.enter_context, database_url(settings))
        parts.push_async_callback(asyncio.to_thread, blocking.close)
        fitness = await ensure_fit(
            url,
            head=await asyncio.to_thread(head),
            deployed=settings.deployed,
            allow_unsafe=settings.allow_unsafe_database,
        )
        for doubt in fitness.doubts:
            log.warning("database.doubted", doubt=doubt)
        if settings.auditor_api_key is None:
            log.warning(
                "setting.missing", setting="AUDITOR_API_KEY", effect="the auditor's routes answer 401"
            )
        database = Database(url, role=fitness.role, connections=settings.database_connections)
        await parts.enter_async_context(database)
        limits = Limits(
            waiting_requests=settings.max_waiting_requests, waiting_bytes=settings.max_waiting_bytes
        )
        appender = Appender(database, folds(), limits=limits, writers=WRITERS)
        quarantine = Quarantine(
            database, Caps(settings.quarantine_max_requests, settings.quarantine_max_bytes), limits=limits
        )
        for queue in (appender, quarantine):
            queue.open()
            parts.push_async_callback(queue.close)
        self._database = database
        self._recorder = Recorder(
            appender,
            quarantine,
            signing_secrets(settings),
            supplier=SUPPLIER,
            max_items=settings.max_items,
        )
