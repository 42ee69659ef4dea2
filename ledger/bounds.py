"""uvicorn's HTTP protocol, with a bound to whatever a stranger may send, and to how long it may take.

uvicorn leaves open how many lines stand beside a body, how many requests are sent ahead of their answers, and
how long a request, or the reading of an answer, takes. It reads trailers as headers, and what follows an
upgrade as the next request; and it tells the last request of a lost connection, not the one under way.
"""

from asyncio import TimerHandle
from typing import Any

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from ingest.endpoint import Answer, Headers, as_sent
from ingest.recorder import new_request_id, utc_now

MOST_LINES = 32 * 1024
"""Bytes that the lines of a request may have: what stands before its body, and of chunks beside it."""

MOST_FIELDS = 100
"""Header fields that a request may have."""

MOST_PIPELINED = 64
"""Requests that a connection may send ahead of their answers."""

PATIENCE = 30.0
"""Seconds in which a request must be here, or its answer taken, once it was begun."""

PACE = 256 * 1024
"""Bytes of a body, or of an answer, that win another `PATIENCE`."""

MALFORMED = Answer(400, "Bad Request")
TOO_MANY_LINES = Answer(431, "Request Header Fields Too Large")


class Refused(Exception):
    """The request is not read any further."""


class _NoTrailers(list[tuple[bytes, bytes]]):
    """Takes what is sent as header fields after the body, and forgets it: nothing may be decided by them."""

    def append(self, _: tuple[bytes, bytes]) -> None:
        """Forget a field."""


class _OfEveryAnswer:
    """The fields that uvicorn gives every answer, as they are sent; the list is another each second."""

    def __init__(self) -> None:
        self._fields: Headers = []
        self._sent = b""

    def as_sent(self, fields: Headers) -> bytes:
        """Return the fields as they are sent."""
        if fields is not self._fields:
            self._fields, self._sent = fields, as_sent(fields)
        return self._sent


