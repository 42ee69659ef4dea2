"""Suppliers that post and clients that read, all at once, and what they must never see."""

import random
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from tests.support.service import Service
from tests.support.supplier import body, delivered

LIFE = ("created", "sending", "delivered", "read")
"""The channel statuses of a message, as time goes on."""


class Traffic:
    """Posts lives of messages step by step, some callbacks twice, and reads them, while the block lasts.

    What is wrong is kept in `wrong`: a callback that is not answered 200, a read that fails, finds nothing,
    or finds less than was acknowledged or read before.
    """

    def __init__(self, service: Service, *, writers: int = 4, readers: int = 2) -> None:
        self.acknowledged: dict[str, int] = {}
        """How far the life of each message is known to have come, at least."""
        self.keys: set[str] = set()
        """The keys of all callbacks that were acknowledged."""
        self.reads = 0
        self.wrong: list[Any] = []
        self._service = service
        self._stopping = threading.Event()
        self._pool = ThreadPoolExecutor(writers + readers)
        self._writers, self._readers = writers, readers
        self._running: list[Future[None]] = []

    def __enter__(self) -> "Traffic":
        self._running = [
            *(self._pool.submit(self._write, number) for number in range(self._writers)),
            *(self._pool.submit(self._read, number) for number in range(self._readers)),
        ]
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for one in self._running:
            one.result(120)
        self._pool.shutdown()

    def go_on(self, callbacks: int = 50, reads: int = 20) -> None:
        """Return when so many more callbacks were acknowledged, and so many more reads answered."""
        acknowledged, read = len(self.keys) + callbacks, self.reads + reads
        while len(self.keys) < acknowledged or self.reads < read:
            assert not any(one.done() for one in self._running), self.wrong
            time.sleep(0.01)  # nothing tells of it

    def _write(self, writer: int) -> None:
        dice = random.Random(writer)  # noqa: S311 - no secret
        for number in range(1_000_000):
            message = f"message-{writer}-{number}"
            for second, status in enumerate(LIFE):
                key = f"{message}-{status}"
                told = delivered(
                    message, key=key, channelStatus=status, timestamp=f"2026-11-23T09:00:0{second}Z"
                )
                for _ in range(dice.choice([1, 1, 1, 2])):
                    if self._stopping.is_set():
                        return
                    answer = self._service.post(body(told))
                    if answer.status_code != 200:
                        self.wrong.append((key, answer.status_code, answer.text))
                self.keys.add(key)
                self.acknowledged[message] = second

    def _read(self, reader: int) -> None:
        dice = random.Random(reader)  # noqa: S311 - no secret
        seen: dict[str, int] = {}
        while not self._stopping.is_set():
            known = dict(self.acknowledged)
            if not known:
                continue
            message = dice.choice(list(known)[-8:])
            least = max(known[message], seen.get(message, 0))
            try:
                (record,) = self._service.statuses(messageId=message)
                page = self._service.statuses(limit=50)
            except (AssertionError, ValueError) as error:
                self.wrong.append((message, error))
                continue
            seen[message] = LIFE.index(record["channelStatus"])
            if seen[message] < least:
                self.wrong.append((message, LIFE[least], record))
            if len(page) < min(len(known), 50):
                self.wrong.append(("a short page", len(page), len(known)))
            self.reads += 1
