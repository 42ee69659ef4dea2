"""Group commit: whatever waits is written together, and nobody is answered before it is.

There is no timer. A batch is what gathered while the previous write was in flight: one callback when it
is quiet, hundreds in a burst. The queue is bounded in requests, in bytes, and in the time that another one
would wait: past it a submission is refused at once, and the supplier comes back later. What is taken must be
answered while the supplier still listens.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Generic, NamedTuple, Protocol, TypeVar

import structlog

from eventstore.errors import LedgerError

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")
Outcome_contra = TypeVar("Outcome_contra", contravariant=True)

LARGE = 0.5
"""Part of the rows that a batch may have, from which on it is large: it takes as long as its rows do."""

NEWEST = 0.1
"""What the newest batch counts for in the mean of how long a row takes."""

STALLED = 2
"""How many times the longest wait the first may have waited: past it nothing is written at all."""

log = structlog.get_logger()


class Overloaded(LedgerError):
    """More is waiting to be written than the queue may hold."""


class Closed(LedgerError):
    """The queue is closed and takes nothing more."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may wait, and how much is written at once."""

    waiting_requests: int = 10_000
    waiting_bytes: int = 64 * 1024 * 1024
    waiting_seconds: float = 0.5
    """How long one that comes now may be expected to wait for its turn."""
    batch_rows: int = 500
    batch_bytes: int = 4 * 1024 * 1024
    worth_another_write: int = 32
    """Requests that must wait before another writer starts beside one.

    A batch has a price of its own, and whoever has two under way has little left to read meanwhile: of 64
    callers that wait for their answers, 32 are about what comes while one batch is written. 16 cost an eighth
    of the rate; 48 cost nothing where commits are quick, and an eighth where they take 3 ms.
    """


class Size(NamedTuple):
    """What one submission weighs."""

    rows: int
    bytes: int


class Waiting(NamedTuple):
    """How much waits to be written."""

    requests: int
    bytes: int


class Waiter(Protocol[Outcome_contra]):
    """Who waits for the outcome of one submission, and is told once. A future is one."""

    def done(self) -> bool:
        """Return whether nobody waits any more."""

    def set_result(self, result: Outcome_contra, /) -> None:
        """Be told the outcome."""

    def set_exception(self, exception: Exception, /) -> None:
        """Be told why there is none."""


class _Waiting(NamedTuple, Generic[Item, Outcome]):
    item: Item
    size: Size
    waiter: Waiter[Outcome]
    since: float


