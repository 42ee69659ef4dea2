"""Group commit: whatever waits is written together, each is answered alone, and nobody harms a neighbour."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.group_commit import Closed, GroupCommit, Limits, Overloaded, Size

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


@pytest.fixture
async def pen() -> Pen:
    return Pen()


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


async def test_a_batch_is_what_gathered_while_the_write_before_was_in_flight(pen: Pen) -> None:
    async with opened(pen) as queue:
        gathered = await while_one_is_written(queue, pen, "a", "b", "c")
        assert pen.started == [["first"]]
        pen.free.set()
        assert await asyncio.gather(*gathered) == ["a written", "b written", "c written"]
    assert pen.started == [["first"], ["a", "b", "c"]]


async def test_one_that_comes_alone_is_written_at_once(pen: Pen) -> None:
    pen.free.set()
    async with opened(pen) as queue:
        for item in ("a", "b"):
            assert await queue.submit(item) == f"{item} written"
    assert pen.started == [["a"], ["b"]]


async def test_nobody_is_answered_before_the_write(pen: Pen) -> None:
    async with opened(pen) as queue:
        (answer,) = submit(queue, "a")
        await until(lambda: bool(pen.started))
        assert not answer.done()
        pen.free.set()
        assert await answer == "a written"


async def test_a_batch_holds_no_more_rows_than_it_may(pen: Pen) -> None:
    async with opened(pen, Limits(batch_rows=5)) as queue:
        gathered = await while_one_is_written(queue, pen, "a 2 1", "b 3 1", "c 1 1", "d 4 1", "e 1 1")
        pen.free.set()
        await asyncio.gather(*gathered)
    assert pen.started[1:] == [["a 2 1", "b 3 1"], ["c 1 1", "d 4 1"], ["e 1 1"]]


async def test_a_batch_holds_no_more_bytes_than_it_may(pen: Pen) -> None:
    async with opened(pen, Limits(batch_bytes=10)) as queue:
        gathered = await while_one_is_written(queue, pen, "a 1 9", "b 1 1", "c 1 1", "d 1 10")
        pen.free.set()
        await asyncio.gather(*gathered)
    assert pen.started[1:] == [["a 1 9", "b 1 1"], ["c 1 1"], ["d 1 10"]]


@pytest.mark.parametrize("large", ["large 6 1", "large 1 11"], ids=["in rows", "in bytes"])
async def test_one_larger_than_a_batch_goes_alone(pen: Pen, large: str) -> None:
    async with opened(pen, Limits(batch_rows=5, batch_bytes=10)) as queue:
        gathered = await while_one_is_written(queue, pen, "a", large, "b")
        pen.free.set()
        assert await asyncio.gather(*gathered) == ["a written", f"{large} written", "b written"]
    assert pen.started[1:] == [["a"], [large], ["b"]]


@pytest.mark.parametrize(
    "limits",
    [Limits(waiting_requests=2), Limits(waiting_bytes=2)],
    ids=["in requests", "in bytes"],
)
async def test_past_its_bound_the_queue_refuses_and_takes_again_when_it_has_drained(
    pen: Pen, limits: Limits
) -> None:
    async with opened(pen, limits) as queue:
        gathered = await while_one_is_written(queue, pen, "a", "b")
        assert queue.full
        with pytest.raises(Overloaded, match="More is waiting to be written than the queue may hold"):
            await queue.submit("c")
        pen.free.set()
        await asyncio.gather(*gathered)
        assert await queue.submit("c") == "c written"
    assert "c" not in pen.started[1]


async def test_past_its_bound_in_time_the_queue_refuses_until_the_first_is_written(pen: Pen) -> None:
    async with opened(pen, Limits(waiting_seconds=0.01)) as queue:
        gathered = await while_one_is_written(queue, pen, "a", "b")
        await until(lambda: queue.full)
        with pytest.raises(Overloaded):
            await queue.submit("c")
        pen.free.set()
        await asyncio.gather(*gathered)
        assert not queue.full
        assert await queue.submit("c") == "c written"
    assert pen.written == ["first", "a", "b", "c"]


class SlowPen(Pen):
    """Takes a fifth of a second a row, by a clock of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    async def __call__(self, batch: Sequence[str]) -> Sequence[str]:
        self.now += 0.2 * sum(weight(item).rows for item in batch)
        return await super().__call__(batch)


