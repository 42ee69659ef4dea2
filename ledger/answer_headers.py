"""The headers that all answers bear but those to callbacks, which write their own."""

import random

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ingest import endpoint
from ledger.telemetry.propagation import borne_by


class AnswerHeaders:
    """Middleware: `X-Request-Id` on every answer, and what keeps it private unless it says otherwise."""

    def __init__(self, app: ASGIApp, *, over_https: bool) -> None:
        """Wrap an application, and say whether browsers must come by HTTPS from then on."""
        self._app = app
        self._headers = [(b"cache-control", b"no-store"), *endpoint.SECURITY]
        if over_https:
            self._headers.append((b"strict-transport-security", b"max-age=63072000"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request under a fresh id, which its log lines bear too."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _random_uuid()

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                said = {name for name, _ in message["headers"]}
                told = [header for header in self._headers if header[0] not in said]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode()), *told]
            await send(message)

        structlog.contextvars.bind_contextvars(request_id=request_id)
        try:
            with borne_by(scope["headers"]):
                await self._app(scope, receive, send_with_headers)
        finally:
            structlog.contextvars.clear_contextvars()  # of the caller too: the next request is another's


def _random_uuid() -> str:
    """Return a UUID of version 4 as text: unique, and no secret. `uuid4` takes three times as long."""
    digits = f"{random.getrandbits(128):032x}"
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
