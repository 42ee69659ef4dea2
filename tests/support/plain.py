"""Posts callbacks in process as the service's own HTTP protocol does: to `take`, without ASGI between."""

import asyncio

import httpx

from ingest.endpoint import PATH, Answer, Headers
from ledger.app import StatusLedger
from ledger.protocol import SMALL


class PlainTransport(httpx.ASGITransport):
    """Has plain callbacks taken; every other request, and what is not taken, goes by ASGI."""

    def __init__(self, application: StatusLedger) -> None:
        """Take the application, which is open."""
        super().__init__(application, raise_app_exceptions=False)
        self._endpoint = application.callbacks
        self.taken = 0
        """How many callbacks did not go by ASGI."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return the answer."""
        plain = request.method == "POST" and request.url.path == PATH and "content-length" in request.headers
        if not plain or len(content := await request.aread()) > SMALL:
            return await super().handle_async_request(request)
        told: asyncio.Future[tuple[Answer, Headers]] = asyncio.get_running_loop().create_future()
        sent = [(name.lower(), value) for name, value in request.headers.raw]
        if not self._endpoint.take(sent, content, lambda answer, own: told.set_result((answer, own))):
            return await super().handle_async_request(request)
        self.taken += 1
        answer, own = await told
        return httpx.Response(answer.code, headers=[*answer.headers, *own], content=answer.body)
