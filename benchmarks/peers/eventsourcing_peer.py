"""Appends with `eventsourcing` to PostgreSQL, in process: `python eventsourcing_peer.py URL SECONDS`.

It runs in an environment of its own, without this repository. What is measured is the recorder itself: no
aggregate, no mapper, no HTTP, no signature, no projection. Prints, as JSON, how
many events it appended in all, and how many a second in each way.
"""

import json
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore

THREADS = 8
HUNDRED = 100
LIFE = 6
"""Events a message."""


def state(message_id: UUID) -> bytes:
    """Return an event's content, as large as a callback's attributes."""
    said = {
        "messageId": str(message_id),
        "messageReference": str(message_id),
        "channel": "nhsapp",
        "channelStatus": "delivered",
        "supplierStatus": "read",
        "cascadeType": "primary",
        "cascadeOrder": 1,
        "channelStatusDescription": "The patient’s app has it",
        "timestamp": "2026-11-01T00:00:01.000Z",
        "retryCount": 0,
        "idempotencyKey": f"{message_id.int:064x}",
    }
    return json.dumps(said, ensure_ascii=False).encode()


def lives() -> Iterator[StoredEvent]:
    """Yield events: each message's, one after the other."""
    while True:
        message_id = uuid4()
        for version in range(1, LIFE + 1):
            yield StoredEvent(message_id, version, "callbacks:ChannelStatus", state(message_id))


def append(recorder: PostgresApplicationRecorder, seconds: float, size: int) -> int:
    """Append batches for so long; return how many events that were."""
    events = lives()
    ends = time.perf_counter() + seconds
    for done in count():
        if time.perf_counter() > ends:
            return done * size
        recorder.insert_events([next(events) for _ in range(size)])
    raise AssertionError


def rate(recorder: PostgresApplicationRecorder, seconds: float, size: int, threads: int) -> tuple[int, float]:
    """Return how many events so many threads append, and how many that is a second."""
    begun = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        done = [pool.submit(append, recorder, seconds, size) for _ in range(threads)]
        events = sum(one.result() for one in done)
    return events, events / (time.perf_counter() - begun)


def main() -> None:
    """Measure all three ways."""
    parts, seconds = urlsplit(sys.argv[1]), float(sys.argv[2])
    host = parse_qs(parts.query)["host"][0]
    datastore = PostgresDatastore(
        parts.path[1:], host, 5432, parts.username, "", pool_size=THREADS, enable_db_functions=True
    )
    recorder = PostgresApplicationRecorder(datastore, events_table_name="stored_events")
    recorder.create_table()
    warmed = append(recorder, 0.2, 1)
    ways = {"one": (1, 1), "threads": (1, THREADS), "hundred": (HUNDRED, 1)}
    done = {name: rate(recorder, seconds, *way) for name, way in ways.items()}
    events = warmed + sum(appended for appended, _ in done.values())
    rates = {name: a_second for name, (_, a_second) in done.items()}
    sys.stdout.write(json.dumps({"events": events, "rates": rates}))
    datastore.close()


main()