@pytest.mark.parametrize(("rows_before", "known"), [(10, True), (5, True), (4, False)])
async def test_one_that_would_wait_too_long_behind_others_is_refused(
    rows_before: int, known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pen = SlowPen()
    monkeypatch.setattr("eventstore.group_commit.monotonic", lambda: pen.now)
    async with opened(pen, Limits(batch_rows=10, waiting_seconds=1)) as queue:
        pen.free.set()
        await queue.submit(f"before {rows_before} 1")
        pen.free.clear()
        pen.started.clear()
        gathered = await while_one_is_written(queue, pen, "five 5 1")
        assert not queue.full, "five rows take a second"
        gathered += submit(queue, "one 1 1")
        await asyncio.sleep(0)
        assert queue.full == known, "how fast rows are written is only known of a large batch"
        pen.free.set()
        await asyncio.gather(*gathered)
        assert not queue.full


class Deaf:
    """A waiter that cannot be told."""

    def done(self) -> bool:
        return False

    def set_result(self, _: str) -> None:
        raise OSError

    def set_exception(self, _: Exception) -> None:
        raise OSError


@pytest.mark.parametrize("written", [True, False])
async def test_one_that_cannot_be_told_keeps_nobody_else_waiting(pen: Pen, written: bool) -> None:
    async with opened(pen) as queue:
        await while_one_is_written(queue, pen)
        queue.offer("deaf", Deaf())
        (other,) = submit(queue, "other")
        await asyncio.sleep(0)
        if not written:
            pen.refuses["other"] = OSError("no database")
        pen.free.set()
        if written:
            assert await other == "other written"
        else:
            with pytest.raises(OSError, match="no database"):
                await other
        assert await queue.submit("later") == "later written"


async def test_an_offer_that_is_refused_is_told_nothing(pen: Pen) -> None:
    async with opened(pen, Limits(waiting_requests=1)) as queue:
        await while_one_is_written(queue, pen, "a")
        with pytest.raises(Overloaded):
            queue.offer("b", Deaf())
    with pytest.raises(Closed):
        queue.offer("c", Deaf())


async def test_what_is_being_written_no_longer_waits(pen: Pen) -> None:
    async with opened(pen, Limits(waiting_requests=1, waiting_bytes=1)) as queue:
        await while_one_is_written(queue, pen)
        assert not queue.full


@pytest.mark.parametrize("bad", ["a", "b", "c", "d", "e"])
async def test_one_to_blame_fails_alone(pen: Pen, bad: str) -> None:
    pen.refuses[bad] = Blamable(bad)
    async with opened(pen) as queue:
        gathered = await while_one_is_written(queue, pen, "a", "b", "c", "d", "e")
        pen.free.set()
        answers = await asyncio.gather(*gathered, return_exceptions=True)
    assert {item for item, answer in zip("abcde", answers, strict=True) if answer != f"{item} written"} == {
        bad
    }
    assert answers["abcde".index(bad)] is pen.refuses[bad]


@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_each_is_answered_for_itself_however_many_are_to_blame(good: list[bool]) -> None:
    async def answers() -> list[str | BaseException]:
        pen = Pen()
        items = [f"item-{number}" for number in range(len(good))]
        pen.refuses = {item: Blamable(item) for item, fine in zip(items, good, strict=True) if not fine}
        async with opened(pen) as queue:
            gathered = await while_one_is_written(queue, pen, *items)
            pen.free.set()
            told = await asyncio.gather(*gathered, return_exceptions=True)
        assert pen.written == ["first", *(item for item, fine in zip(items, good, strict=True) if fine)]
        return told

    for number, (fine, answer) in enumerate(zip(good, asyncio.run(answers()), strict=True)):
        assert str(answer) == (f"item-{number} written" if fine else f"item-{number}")


async def test_any_other_error_is_everybodys_and_nothing_is_written_again(pen: Pen) -> None:
    pen.refuses["b"] = failure = RuntimeError("no database")
    async with opened(pen) as queue:
        gathered = await while_one_is_written(queue, pen, "a", "b", "c")
        pen.free.set()
        assert await asyncio.gather(*gathered, return_exceptions=True) == [failure] * 3
        assert await queue.submit("after") == "after written"
    assert pen.started == [["first"], ["a", "b", "c"], ["after"]]


async def test_a_write_that_answers_for_too_few_fails_its_batch_and_the_queue_lives_on() -> None:
    async def forgetful(batch: Sequence[str]) -> Sequence[str]:
        return [] if "lost" in batch else batch

    queue = Queue(forgetful, weight)
    queue.open()
    with pytest.raises(ValueError, match="shorter"):
        await queue.submit("lost")
    assert await queue.submit("after") == "after"
    await queue.close()


@pytest.mark.parametrize("when", ["waiting", "in flight"])
async def test_a_caller_that_is_cancelled_takes_nothing_back_and_harms_nobody(pen: Pen, when: str) -> None:
    async with opened(pen) as queue:
        impatient, patient = await while_one_is_written(queue, pen, "impatient", "patient")
        if when == "in flight":
            pen.free.set()
            await until(lambda: len(pen.started) == 2)
        impatient.cancel()
        with pytest.raises(asyncio.CancelledError):
            await impatient
        pen.free.set()
        assert await patient == "patient written"
    assert pen.written == ["first", "impatient", "patient"]


@pytest.mark.parametrize("error", [Blamable("no"), RuntimeError("no")], ids=["one to blame", "everybody's"])
async def test_a_cancelled_callers_failure_is_nobody_elses(pen: Pen, error: Exception) -> None:
    pen.refuses["impatient"] = error
    async with opened(pen) as queue:
        (impatient,) = await while_one_is_written(queue, pen, "impatient")
        impatient.cancel()
        await until(impatient.done)
        pen.free.set()
        await until(lambda: len(pen.started) == 2)
        assert await queue.submit("after") == "after written"


async def test_close_writes_what_waits_and_then_refuses(pen: Pen) -> None:
    async with opened(pen, Limits(batch_rows=2)) as queue:
        gathered = await while_one_is_written(queue, pen, "a", "b", "c")
        closing = asyncio.create_task(queue.close())
        await asyncio.sleep(0)
        with pytest.raises(Closed):
            await queue.submit("late")
        assert not closing.done()
        pen.free.set()
        await closing
        assert [answer.result() for answer in gathered] == ["a written", "b written", "c written"]
        with pytest.raises(Closed, match="The queue is closed and takes nothing more"):
            await queue.submit("later")
    assert pen.written == ["first", "a", "b", "c"]


async def test_before_it_is_opened_it_refuses(pen: Pen) -> None:
    queue = Queue(pen, weight)
    with pytest.raises(Closed):
        await queue.submit("early")
    await queue.close()


async def test_it_opens_again_after_it_was_closed(pen: Pen) -> None:
    pen.free.set()
    async with opened(pen) as queue:
        await queue.close()
        queue.open()
        assert await queue.submit("a") == "a written"


async def test_to_open_twice_does_no_harm(pen: Pen) -> None:
    async with opened(pen) as queue:
        queue.open()
        gathered = await while_one_is_written(queue, pen, "a", "b")
        assert pen.started == [["first"]], "there is still one writer"
        pen.free.set()
        assert await asyncio.gather(*gathered) == ["a written", "b written"]
    assert pen.written == ["first", "a", "b"]


async def test_several_writers_write_at_once_and_everything_once(pen: Pen) -> None:
    limits = Limits(batch_rows=100, batch_bytes=2, worth_another_write=1)
    async with opened(pen, limits, writers=3) as queue:
        answers = submit(queue, *"abcdefg")
        await until(lambda: len(pen.started) == 3)
        assert pen.started == [["a", "b"], ["c", "d"], ["e", "f"]]
        pen.free.set()
        assert await asyncio.gather(*answers) == [f"{item} written" for item in "abcdefg"]
    assert sorted(pen.written) == list("abcdefg")


async def test_another_writer_starts_only_when_enough_waits(pen: Pen) -> None:
    async with opened(pen, Limits(worth_another_write=3), writers=2) as queue:
        answers = submit(queue, "a")
        await until(lambda: pen.started == [["a"]])
        answers += submit(queue, *"bc")
        for _ in range(10):
            await asyncio.sleep(0)  # time enough for a writer that should not start
        assert pen.started == [["a"]]
        answers += submit(queue, "d")
        await until(lambda: pen.started == [["a"], ["b", "c", "d"]])
        answers += submit(queue, "e")
        pen.free.set()
        await asyncio.gather(*answers)
    assert pen.written == list("abcde")


@pytest.mark.parametrize(("rows", "alone"), [(49, False), (50, True)])
async def test_while_a_large_batch_is_written_no_other_writer_starts(
    pen: Pen, rows: int, alone: bool
) -> None:
    async with opened(pen, Limits(batch_rows=100, worth_another_write=2), writers=2) as queue:
        answers = submit(queue, f"large {rows} 1")
        await until(lambda: len(pen.started) == 1)
        answers += submit(queue, *"abc")
        for _ in range(10):
            await asyncio.sleep(0)  # time enough for a writer that may not start
        assert len(pen.started) == (1 if alone else 2)
        pen.free.set()
        await asyncio.gather(*answers)


async def test_several_writers_all_stop_when_it_closes(pen: Pen) -> None:
    pen.free.set()
    async with opened(pen, writers=4) as queue:
        await queue.submit("a")
        await queue.close()
    assert [task.get_name() for task in asyncio.all_tasks() if task.get_name() == "group-commit"] == []
