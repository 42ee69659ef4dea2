"""Ends what runs beside the service, even where a cancellation is lost on its way."""

import asyncio
from typing import Any

AGAIN = 1.0
"""Seconds after which a task that goes on is cancelled once more."""


async def end(task: asyncio.Task[Any], *, again: float = AGAIN) -> None:
    """Cancel a task until it has ended; what it returns or raises stays with it.

    Once may not be enough: where a statement fails while psycopg cancels it, the connection is closed, and
    whatever clears up next raises that in place of the cancellation. A loop that survives the errors of its
    database would survive this one too, and the service would wait for it without end.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=again)
