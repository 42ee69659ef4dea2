"""Connections to a service that cost the same however many there are."""

import asyncio

import httpx


class Lines(httpx.AsyncBaseTransport):
    """So many connections, each kept open for whichever request comes next.

    httpx's own pool looks at all its connections whenever a request begins or ends: with 16 of them that
    costs as much as the rest of the request. Here each connection is a pool by itself.
    """

    def __init__(self, count: int) -> None:
        """Take how many requests can be under way at once; further ones wait for a free line."""
        one = httpx.Limits(max_connections=1, max_keepalive_connections=1)
        trusted = httpx.create_ssl_context()  # reads the certificates of all authorities: once is enough
        self._lines = [httpx.AsyncHTTPTransport(verify=trusted, limits=one) for _ in range(count)]
        self._free: asyncio.LifoQueue[httpx.AsyncHTTPTransport] = asyncio.LifoQueue()
        for line in self._lines:
            self._free.put_nowait(line)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return the answer, read to its end: so the line is free again."""
        line = await self._free.get()
        try:
            answer = await line.handle_async_request(request)
            try:
                body = b"".join([part async for part in answer.aiter_raw()])
            finally:
                await answer.aclose()
        finally:
            self._free.put_nowait(line)
        return httpx.Response(answer.status_code, headers=answer.headers, content=body)

    async def aclose(self) -> None:
        """Hang up."""
        for line in self._lines:
            await line.aclose()
