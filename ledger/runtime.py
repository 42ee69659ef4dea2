"""The service's working parts, opened once and closed in order."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, ExitStack
from typing import Any

import psycopg
import structlog

from eventstore.appender import Appender, Observe
from eventstore.database import Database, DatabaseUnavailable, LedgerConnection, PoolUse, Url
from eventstore.errors import LedgerError
from eventstore.group_commit import Limits, Waiting
from eventstore.recipients import RecipientKeys
from eventstore.sealing import Sealing
from eventstore.tasks import end
from ingest.quarantine import Caps, Quarantine
from ingest.recorder import Recorder
from ingest.registrar import Registrar
from ingest.signature import KeptSecrets, SigningSecrets
from ledger.database_url import database_url
from ledger.migration import head
from ledger.preflight import ensure_fit
from ledger.seals import seals_of
from ledger.settings import Settings
from projections.listing import Listing
from projections.projection import kept_in_step

SUPPLIER = "notify"
"""The `client_id` of the supplier's entries."""

CLIENT = "client"
"""The client that bears `CLIENT_API_KEY`; it sees every client's messages."""

AUDITOR = "auditor"
"""Who bears `AUDITOR_API_KEY`."""

WRITERS = 2
"""Appends in flight at once: while one is committed, another may be on its way. Three were no faster."""

INTAKE_CONNECTIONS = WRITERS + 1
"""Connections of a process that are for callbacks alone: the appender's, and the quarantine's."""

TRY_EVERY = 1.0
"""Seconds between two attempts to open, where the database was away when the process began."""

log = structlog.get_logger()


class NotOpen(LedgerError):
    """The service is not open."""


def signing_secrets(settings: Settings) -> SigningSecrets:
    """Return the ring of secrets that may sign a callback today."""
    return SigningSecrets(
        settings.hmac_secret.get_secret_value(),
        *(previous.get_secret_value() for previous in settings.hmac_secret_previous),
    )


def kept_secrets(settings: Settings) -> KeptSecrets:
    """Return the secrets that can still tell whether a kept signature is genuine, the retired ones too."""
    ring = (settings.hmac_secret, *settings.hmac_secret_previous, *settings.hmac_secrets_archive)
    return KeptSecrets(*(secret.get_secret_value() for secret in ring))


