"""A group commit whose writes a test lets go, and what it needs to look at them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from eventstore.group_commit import GroupCommit, Limits, Size

Queue = GroupCommit[str, str]


class Blamable(Exception):
    """An error that one item of a batch may be to blame for."""


class Pen:
    """What writes: it notes every batch, and waits before each one until it may go on."""

    def __init__(self) -> None:
        self.started: list[Sequence[str]] = []
        self.written: list[str] = []
        self.free = asyncio.Event()
        self.refuses: dict[str, Exception] = {}

    async def __call__(self, batch: Sequence[str]) -> Sequence[str]:
        self.started.append(list(batch))
        await self.free.wait()
        for item in batch:
            if item in self.refuses:
                raise self.refuses[item]
        self.written += batch
        return [f"{item} written" for item in batch]


def weight(item: str) -> Size:
    """Return what an item says that it weighs: `name rows bytes`."""
    _, rows, size = item.split() if " " in item else (item, "1", "1")
    return Size(int(rows), int(size))


@asynccontextmanager
async def opened(pen: Pen, limits: Limits | None = None, writers: int = 1) -> AsyncIterator[Queue]:
    queue = Queue(pen, weight, limits=limits or Limits(), writers=writers, splits_on=(Blamable,))
    queue.open()
    try:
        yield queue
    finally:
        pen.free.set()
        await queue.close()


async def until(holds: Callable[[], bool]) -> None:
    """Let the others run until something holds."""
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110 - what is awaited has no event to wait for
            await asyncio.sleep(0)


def submit(queue: Queue, *items: str) -> list[asyncio.Task[str]]:
    return [asyncio.create_task(queue.submit(item)) for item in items]


async def while_one_is_written(queue: Queue, pen: Pen, *items: str) -> list[asyncio.Task[str]]:
    """Submit `first`, and the items while it is being written; return the tasks of the items."""
    submit(queue, "first")
    await until(lambda: pen.started == [["first"]])
    tasks = submit(queue, *items)
    await asyncio.sleep(0)
    return tasks


class Deaf:
    """A waiter that cannot be told."""

    def done(self) -> bool:
        return False

    def set_result(self, _: str) -> None:
        raise OSError

    def set_exception(self, _: Exception) -> None:
        raise OSError
