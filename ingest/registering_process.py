"""The process that registers batches, so that 45,000 messages never hold up a callback.

It takes one batch at a time from its standard input and gives the outcome on its standard output
(`ingest/frames.py`). NHS numbers are here alone: nothing that it says, not even of an error, quotes a body.
"""

import asyncio
import gc
import os
import resource
import select
import sys
import threading
import traceback
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from eventstore.database import Database
from eventstore.errors import LedgerError
from eventstore.recipients import RecipientKeys
from ingest import batch_csv, batches
from ingest.batches import Batch, InvalidBatch
from ingest.frames import framed, receive, receive_pieces
from ingest.registering import Sender, register

_READERS = {"json": batches.read, "csv": batch_csv.read}
"""What reads a batch, by the form of the body."""

NICENESS = 10
"""How far it stands back for the service, which has callbacks to answer."""


def main() -> None:
    """Register batch after batch until the service ends."""
    _behave()
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    with suppress(EOFError, BrokenPipeError):
        setup = orjson.loads(receive(source))
        with suppress(ValueError, OSError):  # not every system can limit it
            resource.setrlimit(resource.RLIMIT_AS, (setup["memory"], setup["memory"]))
        keys = RecipientKeys(*setup["recipient_keys"])
        gc.freeze()
        gc.disable()  # a body is millions of values and no cycle, but to look for one takes its time
        while True:
            order = orjson.loads(receive(source))
            outcome = _outcome(setup, keys, order, receive_pieces(source))
            sink.write(framed(orjson.dumps(outcome)))
            sink.flush()
            gc.collect()


def _behave() -> None:
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a dump would hold NHS numbers
    threading.Thread(target=_end_with_the_service, daemon=True).start()


def _end_with_the_service() -> None:
    """End this process as soon as nobody holds the other end of its input, whatever it is doing."""
    input_ended = select.poll()
    input_ended.register(sys.stdin.fileno(), 0)  # no event but the end, which is always told
    input_ended.poll()
    os._exit(0)


def _outcome(
    setup: dict[str, Any], keys: RecipientKeys, order: dict[str, Any], body: bytes
) -> dict[str, Any]:
    """Return what became of a batch: how many messages it has and how many are new, or why there are none."""
    try:
        batch = _READERS[order["form"]](body)
        new = asyncio.run(_register(setup, keys, order, batch))
    except InvalidBatch as error:
        return {"refused": error.detail}
    except MemoryError:
        return {"refused": "body: takes too much memory to read"}
    except Exception as error:
        return {"failed": _told(error)}
    return {"messages": len(batch.messages), "new": new}


async def _register(setup: dict[str, Any], keys: RecipientKeys, order: dict[str, Any], batch: Batch) -> int:
    sender = order["sender"]
    who = Sender(
        entry_id=UUID(sender["entry_id"]),
        client_id=sender["client_id"],
        received_at=datetime.fromisoformat(sender["received_at"]),
    )
    # A connection for this batch alone: batches are rare, and a service that takes none needs none.
    async with Database(order["url"], role=setup["role"], connections=1) as database:
        return await register(database, keys, who, batch)


def _told(error: Exception) -> str:
    """Return what an operator may read of an error: of one that is not the product's own, where it arose.

    The database sees no NHS number, so what it says, and the product with it, tells none. Others may quote
    what they stumbled over.
    """
    if isinstance(error, LedgerError):
        return str(error).partition("\n")[0]
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {place.name}, line {place.lineno}"
