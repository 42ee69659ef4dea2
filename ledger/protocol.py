"""uvicorn's HTTP protocol with a short way for callbacks: no ASGI messages from the socket to the endpoint.

A callback as plain as all of Notify's (small, its length told, nothing pipelined, no expectation) is
answered here; every other request takes uvicorn's own way, to the same endpoint.
"""

from typing import Any

from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from ingest.endpoint import PATH, CallbackEndpoint, Headers

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

    __slots__ = ("body", "disconnected", "keep_alive", "more_body", "response_complete")

    message_event = _NO_EVENT

    def __init__(self) -> None:
        """Start without a body."""
        self.body = bytearray()
        self.more_body = True
        self.disconnected = False
        self.keep_alive = True
        self.response_complete = False

    async def read(self) -> bytes:
        """Return the body, which is all there."""
        return bytes(self.body)


class CallbackProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Find the endpoint; where the application is not ours alone, there is no short way."""
        super().__init__(*args, **kwargs)
        self._endpoint: CallbackEndpoint | None = getattr(self.app, "callbacks", None)

    def on_headers_complete(self) -> None:
        """Take the short way where the request is a plain callback."""
        if self.url == _PATH and self._endpoint is not None and self._is_plain_post(self._endpoint):
            self.cycle = Callback()  # type: ignore[assignment]  # as much of one as uvicorn needs
        else:
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Answer a plain callback, whose body is complete."""
        callback: Any = self.cycle
        if self._endpoint is None or type(callback) is not Callback or callback.response_complete:
            super().on_message_complete()
            return
        callback.more_body = False
        task = self.loop.create_task(self._answer(self._endpoint, callback, self.headers))
        self.tasks.add(task)  # for uvicorn to wait for when it stops
        task.add_done_callback(self.tasks.discard)

    def _is_plain_post(self, endpoint: CallbackEndpoint) -> bool:
        parser = self.parser
        if (
            parser.get_method() != b"POST"
            or parser.get_http_version() != "1.1"
            or not parser.should_keep_alive()
            or parser.should_upgrade()
            or self.expect_100_continue
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
        answer, headers = await endpoint.answer(sent, callback.read)
        if callback.disconnected:
            return
        parts = [STATUS_LINE[answer.code]]
        for name, value in self.server_state.default_headers:
            parts += (name, b": ", value, b"\r\n")
        for name, value in headers:
            parts += (name, b": ", value, b"\r\n")
        parts.append(b"\r\n" if callback.keep_alive else b"connection: close\r\n\r\n")
        parts.append(answer.body)
        self.transport.write(b"".join(parts))
        callback.response_complete = True
        if not callback.keep_alive:  # the service stops
            self.transport.close()
        self.on_response_complete()
