"""Seals the ledger again and again beside the service, or once, and settles it after a restore."""

import asyncio
import math
import time
from datetime import timedelta
from typing import NamedTuple

import psycopg
import structlog

from eventstore import checkpoints, sealer
from eventstore.anchors import AnchorConflict
from eventstore.checkpoints import Seals
from eventstore.database import Database, LedgerConnection
from eventstore.durable import committed
from eventstore.errors import LedgerError
from eventstore.sealer_state import change, hold, read_state
from eventstore.tiles import LogInconsistent

SWEEP_EVERY = timedelta(days=1)
"""Between two sweeps of the whole ledger for entries that were missed."""

ALARM_EVERY = 60.0
"""Seconds after which an alarm is raised again, and its cause looked for anew."""

log = structlog.get_logger()


class Rebased(NamedTuple):
    """What a rebase decided."""

    incarnation: str
    renewed: str | None
    """Why a new incarnation had to begin; None where the log goes on."""
    entries: int
    """Entries that were sealed."""


class Sealing:
    """Seals one database; several at once, in one process or many, do no harm.

    Without `seals` entries get their index, and no checkpoint is signed: nothing becomes public.
    """

    def __init__(self, database: Database, seals: Seals | None) -> None:
        """Take the database, on connections of the sealer's own, and by what to sign."""
        self._database = database
        self._seals = seals
        self._checked = False
        self._told = ""
        self._alarmed_at = -math.inf

    async def once(self, *, now: bool = False) -> int:
        """Seal, sign if a checkpoint is due (with `now` always) and publish; return how many were sealed.

        Raises `LogInconsistent` where nothing may be sealed, and what the database or the anchors raise.
        """
        async with self._database.connection() as connection:
            state = await read_state(connection)
        elsewhere = state.elsewhere
        if self._seals is not None and (elsewhere or not self._checked):
            await checkpoints.check(self._database, self._seals)
            self._checked = True
        if elsewhere:
            log.warning("ledger.moved")  # to another server: transaction ids may mean nothing here
        sealed = await self._seal(everything=elsewhere)
        if sealer.sweep_is_due(state, every=SWEEP_EVERY):
            missed = await sealer.sweep(self._database, every=SWEEP_EVERY)
            sealed += await self._seal() if missed else 0
        if self._seals is not None:
            signed = await checkpoints.sign(self._database, self._seals, now=now)
            if signed is not None:
                log.info("checkpoint.signed", size=signed.size, root=signed.root.hex())
            await checkpoints.publish(self._database, self._seals)
        return sealed

    async def run(self, every: float) -> None:
        """Seal every so many seconds until cancelled."""
        while True:
            await self.attempt()
            await asyncio.sleep(every)

    async def attempt(self) -> None:
        """Seal once; what fails is told, and tried again by the next attempt, after an alarm in a while."""
        if time.monotonic() - self._alarmed_at < ALARM_EVERY:
            return
        try:
            await self.once()
            self._told = ""
        except (LedgerError, psycopg.Error, OSError) as error:
            self._checked = False
            alarm = isinstance(error, LogInconsistent | AnchorConflict)
            if alarm or str(error) != self._told:  # an alarm again and again, a lost database once
                tell = log.error if alarm else log.warning
                tell("sealing.stopped", error=type(error).__name__, reason=str(error))
            self._told = str(error)
            if alarm:
                self._alarmed_at = time.monotonic()

    async def rebase(self) -> Rebased:
        """Go on with the log where it is consistent with the last anchor, or else begin another one.

        For a database that was restored, moved or copied. What is sealed stays; entries without a leaf are
        found among all. The new log has another name, so it contradicts nothing that was signed before.
        """
        async with self._database.connection() as connection:
            never_sealed = (await read_state(connection)).incarnation is None
        renewed = "nothing of it was sealed before" if never_sealed else None
        if self._seals is not None:
            try:
                await checkpoints.check(self._database, self._seals)
            except LogInconsistent as error:
                renewed = error.detail
                await committed(self._database, _renew)
        self._checked = True
        sealed = await self._seal(everything=True)
        if self._seals is not None:
            await checkpoints.sign(self._database, self._seals, now=True)
            await checkpoints.publish(self._database, self._seals)
        async with self._database.connection() as connection:
            incarnation = (await read_state(connection)).incarnation or ""
        log.warning("ledger.rebased", incarnation=incarnation, renewed=renewed)
        return Rebased(incarnation, renewed, sealed)

    async def _seal(self, *, everything: bool = False) -> int:
        """Seal in transactions of a bounded size until nothing is left."""
        done = await sealer.seal(self._database, everything=everything)
        sealed = done.entries
        while done.more:
            done = await sealer.seal(self._database, everything=everything, resumed=True)
            sealed += done.entries
        return sealed


async def _renew(connection: LedgerConnection) -> None:
    async with connection.transaction():
        state = await hold(connection)
        await change(
            connection,
            state,
            incarnation=sealer.new_incarnation(),
            signed_size=0,
            published_size=0,
            snapshot=None,
        )
