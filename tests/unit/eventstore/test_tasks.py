"""What runs beside the service ends when it is told to, though it may lose a cancellation."""

import asyncio

from eventstore.tasks import end


async def test_a_task_that_loses_a_cancellation_is_cancelled_again() -> None:
    lost = 0

    async def survives_errors() -> None:
        nonlocal lost
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if lost == 2:
                    raise
                lost += 1

    task = asyncio.create_task(survives_errors())
    await asyncio.sleep(0)
    await end(task, again=0.01)
    ended = task.done()
    while not task.done():  # or the loop would wait for it
        task.cancel()
        await asyncio.sleep(0)
    assert ended
    assert task.cancelled()
    assert lost == 2


async def test_a_task_that_has_ended_is_left_alone() -> None:
    async def work() -> int:
        return 7

    task = asyncio.create_task(work())
    await task
    await end(task)
    assert task.result() == 7