class GroupCommit(Generic[Item, Outcome]):
    """A bounded queue whose content a few writers write batch by batch.

    `write` takes a batch and returns one outcome for each item, in order. When it raises one of
    `splits_on`, one item may be to blame: the batch is halved and each half written on its own, down to
    the one that fails. Any other error is the answer to the whole batch.
    """

    def __init__(
        self,
        write: Callable[[Sequence[Item]], Awaitable[Sequence[Outcome]]],
        measure: Callable[[Item], Size],
        *,
        limits: Limits = Limits(),
        writers: int = 1,
        splits_on: tuple[type[Exception], ...] = (),
    ) -> None:
        """Prepare the queue; nothing is written before `open`."""
        self._write = write
        self._measure = measure
        self._limits = limits
        self._splits_on = splits_on
        self._writers = writers
        self._queue: deque[_Waiting[Item, Outcome]] = deque()
        self._waiting_rows = 0
        self._waiting_bytes = 0
        self._in_flight = 0
        self._requests_in_flight = 0
        self._large_in_flight = 0
        self._seconds_a_row = 0.0
        """As large batches have lately taken; 0 until one was written."""
        self._something = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._closing = False

    def open(self) -> None:
        """Start the writers on the running event loop; once is enough, twice does no harm."""
        if not self._tasks:
            self._closing = False
            self._tasks = [
                asyncio.create_task(self._work(), name="group-commit") for _ in range(self._writers)
            ]

    async def close(self) -> None:
        """Take nothing more, write what waits, and stop."""
        self._closing = True
        self._something.set()
        await asyncio.gather(*self._tasks)
        self._tasks = []

    @property
    def waiting(self) -> Waiting:
        """How much waits now."""
        return Waiting(len(self._queue), self._waiting_bytes)

    @property
    def full(self) -> bool:
        """Whether a submission would be refused now."""
        queue, limits = self._queue, self._limits
        return bool(queue) and (
            len(queue) >= limits.waiting_requests
            or self._waiting_bytes >= limits.waiting_bytes
            or self._waiting_rows * self._seconds_a_row > limits.waiting_seconds
            or monotonic() - queue[0].since > limits.waiting_seconds * STALLED
        )

    async def submit(self, item: Item) -> Outcome:
        """Write `item` with whatever else waits; return when it is committed.

        Raises as `offer` does, and whatever the write raised. A caller that is cancelled does not take its
        item back.
        """
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.offer(item, answer)
        return await answer

    def offer(self, item: Item, waiter: Waiter[Outcome]) -> None:
        """Write `item` with whatever else waits; `waiter` is told when it is committed, on the event loop.

        Raises `Overloaded` where the queue is full, `Closed` after `close`; then `waiter` is told nothing.
        """
        if self._closing or not self._tasks:
            raise Closed
        if self.full:
            raise Overloaded
        size = self._measure(item)
        self._queue.append(_Waiting(item, size, waiter, monotonic()))
        self._waiting_rows += size.rows
        self._waiting_bytes += size.bytes
        if self._worth_a_write():
            self._something.set()

    def _worth_a_write(self) -> bool:
        """Tell whether to write what waits now, or to let it gather until the write in flight is done.

        Beside others only a batch as large as they are is written, so that many callers share the price of
        few batches. While a large batch is written, another would only take the processors from whoever
        reads requests and refuses them; a small one is over soon, or waits for its commit.
        """
        return bool(self._queue) and (
            not self._in_flight
            or self._closing
            or (
                not self._large_in_flight
                and len(self._queue) >= self._limits.worth_another_write
                and len(self._queue) * self._in_flight >= self._requests_in_flight
            )
        )

    async def _work(self) -> None:
        while True:
            if self._worth_a_write():
                batch, rows = self._next_batch()
                large = rows >= self._limits.batch_rows * LARGE
                self._in_flight += 1
                self._requests_in_flight += len(batch)
                self._large_in_flight += large
                started = monotonic()
                await self._write_batch(batch)
                self._note_pace((monotonic() - started) / rows / self._in_flight, of_many=large)
                self._large_in_flight -= large
                self._in_flight -= 1
                self._requests_in_flight -= len(batch)
            elif self._closing:
                return
            else:
                self._something.clear()
                await self._something.wait()

    def _next_batch(self) -> tuple[list[_Waiting[Item, Outcome]], int]:
        """Take a batch from the queue; return it and its rows."""
        batch = [self._queue.popleft()]
        rows, size = batch[0].size
        while self._queue:
            ahead = self._queue[0].size
            if rows + ahead.rows > self._limits.batch_rows or size + ahead.bytes > self._limits.batch_bytes:
                break
            rows, size = rows + ahead.rows, size + ahead.bytes
            batch.append(self._queue.popleft())
        self._waiting_rows -= rows
        self._waiting_bytes -= size
        return batch, rows

    def _note_pace(self, seconds_a_row: float, *, of_many: bool) -> None:
        """Learn how long a row takes.

        A small batch has a price of its own, so that a row takes no longer than it says: all that it tells
        after the database stood still, when so little may wait that no batch becomes large.
        """
        if of_many:
            newer = NEWEST if self._seconds_a_row else 1
            self._seconds_a_row += (seconds_a_row - self._seconds_a_row) * newer
        else:
            self._seconds_a_row = min(self._seconds_a_row, seconds_a_row)

    async def _write_batch(self, batch: list[_Waiting[Item, Outcome]]) -> None:
        try:
            outcomes = await self._write([waiting.item for waiting in batch])
            told = list(zip(batch, outcomes, strict=True))
        except self._splits_on as error:
            if len(batch) == 1:
                _fail(batch, error)
                return
            middle = len(batch) // 2
            await self._write_batch(batch[:middle])
            await self._write_batch(batch[middle:])
        except Exception as error:
            _fail(batch, error)
        else:
            asyncio.get_running_loop().call_soon(_tell, told)  # the next batch is on its way first


def _tell(told: list[tuple[_Waiting[Item, Outcome], Outcome]]) -> None:
    """Tell each its outcome; one that cannot be told must not keep the others waiting."""
    for waiting, outcome in told:
        try:
            if not waiting.waiter.done():
                waiting.waiter.set_result(outcome)
        except Exception:
            log.exception("answer.untold")


def _fail(batch: list[_Waiting[Item, Outcome]], error: Exception) -> None:
    for waiting in batch:
        try:
            if not waiting.waiter.done():
                waiting.waiter.set_exception(error)
        except Exception:
            log.exception("answer.untold")
