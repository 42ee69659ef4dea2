"""`GET /api/statuses`, of all reads the one that is asked most: one plain ASGI callable.

The framework describes it (`query/routes.py`) and can serve it; the service mostly does without.
"""

import re
from collections.abc import Awaitable, Callable, Iterable
from urllib.parse import parse_qsl, urlencode

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from eventstore.caller import Caller
from eventstore.database import Database
from eventstore.recipients import RecipientKeys
from query.export import exported_statuses
from query.filters import Query, from_parameters
from query.formats import preferred
from query.lookups import Lookups
from query.models import Links
from query.page import Page, fetch
from query.streams import Streams
from query.written import statuses_json

PATH = "/api/statuses"

_LOOKUP = re.compile(rb"messageId=([\w.~-]+)")
"""The question that is asked most, and a valid one: for a message by its id, in which nothing is escaped."""

_VARY = b"vary", b"Accept"

Headers = Iterable[tuple[bytes, bytes]]
Parameters = list[tuple[str, str]]


class Json(Response):
    """An answer of 200 in JSON that was written already."""

    def __init__(self, content: bytes, *headers: tuple[bytes, bytes]) -> None:
        """Take the JSON and further headers, and leave out what Starlette's own does to find these."""
        self.status_code = 200
        self.body = content
        self.background = None
        self.raw_headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(content)),
            *headers,
        ]

    async def __call__(self, _: Scope, __: Receive, send: Send) -> None:
        """Send it."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body})


class StatusesEndpoint:
    """The ASGI application behind the path."""

    def __init__(
        self,
        database: Callable[[], Database],
        recipients: RecipientKeys,
        admit: Callable[[Headers], Awaitable[Caller]],
        streams: Streams,
        lookups: Lookups | None,
    ) -> None:
        """Take the database (asked for at each request: it opens with the service), and who may ask.

        `admit` gives a request's caller by its headers, or raises the answer that refuses it. Without
        `lookups` every message is looked up by a statement of its own, which a trace of the request shows.
        """
        self._database = database
        self._recipients = recipients
        self._admit = admit
        self._streams = streams
        self._lookups = lookups

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; raises what refuses it, as a route does, and what psycopg raises."""
        response = await self.answer(scope, await self._admit(scope["headers"]))
        await response(scope, receive, send)

    async def answer(self, scope: Scope, caller: Caller) -> Response:
        """Return the answer to what a caller asks; raises `InvalidQuery`, 429, and what psycopg raises."""
        accepted = [value.decode("latin-1") for name, value in scope["headers"] if name == b"accept"]
        wanted = preferred(",".join(accepted))
        lookup = _LOOKUP.fullmatch(scope["query_string"])
        if lookup is not None and wanted is None and self._lookups is not None:
            row = await self._lookups.find(lookup[1].decode(), caller.sees_only)
            return Json(statuses_json([] if row is None else [row]), _VARY)
        parameters = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        query = from_parameters(parameters, self._recipients, caller.sees_only)
        if wanted is not None:
            return await self._streams.answer(exported_statuses(query), wanted)
        return page_answer(PATH, parameters, query, await fetch(self._database(), query), _VARY)


def page_answer(
    path: str, parameters: Parameters, query: Query, page: Page, *headers: tuple[bytes, bytes]
) -> Json:
    """Return the answer to what a URL asked for, with the way to the next page where one follows."""
    if page.cursor is None:
        return Json(statuses_json(page.rows), *headers)
    asked = urlencode({**dict(parameters), "limit": query.filters.limit, "cursor": page.cursor})
    links = Links(next=f"{path}?{asked}", cursor=page.cursor)
    link = f'<{links.next}>; rel="next"'.encode("latin-1")
    return Json(statuses_json(page.rows, links), *headers, (b"link", link))
