"""A whole simulation: tells a service what is planned, reads it back, and reports what differs."""

from collections.abc import Callable
from dataclasses import dataclass

import httpx

from eventstore.errors import LedgerError
from ledger.simulator.comparison import Difference, differences
from ledger.simulator.expected import expected
from ledger.simulator.keys import Keys
from ledger.simulator.patience import Patience
from ledger.simulator.plan import Plan
from ledger.simulator.reading import VIEWS, Reader
from ledger.simulator.sender import Pace, Sender, Sent

READY = "/api/healthcheck/ready"


class NotReady(LedgerError):
    """The service cannot take callbacks."""


Progress = Callable[[str, int], Callable[[int], None]]
"""Begins to show how far something is, by what is done and how many there are to do.

It returns what is to be called with how many more are done."""


@dataclass(frozen=True, slots=True, repr=False)  # asyncio.run writes what it returns out, and drops that
class Report:
    """What came of a simulation."""

    plan: Plan
    sent: Sent
    sending: Patience
    """The retries and the answers while callbacks were sent."""
    differences: tuple[Difference, ...]

    @property
    def agrees(self) -> bool:
        """Whether every callback was taken, and the service says what follows from them."""
        return not (self.differences or self.sent.given_up or self.sent.unsent)


async def simulate(
    client: httpx.AsyncClient, keys: Keys, plan: Plan, pace: Pace, progress: Progress
) -> Report:
    """Carry a plan out against the service that `client` speaks to, and return what came of it.

    A callback that was given up counts as not told. Raises `NotReady`, `KeysRefused`, `ReadingRefused`
    or `GaveUp` where a comparison cannot be had.
    """
    reader = Reader(client, keys.client, Patience(), pace.concurrency)
    await _ensure_ready(client)
    await reader.search(limit=1)  # a wrong key is better known before anything is told
    sending = Patience()
    sender = Sender(client, keys, sending, pace)
    sent = await sender.send(plan.deliveries, progress("Telling", len(plan.deliveries)))
    should_say = expected(sent.told)
    message_ids = {view.message_id for view in should_say}
    says = await reader.records(message_ids, progress("Reading back", len(message_ids) * len(VIEWS)))
    return Report(plan, sent, sending, tuple(differences(should_say, says)))


async def _ensure_ready(client: httpx.AsyncClient) -> None:
    try:
        answer = await client.get(READY)
    except httpx.HTTPError as error:
        raise NotReady(f"{client.base_url} gives no answer ({type(error).__name__})") from error
    if answer.status_code != 200:
        raise NotReady(f"{client.base_url} answers {answer.status_code} to {READY}")