_OF_EVERY_ANSWER = _OfEveryAnswer()


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Expect nothing yet."""
        super().__init__(*args, **kwargs)
        self.under_way: Any = None
        """The request that is answered now, or was last; `cycle` is the one that came last."""
        self._refusal = MALFORMED
        self._lines = 0
        """Bytes that came since the last of a body, at least those of lines among them."""
        self._arrived = 0
        """Bytes of a large body since its deadline was last put off."""
        self._whole = False
        """Whether what came last ends with the end of a request."""
        self._ends = False
        """Whether nothing is read any more, and the connection ends with the answers that are due."""
        self._idle_since = 0.0
        """When the last answer was given, by the loop's clock."""
        self._idle: TimerHandle | None = None
        """Looks whether the connection is idle: one timer, where uvicorn sets another for each answer."""
        self._deadline: TimerHandle | None = None
        self._reading: TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Expect a first request."""
        super().connection_made(transport)
        self._expect_the_rest()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadlines, and have nobody answer to a connection that is gone."""
        super().connection_lost(exc)
        if self.under_way is not None and not self.under_way.response_complete:
            self.under_way.disconnected = True
            self.under_way.message_event.set()
        for timer in (self._deadline, self._reading, self._idle):
            if timer is not None:
                timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Read on; from the first piece of a request until its last the deadline runs."""
        if self._ends:
            return
        self._lines += len(data)
        self._whole = False
        super().data_received(data)
        cycle = self.cycle
        if not self._whole and (cycle is None or cycle.more_body or cycle.response_complete):
            self._expect_the_rest()
            return
        self._lines = 0
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def eof_received(self) -> bool:  # type: ignore[override]  # what asyncio asks for
        """Return whether to stay open: whoever has said all may still listen to the answer."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            return False
        if cycle.more_body:
            return self._end_with_those_before()
        cycle.keep_alive = False
        return True

    def on_headers_complete(self) -> None:
        """Begin with the answer; raise `Refused` past a bound."""
        self.check_lines()
        if len(self.pipeline) >= MOST_PIPELINED:
            raise Refused
        upgraded = self.parser.should_upgrade()
        if upgraded and {name for name, _ in self.headers} & {b"content-length", b"transfer-encoding"}:
            raise Refused  # the parser would take the body for the next request
        self._tell_asgi()
        super().on_headers_complete()
        self.headers = _NoTrailers()
        if upgraded:  # to nothing: the request is answered, and what follows it is not read
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        self._lines = 0
        self._arrived += len(body)
        super().on_body(body)

    def on_message_begin(self) -> None:
        """Read another request; what ASGI is told of it waits until it needs to be."""
        self._whole = False
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_message_complete(self) -> None:
        """Note that the request is whole."""
        self._whole = True
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, but not in the place of an answer to another before it."""
        cycle: Any = self.cycle
        if cycle is not None and not cycle.response_complete:
            if not cycle.more_body:  # whole requests are answered, what follows them is not read
                cycle.keep_alive = False
                self.transport.pause_reading()
                return
            if self._end_with_those_before():
                self.transport.pause_reading()
                return
            cycle.disconnected = True  # whoever answers it already is not heard
            cycle.message_event.set()
            if getattr(cycle, "response_started", False):
                self.transport.close()
                return
        request_id = (b"x-request-id", str(new_request_id(utc_now())).encode())
        self.write(self._refusal, [request_id], keep_alive=False)
        self.transport.close()

    def pause_writing(self) -> None:
        """Have the rest of the answer taken in time."""
        super().pause_writing()
        self._expect_reader(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        """Find the answer taken."""
        super().resume_writing()
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def on_response_complete(self) -> None:
        """Go on with the next request, if it is here; no answer waits for its reader for ever."""
        if self._ends and not self.pipeline:
            self.transport.close()
        if self.pipeline or self.transport.is_closing():
            super().on_response_complete()
            if self.transport.is_closing():
                self._leave()
            return
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        self._idle_since = self.loop.time()
        if self._idle is None:
            self._idle = self.loop.call_later(self.timeout_keep_alive, self._check_idle)

    def give_up(self) -> None:
        """Close a connection whose request has not come; with no answer, so that its sender tries again."""
        self._deadline = None
        discarded = self.cycle is not None and self.cycle.response_complete
        if self.flow.read_paused or (self._arrived >= PACE and not discarded):
            self._expect_the_rest()
        else:
            self._leave()

    def check_lines(self) -> None:
        """Raise `Refused` where the lines are too many indeed, and not a body that came with them."""
        if self._lines <= MOST_LINES and len(self.headers) <= MOST_FIELDS:
            return
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > MOST_LINES or len(self.headers) > MOST_FIELDS:
            self._refusal = TOO_MANY_LINES
            raise Refused

    def write(self, answer: Answer, headers: Headers, *, keep_alive: bool) -> None:
        """Write an answer of our own, with the fields that are its alone."""
        self.transport.write(
            b"".join(
                (
                    STATUS_LINE[answer.code],
                    _OF_EVERY_ANSWER.as_sent(self.server_state.default_headers),
                    answer.fields,
                    as_sent(headers),
                    b"\r\n" if keep_alive else b"connection: close\r\n\r\n",
                    answer.body,
                )
            )
        )

    def _end_with_those_before(self) -> bool:
        """Give up what came last; return whether whole requests before it are to be answered."""
        if not self.pipeline:
            return False
        self.pipeline.popleft()
        self._ends = True
        return True

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self.under_way = cycle
        super()._start_asgi_task(cycle, app)

    def _tell_asgi(self) -> None:
        """Make the scope that uvicorn makes where a request begins."""
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers += headers

    def _unsupported_upgrade_warning(self) -> None:
        """Say nothing: a stranger would fill the log."""

    def _expect_the_rest(self) -> None:
        if self.transport.is_closing():
            return
        if self._lines > MOST_LINES:
            self._refusal = TOO_MANY_LINES
            self.send_400_response("")
        elif self._deadline is None:
            self._arrived = 0
            self._deadline = self.loop.call_later(PATIENCE, self.give_up)

    def _check_idle(self) -> None:
        self._idle = None
        answered = self.cycle is None or self.cycle.response_complete
        if not answered or self._deadline is not None:  # whoever answers it looks after the connection
            return
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._idle = self.loop.call_later(left, self._check_idle)
        else:
            self._leave()

    def _expect_reader(self, size: int) -> None:
        self._reading = self.loop.call_later(PATIENCE, self._check_reader, size)

    def _check_reader(self, before: int) -> None:
        size = self.transport.get_write_buffer_size()
        if size > before - PACE:
            self.transport.abort()
        else:
            self._expect_reader(size)

    def _leave(self) -> None:
        self.transport.close()
        if self._reading is None and self.transport.get_write_buffer_size():
            self._reading = self.loop.call_later(PATIENCE, self.transport.abort)
