"""Sends a request until it is taken: again after 429, any 5xx or no answer at all, later each time."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import httpx
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt
from tenacity import wait_random_exponential as full_jitter

from eventstore.errors import LedgerError

LONGEST_WAIT = 60.0
"""Seconds that a request waits at most before it is sent again, whatever `Retry-After` says."""


class GaveUp(LedgerError):
    """The service did not take a request, however often it was sent."""


class _TurnedAway(Exception):
    """The service answered that it cannot take the request now."""

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__(str(answer.status_code))
        self.after = _seconds(answer.headers.get("retry-after"))


class Patience:
    """How often a request is sent before it is given up, and a tally of what came of all of them."""

    def __init__(self, attempts: int = 8, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Take how often a request is sent at most, and what waits between."""
        self.retries = 0
        self.answers: Counter[str] = Counter()
        """How many answers there were of each HTTP code; of each kind of failure where there was none."""
        self._attempts = attempts
        self._sleep = sleep

    async def ask(self, send: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
        """Return the answer to a request that was taken or refused for good; raises `GaveUp`.

        Between two attempts passes a random time (full jitter) that may be twice as long each time,
        and no less than `Retry-After`.
        """
        try:
            return await AsyncRetrying(
                retry=retry_if_exception_type((httpx.TransportError, _TurnedAway)),
                stop=stop_after_attempt(self._attempts),
                wait=_wait,
                sleep=self._sleep,
                before_sleep=self._count_retry,
                reraise=True,
            )(self._once, send)
        except (httpx.TransportError, _TurnedAway) as last:
            reason = str(last) if isinstance(last, _TurnedAway) else type(last).__name__
            raise GaveUp(f"{reason} in the last of {self._attempts} attempts") from last

    async def _once(self, send: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
        try:
            answer = await send()
        except httpx.TransportError as failed:
            self.answers[type(failed).__name__] += 1
            raise
        self.answers[str(answer.status_code)] += 1
        if answer.status_code == 429 or answer.status_code >= 500:
            raise _TurnedAway(answer)
        return answer

    def _count_retry(self, _: RetryCallState) -> None:
        self.retries += 1


_back_off = full_jitter(multiplier=0.2, max=LONGEST_WAIT / 2)


def _wait(state: RetryCallState) -> float:
    """Return the seconds until the next attempt; the jitter comes on top of what the service asks for."""
    failed = state.outcome.exception() if state.outcome else None
    asked_for = failed.after if isinstance(failed, _TurnedAway) else 0.0
    return min(asked_for + _back_off(state), LONGEST_WAIT)


def _seconds(retry_after: str | None) -> float:
    """Return the seconds that `Retry-After` names; none where it names a date, which no ledger's does."""
    return float(retry_after) if retry_after is not None and retry_after.isdecimal() else 0.0
