"""`POST /api/status/create`, the hot path: one plain ASGI callable, no framework between it and the bytes.

It reads the raw body once, hands it to the recorder, and answers after the commit. A callback whose body
is all there is taken without a task of its own, and answered by whoever commits it.
"""

import json
import random
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol
from uuid import UUID

import structlog
from starlette.types import Receive, Scope, Send

from eventstore.appender import Recorded
from eventstore.events import Delivery
from eventstore.group_commit import Overloaded
from ingest.quarantine import QuarantineFull
from ingest.recorder import Outcome, Received, Recorder, Verdict, new_request_id, utc_now
from ingest.signature import decode_signature

PATH = "/api/status/create"

RETRY_AFTER = range(5, 61)
"""Seconds after which a supplier that was told 429 may come back; spread, so that not all do at once."""

log = structlog.get_logger()


SECURITY = [
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
]
"""What every answer tells a browser, should one ever show it: run nothing, frame nothing, guess nothing."""


def as_sent(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return header fields as HTTP/1.1 sends them, a line each."""
    return b"".join(b"%b: %b\r\n" % field for field in headers)


class Answer:
    """A status code and a JSON body `{"status": …}`."""

    __slots__ = ("body", "code", "fields", "headers")

    def __init__(self, code: int, status: str) -> None:
        """Encode the answer once."""
        self.code = code
        self.body = json.dumps({"status": status}).encode()
        self.headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(self.body)).encode()),
            (b"cache-control", b"no-store"),
            *SECURITY,
        ]
        self.fields = as_sent(self.headers)
        """The headers as they are sent."""


RECORDED = Answer(200, "success")
INVALID_API_KEY = Answer(401, "Invalid API key")
INVALID_SIGNATURE = Answer(403, "Invalid signature")
TOO_LARGE = Answer(413, "Request body too large")
ENCODED = Answer(415, "Unsupported content encoding")
TOO_MANY = Answer(429, "Too many requests")
FAILED = Answer(500, "error")

STATUSES = (200, 401, 403, 413, 415, 422, 429, 500)
"""What a callback may be answered."""

_ANSWERS = {
    Verdict.RECORDED: RECORDED,
    Verdict.INVALID_API_KEY: INVALID_API_KEY,
    Verdict.INVALID_SIGNATURE: INVALID_SIGNATURE,
}


class HungUp(Exception):
    """The supplier went away before its body was complete."""


class TooLarge(Exception):
    """The body is larger than it may be."""


Headers = list[tuple[bytes, bytes]]

Answered = Callable[[Answer, Headers], None]
"""Is told the answer to a request, and the headers that are this answer's alone."""


class Trace(Protocol):
    """The trace of one callback."""

    def end(self, code: int | None) -> None:
        """End it with the status that was answered; None where nobody waited for an answer."""


class CallbackEndpoint:
    """The ASGI application behind the path."""

    def __init__(
        self,
        recorder: Callable[[], Recorder],
        key_is_known: Callable[[bytes], bool],
        max_body_bytes: int,
        trace: Callable[[bytes, UUID], Trace | None] = lambda *_: None,
    ) -> None:
        """Take the recorder (asked for at each request: it opens with the service), and the API keys.

        `trace` begins the trace of a callback with a known key that bears a `traceparent`.
        """
        self._trace = trace
        self.answered = dict.fromkeys(STATUSES, 0)
        """How many callbacks were answered, by HTTP status."""
        self._recorder = recorder
        self._key_is_known = key_is_known
        self.max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            answer, headers = await self.answer(scope["headers"], lambda: _read(receive, self.max_body_bytes))
        except HungUp:
            return
        headers = [*answer.headers, *headers]
        await send({"type": "http.response.start", "status": answer.code, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    async def answer(
        self, sent: Iterable[tuple[bytes, bytes]], read: Callable[[], Awaitable[bytes]]
    ) -> tuple[Answer, Headers]:
        """Return the answer to a request, and its own headers, after the commit of what is kept of it.

        `sent` are the request's headers, names in lower case; `read` returns its body, and is not called
        where the headers decide. Raises nothing but what `read` raises for a supplier that hung up.
        """
        received_at = utc_now()
        request_id = new_request_id(received_at)
        keys, signatures, lengths, encoded, parent = _headers(sent)
        key_is_known = len(keys) == 1 and self._key_is_known(keys[0])
        trace = self._trace(parent, request_id) if parent is not None and key_is_known else None
        signature = signatures[0] if len(signatures) == 1 else None
        answer: Answer | None = None
        try:
            recorder = self._recorder()
            answer = self._refusal(
                recorder,
                encoded=encoded,
                key_is_known=key_is_known,
                signature=signature,
                announced=_announced(lengths),
            )
            if answer is None:
                outcome = await recorder.record(
                    Received(request_id, received_at, key_is_known, signature, await read())
                )
                answer = _ANSWERS.get(outcome.verdict) or _unprocessable(outcome)
        except HungUp:
            raise
        except TooLarge:
            answer = TOO_LARGE if key_is_known else INVALID_API_KEY
        except Exception as error:
            answer = _failure(request_id, error)
        finally:
            if trace is not None:
                trace.end(answer.code if answer is not None else None)
        return answer, self.headers_of(request_id, answer)

    def take(self, sent: Iterable[tuple[bytes, bytes]], body: bytes, answered: Answered) -> bool:
        """Do as `answer`, and tell `answered` once, from the commit or at once; return whether it was taken.

        `body` is no larger than it may be. What is to be traced or quarantined is not taken: it is for
        `answer`, and nothing has become of it.
        """
        received_at = utc_now()
        keys, signatures, _, encoded, parent = _headers(sent)
        if parent is not None:
            return False
        key_is_known = len(keys) == 1 and self._key_is_known(keys[0])
        signature = signatures[0] if len(signatures) == 1 else None
        request_id = new_request_id(received_at)
        try:
            recorder = self._recorder()
            answer = self._refusal(
                recorder, encoded=encoded, key_is_known=key_is_known, signature=signature, announced=len(body)
            )
            if answer is None:
                judged = recorder.judge(Received(request_id, received_at, key_is_known, signature, body))
                if isinstance(judged, Delivery):
                    recorder.offer(judged, _UnderWay(self, recorder, judged, answered))
                    return True
                if not isinstance(judged, Outcome):
                    return False
                answer = _ANSWERS[judged.verdict]
        except Exception as error:
            answer = _failure(request_id, error)
        answered(answer, self.headers_of(request_id, answer))
        return True

    def headers_of(self, request_id: UUID, answer: Answer) -> Headers:
        """Count an answer that is about to be given, and return the headers that are this one's alone."""
        self.answered[answer.code] += 1
        headers = [(b"x-request-id", str(request_id).encode())]
        if answer is TOO_MANY:
            headers.append((b"retry-after", str(random.choice(RETRY_AFTER)).encode()))  # noqa: S311 - jitter
        return headers

    def _refusal(
        self,
        recorder: Recorder,
        *,
        encoded: bool,
        key_is_known: bool,
        signature: bytes | None,
        announced: int,
    ) -> Answer | None:
        """Return the answer that is due before the body is read, in the contract's order, if one is.

        A request with an unknown key is still read where its signature may prove it.
        """
        if encoded:
            return ENCODED
        if not key_is_known and decode_signature(signature) is None:
            return INVALID_API_KEY
        if announced > self.max_body_bytes:
            return TOO_LARGE if key_is_known else INVALID_API_KEY
        if key_is_known and recorder.full:
            return TOO_MANY
        return None


class _UnderWay:
    """A callback that waits for its commit, and is told of it as a future would be."""

    __slots__ = ("_answered", "_delivery", "_endpoint", "_recorder")

    def __init__(
        self, endpoint: CallbackEndpoint, recorder: Recorder, delivery: Delivery, answered: Answered
    ) -> None:
        self._endpoint = endpoint
        self._recorder = recorder
        self._delivery = delivery
        self._answered = answered

    def done(self) -> bool:
        """Return False: whoever hung up may be told all the same."""
        return False

    def set_result(self, recorded: Recorded) -> None:
        """Answer after the commit."""
        try:
            outcome = self._recorder.outcome_of(self._delivery, recorded)
            answer = _ANSWERS.get(outcome.verdict) or _unprocessable(outcome)
        except Exception as error:
            answer = _failure(self._delivery.entry.entry_id, error)
        self._answer(answer)

    def set_exception(self, error: Exception) -> None:
        """Answer that there was no commit."""
        self._answer(_failure(self._delivery.entry.entry_id, error))

    def _answer(self, answer: Answer) -> None:
        self._answered(answer, self._endpoint.headers_of(self._delivery.entry.entry_id, answer))


def _failure(request_id: UUID, error: Exception) -> Answer:
    """Return the answer to a callback that was not kept, and log why."""
    if isinstance(error, Overloaded | QuarantineFull):
        log.warning("callback.turned_away", request_id=str(request_id), reason=type(error).__name__)
        return TOO_MANY
    log.error("callback.failed", request_id=str(request_id), exc_info=error)
    return FAILED


def _unprocessable(outcome: Outcome) -> Answer:
    return Answer(Verdict.UNPROCESSABLE.value, outcome.reason)


def _headers(
    headers: Iterable[tuple[bytes, bytes]],
) -> tuple[list[bytes], list[bytes], list[bytes], bool, bytes | None]:
    """Return the API keys, signatures and lengths that were sent, whether encoded, and the trace."""
    keys: list[bytes] = []
    signatures: list[bytes] = []
    lengths: list[bytes] = []
    encoded = False
    parent: bytes | None = None
    for name, value in headers:
        if name == b"x-api-key":
            keys.append(value)
        elif name == b"x-hmac-sha256-signature":
            signatures.append(value)
        elif name == b"content-length":
            lengths.append(value)
        elif name == b"content-encoding":
            encoded = True
        elif name == b"traceparent":
            parent = value
    return keys, signatures, lengths, encoded, parent


def _announced(lengths: list[bytes]) -> int:
    """Return the announced length of the body in bytes, 0 where it is not (the server checks its form)."""
    return int(lengths[0]) if len(lengths) == 1 and lengths[0].isdigit() else 0


async def _read(receive: Receive, limit: int) -> bytes:
    """Return the raw body of at most `limit` bytes; raises `TooLarge` as soon as it is, and `HungUp`."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise HungUp
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise TooLarge
        chunks.append(chunk)
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)