class Ledger:
    """Database, appender, quarantine, recorder, registrar and sealer under one roof."""

    def __init__(
        self,
        settings: Settings,
        *,
        observe: Observe = lambda *_: None,
        connected: Callable[[LedgerConnection], None] = lambda _: None,
    ) -> None:
        """Take the settings, and who is told of batches and connections; nothing is opened before `open`."""
        self.settings = settings
        self._observe = observe
        self._connected = connected
        self._appender: Appender | None = None
        self._opening = asyncio.Lock()
        self._parts: AsyncExitStack | None = None
        self._trying: asyncio.Task[None] | None = None
        self._intake: Database | None = None
        self._database: Database | None = None
        self._recorder: Recorder | None = None
        self._registrar: Registrar | None = None
        self._sealing: Sealing | None = None

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

    @property
    def registrar(self) -> Registrar | None:
        """The open registrar, None where `RECIPIENT_KEY` is not set; raises `NotOpen`."""
        if self._parts is None:
            raise NotOpen
        return self._registrar

    @property
    def waiting(self) -> Waiting | None:
        """How much waits to be written; None where the service is not open."""
        return self._appender.waiting if self._appender is not None else None

    @property
    def pool(self) -> PoolUse | None:
        """How the connections are used, those for callbacks and all others; None where it is not open."""
        if self._intake is None or self._database is None:
            return None
        return PoolUse(*map(sum, zip(self._intake.use, self._database.use, strict=True)))

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

    async def open_soon(self) -> None:
        """Open, or go on trying behind while the database cannot be reached: callers are told 500 meanwhile.

        A process that comes up while the database is away, because another one died, must not take the
        service down with it.
        """
        try:
            await self.open()
        except (DatabaseUnavailable, psycopg.OperationalError) as error:
            log.warning("service.waits", reason=str(error))
            self._trying = asyncio.create_task(self._open_at_last())

    async def _open_at_last(self) -> None:
        told = ""
        while True:
            await asyncio.sleep(TRY_EVERY)
            try:
                await self.open()
            except (LedgerError, psycopg.Error) as error:
                if str(error) != told:
                    log.warning("service.waits", reason=str(error))
                told = str(error)
            else:
                return

    async def close(self) -> None:
        """Write what waits, then close everything; a second call does no harm."""
        if self._trying is not None:
            await end(self._trying)
            self._trying = None
        async with self._opening:
            if self._parts is None:
                return
            parts, self._parts = self._parts, None
            await parts.aclose()
            self._appender = self._intake = self._database = self._recorder = None
            self._registrar = self._sealing = None
        log.info("service.closed")

    async def seal(self) -> None:
        """Seal and list what is new, where nobody does so beside the service (`SEAL_EVERY` is 0).

        Raises `NotOpen`.
        """
        if self._sealing is None:
            self._sealing = Sealing(self.database, seals_of(self.settings))
        await self._sealing.attempt()
        await Listing(self.database).attempt()

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
            recipients=RecipientKeys(*settings.recipient_keys),
            serves=True,
        )
        for doubt in fitness.doubts:
            log.warning("database.doubted", doubt=doubt)
        for setting, effect in _effects_of_what_is_missing(settings):
            log.warning("setting.missing", setting=setting, effect=effect)
        # Apart, so that reads, however many and slow, never keep a callback waiting for a connection.
        reading = settings.database_connections - INTAKE_CONNECTIONS
        intake, database = (
            Database(url, role=fitness.role, connections=connections, connected=self._connected)
            for connections in (INTAKE_CONNECTIONS, reading)
        )
        for pool in (intake, database):
            await parts.enter_async_context(pool)
        limits = Limits(
            waiting_requests=settings.max_waiting_requests,
            waiting_bytes=settings.max_waiting_bytes,
            waiting_seconds=settings.max_waiting_seconds,
        )
        appender = Appender(intake, kept_in_step(), limits=limits, writers=WRITERS, observe=self._observe)
        quarantine = Quarantine(
            intake, Caps(settings.quarantine_max_requests, settings.quarantine_max_bytes), limits=limits
        )
        for queue in (appender, quarantine):
            queue.open()
            parts.push_async_callback(queue.close)
        if settings.recipient_key is not None:
            self._registrar = Registrar(
                url, fitness.role, settings.recipient_keys, max_body_bytes=settings.max_batch_body_bytes
            )
            parts.push_async_callback(self._registrar.close)
        await self._open_sealing(parts, url, fitness.role)
        if settings.seal_every:
            _run_beside(parts, Listing(database).run(settings.seal_every))
        self._appender = appender
        self._intake, self._database = intake, database
        self._recorder = Recorder(
            appender,
            quarantine,
            signing_secrets(settings),
            supplier=SUPPLIER,
            max_items=settings.max_items,
        )

    async def _open_sealing(self, parts: AsyncExitStack, url: Url, role: str | None) -> None:
        """Seal from now on, on a connection apart: sealing never waits for callbacks, nor they for it."""
        every = self.settings.seal_every
        if every:
            own = await parts.enter_async_context(Database(url, role=role, connections=1))
            _run_beside(parts, Sealing(own, seals_of(self.settings)).run(every))


def _run_beside(parts: AsyncExitStack, work: Coroutine[Any, Any, None]) -> None:
    """Have work go on until the parts are closed."""
    parts.push_async_callback(end, asyncio.create_task(work))


def _effects_of_what_is_missing(settings: Settings) -> Iterator[tuple[str, str]]:
    if settings.auditor_api_key is None:
        yield "AUDITOR_API_KEY", "the auditor's routes answer 401"
    if settings.recipient_key is None:
        yield "RECIPIENT_KEY", "registration answers 503, and nhsNumber finds nothing"
    if settings.sealing_key is None:
        yield "SEALING_KEY", "no checkpoint is signed: feed and proofs are empty"
    if settings.metrics_api_key is None and settings.deployed:
        yield "METRICS_API_KEY", "/metrics answers 401"
    if settings.session_secret is None:
        yield "SESSION_SECRET", "nobody can sign in to the auditors' pages"
