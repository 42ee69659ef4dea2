"""The running service, several processes over one database: what suppliers and clients rely on."""

import itertools
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.rows import dict_row

from ingest import vocabulary
from ingest.callbacks import read
from tests.support.database import execute
from tests.support.plain_fold import fold
from tests.support.service import Service, running
from tests.support.supplier import body, delivered, item, signed

_numbers = itertools.count(1)


@pytest.fixture
def service(tmp_path: Path, database_url: str) -> Iterator[Service]:
    """Two processes over one database."""
    with running(tmp_path, workers=2, DATABASE_URL=database_url) as started:
        yield started


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(max_workers=16) as executor:
        yield executor


@st.composite
def callbacks_of(draw: st.DrawFn, message_id: str) -> list[bytes]:
    """The timestamped callbacks of one message, few times and statuses, so that ties are common."""
    maybe = {
        "messageStatus": vocabulary.MESSAGE_STATUSES,
        "channel": ("nhsapp", "sms"),
        "channelStatus": vocabulary.CHANNEL_STATUSES,
        "supplierStatus": vocabulary.SUPPLIER_STATUSES,
    }
    items = []
    for number in range(draw(st.integers(1, 6))):
        drawn = {name: draw(st.none() | st.sampled_from(values)) for name, values in maybe.items()}
        stated: dict[str, Any] = {name: value for name, value in drawn.items() if value is not None}
        if not stated.keys() - {"channel"}:
            stated["messageStatus"] = "sending"
        second = draw(st.integers(0, 2))
        items.append(
            item(message_id, key=f"{message_id}-{number}", timestamp=f"2026-11-23T09:00:0{second}Z", **stated)
        )
    return [body(one) for one in items]


@settings(
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_any_order_and_repetition_over_http_gives_the_tables_of_the_plain_fold(
    service: Service, pool: ThreadPoolExecutor, database_url: str, data: st.DataObject
) -> None:
    message_id = f"message-{next(_numbers)}"
    told = data.draw(callbacks_of(message_id))
    again = data.draw(st.lists(st.sampled_from(told), max_size=4))
    order = data.draw(st.permutations([*told, *again]))
    assert {answer.status_code for answer in pool.map(service.post, order)} == {200}
    events = [event for content in told for event in read(content, datetime.now(UTC), 1)]
    messages, channels = fold(events)
    with psycopg.connect(database_url, row_factory=dict_row) as connection:
        connection.execute("SET timezone TO 'UTC'")
        (row,) = connection.execute(
            "SELECT * FROM message_status WHERE message_id = %s", [message_id]
        ).fetchall()
        rows = connection.execute(
            "SELECT * FROM channel_status WHERE message_id = %s", [message_id]
        ).fetchall()
    assert {name: row[name] for name in messages[message_id]} == messages[message_id]
    assert {(message_id, row["channel"]) for row in rows} == channels.keys()
    for row in rows:
        expected = channels[message_id, row["channel"]]
        assert {name: row[name] for name in expected} == expected


def test_200_posts_of_one_callback_at_once_are_one_event_and_199_repeats(
    service: Service, database_url: str
) -> None:
    content = body(delivered())
    with ThreadPoolExecutor(max_workers=64) as many:
        answers = list(many.map(lambda _: service.post(content), range(200)))
    assert {answer.status_code for answer in answers} == {200}
    counts = execute(
        database_url,
        "SELECT (SELECT count(*) FROM entries), (SELECT count(*) FROM events),"
        " (SELECT count(*) FROM repeats)",
    )
    assert counts == [(200, 1, 199)]


def test_a_body_without_a_timestamp_posted_again_after_a_newer_status_changes_nothing(
    service: Service,
) -> None:
    old = body(delivered(key="old", timestamp=None, channelStatus="sending", supplierStatus="sending"))
    service.post(old)
    now = datetime.now(UTC).isoformat()
    service.post(body(delivered(key="new", timestamp=now)))
    before = service.statuses()
    assert before[0]["channelStatus"] == "delivered"
    assert service.post(old).status_code == 200
    assert service.statuses() == before


def test_a_read_after_a_200_sees_it(service: Service, pool: ThreadPoolExecutor) -> None:
    def follow(message: int) -> None:
        for second, status in enumerate(["created", "sending", "delivered", "read"]):
            told = delivered(
                f"message-{message}",
                key=f"{message}-{second}",
                timestamp=f"2026-11-23T09:00:0{second}Z",
                channelStatus=status,
            )
            assert service.post(body(told)).status_code == 200
            (record,) = service.statuses(messageId=f"message-{message}")
            assert record["channelStatus"] == status

    list(pool.map(follow, range(40)))


class Load:
    """Posts distinct callbacks from several threads until told to stop, and remembers the answers."""

    def __init__(self, service: Service) -> None:
        self.acknowledged: list[str] = []
        self.refused: list[int] = []
        self._service = service
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(8)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(60)

    def wait_for(self, acknowledged: int) -> None:
        while len(self.acknowledged) < acknowledged:
            assert not self._stopping.wait(0.01)

    def _run(self, thread: int) -> None:
        for number in range(100_000):
            if self._stopping.is_set():
                return
            key = f"{thread}-{number}"
            try:
                answer = self._service.post(body(delivered(f"message-{key}", key=key)))
            except httpx.TransportError:
                return  # the service is gone
            (
                self.acknowledged.append(key)
                if answer.status_code == 200
                else self.refused.append(answer.status_code)
            )


def events_of(url: str) -> list[Any]:
    return [key for (key,) in execute(url, "SELECT idempotency_key FROM events")]


def test_kill_9_under_load_loses_nothing_acknowledged_and_doubles_nothing(
    service: Service, database_url: str
) -> None:
    with Load(service) as load:
        load.wait_for(300)
        service.kill()
    service.start()
    kept = events_of(database_url)
    assert set(load.acknowledged) <= set(kept)
    assert len(kept) == len(set(kept))
    assert load.refused == []
    assert len(service.statuses()) == len(kept)


def test_sigterm_under_load_answers_every_request_that_was_read(service: Service, database_url: str) -> None:
    with Load(service) as load:
        load.wait_for(300)
        assert service.stop() == 0
    assert load.refused == []
    assert set(load.acknowledged) <= set(events_of(database_url))


def test_a_supplier_that_hangs_up_takes_nothing_back(service: Service, database_url: str) -> None:
    contents = [body(delivered(key=f"impatient-{number}")) for number in range(50)]
    for content in contents:
        headers = "".join(f"{name}: {value}\r\n" for name, value in signed(content).items())
        request = f"POST /api/status/create HTTP/1.1\r\nhost: ledger\r\ncontent-length: {len(content)}\r\n"
        with socket.create_connection(("127.0.0.1", service.port)) as connection:
            connection.sendall(f"{request}{headers}\r\n".encode() + content)
    until = time.monotonic() + 30
    while len(events_of(database_url)) < 50 and time.monotonic() < until:
        time.sleep(0.1)  # what nobody has read yet when the service stops is not its to keep
    service.stop()
    assert len(events_of(database_url)) == 50
