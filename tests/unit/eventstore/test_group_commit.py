"""Group commit: whatever waits is written together, each is answered alone, and nobody harms a neighbour."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.group_commit import Closed, Limits
from tests.support.pen import Blamable, Deaf, Pen, Queue, opened, submit, until, weight, while_one_is_written


@pytest.fixture
async def pen() -> Pen:
    return Pen()


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


async def test_another_writer_starts_only_with_a_batch_as_large_as_the_one_in_flight(pen: Pen) -> None:
    async with opened(pen, Limits(worth_another_write=2), writers=2) as queue:
        answers = submit(queue, *"abcd")
        await until(lambda: pen.started == [[*"abcd"]])
        answers += submit(queue, *"efg")
        for _ in range(10):
            await asyncio.sleep(0)  # time enough for a writer that should not start
        assert pen.started == [[*"abcd"]]
        answers += submit(queue, "h")
        await until(lambda: pen.started == [[*"abcd"], [*"efgh"]])
        pen.free.set()
        await asyncio.gather(*answers)
        pen.free.clear()
        answers = submit(queue, *"ij")
        await until(lambda: pen.started[2:] == [[*"ij"]])
        answers += submit(queue, *"kl")
        await until(lambda: pen.started[3:] == [[*"kl"]])


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
