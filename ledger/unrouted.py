"""Serves one endpoint without the framework's layers and router between, as if they were there.

They take six times as long as the server itself: `GET /api/statuses` is asked too often for that.
"""

from collections.abc import Mapping
from typing import Any

from starlette.middleware.errors import ServerErrorMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.types import ASGIApp, ExceptionHandler, Message, Receive, Scope, Send

from ledger.telemetry.requests import Requests


class Unrouted:
    """The endpoint: its errors are answered as those of any route, its requests measured like all others."""

    def __init__(
        self, endpoint: ASGIApp, handlers: Mapping[Any, ExceptionHandler], requests: Requests
    ) -> None:
        """Take the endpoint, what answers the application's errors, by their class, and what measures."""
        self._endpoint = endpoint
        self._handlers = handlers
        self._requests = requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; an error that nothing foresees is answered and raised too, for the server."""
        code: int | None = None
        failure: BaseException | None = None

        async def watched(message: Message) -> None:
            nonlocal code
            if message["type"] == "http.response.start":
                code = message["status"]
            await send(message)

        began = self._requests.begin()
        try:
            try:
                await self._endpoint(scope, receive, watched)
            except Exception as error:
                if code is not None:
                    raise  # an answer that has begun breaks off
                await self._answering(error)(scope, receive, watched)
        except BaseException as error:
            failure = error
            raise
        finally:
            self._requests.end(began, scope, code, failure)

    def _answering(self, error: Exception) -> ASGIApp:
        """Return an application within the framework's layers that raises the error."""

        async def failed(*_: object) -> None:
            raise error

        foreseen = {of: handler for of, handler in self._handlers.items() if of is not Exception}
        return ServerErrorMiddleware(ExceptionMiddleware(failed, foreseen), handler=self._handlers[Exception])
