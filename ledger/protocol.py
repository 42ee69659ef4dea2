"""The short way for callbacks: no ASGI messages from the socket to the endpoint.

A callback as plain as all of Notify's (small, its length told, nothing pipelined, no expectation) is
answered here, mostly without a task; every other request takes uvicorn's own way, to the same endpoint. The
bounds of `ledger/bounds.py` are kept either way: they cost a plain callback a few comparisons.
"""

from typing import Any

from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT

from ingest.endpoint import PATH, Answer, CallbackEndpoint, Headers
from ledger.bounds import BoundedProtocol

_PATH = PATH.encode()

SMALL = HIGH_WATER_LIMIT
"""Bytes of a body up to which uvicorn reads on without being asked to."""


class _NoEvent:
    """Takes the place of the event that an ASGI application would wait for."""

    def set(self) -> None:
        """Do nothing: nobody waits."""


_NO_EVENT = _NoEvent()


class Callback:
    """A callback under way, with what uvicorn asks of the request of a connection."""

    __slots__ = ("_protocol", "body", "disconnected", "keep_alive", "more_body", "response_complete")

    message_event = _NO_EVENT

    def __init__(self, protocol: "CallbackProtocol") -> None:
        """Start without a body."""
        self._protocol = protocol
        self.body: bytes | bytearray = b""
        """What came of the body: mostly one piece."""
        self.more_body = True
        self.disconnected = False
        self.keep_alive = True
        self.response_complete = False

    async def read(self) -> bytes:
        """Return the body, which is all there."""
        return bytes(self.body)

    def answered(self, answer: Answer, headers: Headers) -> None:
        """Answer, if anybody still listens."""
        if not self.disconnected:
            self._protocol.answer(self, answer, headers)


class CallbackProtocol(BoundedProtocol):
    """One connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Find the endpoint; where the application is not ours alone, there is no short way."""
        super().__init__(*args, **kwargs)
        self._endpoint: CallbackEndpoint | None = getattr(self.app, "callbacks", None)

    def on_headers_complete(self) -> None:
        """Take the short way where the request is a plain callback."""
        self.check_lines()
        if self.url == _PATH and self._endpoint is not None and self._is_plain_post(self._endpoint):
            self.under_way = callback = Callback(self)
            self.cycle = callback  # type: ignore[assignment]  # as much of one as uvicorn needs
            return
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        cycle: Any = self.cycle
        if type(cycle) is not Callback:
            super().on_body(body)
            return
        self._lines = 0
        if cycle.body:
            cycle.body = bytearray(cycle.body) if type(cycle.body) is bytes else cycle.body
            cycle.body += body
        else:
            cycle.body = body

    def on_message_complete(self) -> None:
        """Answer a plain callback, whose body is complete."""
        callback: Any = self.cycle
        callback.more_body = False
        if self._endpoint is None or type(callback) is not Callback or callback.response_complete:
            super().on_message_complete()
            return
        self._whole = True
        if self._endpoint.take(self.headers, bytes(callback.body), callback.answered):
            return
        task = self.loop.create_task(self._answer(self._endpoint, callback, self.headers))
        self.tasks.add(task)  # for uvicorn to wait for when it stops
        task.add_done_callback(self.tasks.discard)

    def answer(self, callback: Callback, answer: Answer, headers: Headers) -> None:
        """Answer the callback under way, and be ready for another."""
        self.write(answer, headers, keep_alive=callback.keep_alive)
        callback.response_complete = True
        if not callback.keep_alive:  # the service stops, or the supplier has said all
            self.transport.close()
        self.on_response_complete()

    def _is_plain_post(self, endpoint: CallbackEndpoint) -> bool:
        parser = self.parser
        if (
            parser.get_method() != b"POST"
            or parser.get_http_version() != "1.1"
            or not parser.should_keep_alive()
            or parser.should_upgrade()
            or self.expect_100_continue
            or self.flow.write_paused
            or (self.cycle is not None and not self.cycle.response_complete)
        ):
            return False
        lengths = [value for name, value in self.headers if name == b"content-length"]
        return (
            len(lengths) == 1
            and lengths[0].isdigit()
            and int(lengths[0]) <= min(SMALL, endpoint.max_body_bytes)
        )

    async def _answer(self, endpoint: CallbackEndpoint, callback: Callback, sent: Headers) -> None:
        callback.answered(*await endpoint.answer(sent, callback.read))
