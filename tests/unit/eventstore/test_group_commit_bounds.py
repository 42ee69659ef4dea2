"""The bounds of a group commit: past any of them a submission is refused at once, and told nothing."""

import asyncio
from collections.abc import Sequence

import pytest

from eventstore.group_commit import Closed, Limits, Overloaded
from tests.support.pen import Deaf, Pen, opened, submit, until, weight, while_one_is_written


@pytest.fixture
async def pen() -> Pen:
    return Pen()


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
        self.seconds_a_row = 0.2

    async def __call__(self, batch: Sequence[str]) -> Sequence[str]:
        self.now += self.seconds_a_row * sum(weight(item).rows for item in batch)
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


async def test_after_the_database_stood_still_small_batches_tell_that_it_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pen = SlowPen()
    monkeypatch.setattr("eventstore.group_commit.monotonic", lambda: pen.now)
    pen.free.set()
    async with opened(pen, Limits(batch_rows=10, waiting_seconds=1)) as queue:
        pen.seconds_a_row = 60.0
        await queue.submit("large 10 1")
        pen.seconds_a_row = 0.02
        await queue.submit("small 1 1")
        pen.free.clear()
        pen.started.clear()
        await while_one_is_written(queue, pen, "many 40 1")
        assert not queue.full, "forty rows take less than a second again"
