"""Tells a service callbacks over HTTP, signed over their exact bytes, as fast and as patiently as asked."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import httpx

from eventstore.errors import LedgerError
from ingest.endpoint import PATH
from ledger.simulator.callbacks import Callback
from ledger.simulator.keys import Keys
from ledger.simulator.patience import GaveUp, Patience

DEAD_AFTER = 10
"""Callbacks in a row that the service did not take until it counts as gone, and nothing more is sent."""


class KeysRefused(LedgerError):
    """The service refuses the simulator's keys."""


class Refused(NamedTuple):
    """A callback that was given up, and why."""

    callback: Callback
    reason: str


class Sent(NamedTuple):
    """What came of the callbacks."""

    told: list[Callback]
    """Those that were answered 200."""
    given_up: list[Refused]
    unsent: int
    """How many were not even tried, because the service was gone."""
    seconds: float
    """How long it took, back-off included."""


class Pace(NamedTuple):
    """How fast callbacks are sent."""

    concurrency: int
    """How many are on their way at once, at most."""
    rate: float = 0
    """How many start a second, at most; 0 for any number."""


class Sender:
    """The supplier's end of the line."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        keys: Keys,
        patience: Patience,
        pace: Pace,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Take what it speaks through and with, and `sleep`, which waits for a callback's turn."""
        self._client = client
        self._keys = keys
        self._patience = patience
        self._room = asyncio.Semaphore(pace.concurrency)
        self._rate = pace.rate
        self._sleep = sleep
        self._told: list[Callback] = []
        self._given_up: list[Refused] = []
        self._unanswered = 0  # callbacks in a row

    async def send(self, deliveries: Sequence[Callback], on_answer: Callable[[int], None]) -> Sent:
        """Send the callbacks in their order, and call `on_answer` with 1 at the end of each.

        A callback that waits to be sent again keeps its place among those on their way. Raises
        `KeysRefused` at the first 401 or 403: the others would only fill the service's quarantine.
        """
        started = time.monotonic()
        tried = 0
        try:
            async with asyncio.TaskGroup() as group:
                for callback in deliveries:
                    if self._unanswered >= DEAD_AFTER:
                        break
                    await self._room.acquire()
                    await self._pace(started, tried)
                    group.create_task(self._tell(callback, on_answer))
                    tried += 1
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        unsent = len(deliveries) - tried
        return Sent(self._told, self._given_up, unsent, time.monotonic() - started)

    async def _pace(self, started: float, number: int) -> None:
        """Wait until it is the turn of callback `number`, counted from 0."""
        if self._rate:
            early = started + number / self._rate - time.monotonic()
            if early > 0:
                await self._sleep(early)

    async def _tell(self, callback: Callback, on_answer: Callable[[int], None]) -> None:
        try:
            answer = await self._patience.ask(lambda: self._post(callback.body))
        except GaveUp as gave_up:
            self._unanswered += 1
            self._given_up.append(Refused(callback, gave_up.detail))
        else:
            self._unanswered = 0
            self._judge(callback, answer)
        finally:
            self._room.release()
            on_answer(1)

    def _judge(self, callback: Callback, answer: httpx.Response) -> None:
        if answer.status_code == 200:
            self._told.append(callback)
            return
        reason = f"{answer.status_code} {answer.text[:500]}"
        if answer.status_code in (401, 403):
            raise KeysRefused(reason)
        self._given_up.append(Refused(callback, reason))

    def _post(self, body: bytes) -> Awaitable[httpx.Response]:
        return self._client.post(
            PATH,
            content=body,
            headers={
                "content-type": "application/vnd.api+json",
                "x-api-key": self._keys.supplier,
                "x-hmac-sha256-signature": self._keys.secrets.sign(body),
            },
        )
