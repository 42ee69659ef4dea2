"""`GET /api/statuses`, of all reads the one that is asked most: one plain ASGI callable.

The framework describes it (`query/routes.py`) and can serve it; the service mostly does without.
"""

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
from query.lookups import Lookups, message_asked
from query.models import Links
from query.page import Page, fetch
from query.streams import Streams
from query.written import statuses_json

PATH = "/api/statuses"

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
        parameters = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        query = from_parameters(parameters, self._recipients, caller.sees_only)
        accepted = [value.decode("latin-1") for name, value in scope["headers"] if name == b"accept"]
        wanted = preferred(",".join(accepted))
        if wanted is not None:
            return await self._streams.answer(exported_statuses(query), wanted)
        return page_answer(PATH, parameters, query, await self._page(query), (b"vary", b"Accept"))

    async def _page(self, query: Query) -> Page:
        message_id = message_asked(query) if self._lookups is not None else None
        if self._lookups is None or message_id is None:
            return await fetch(self._database(), query)
        row = await self._lookups.find(message_id, query.client)
        return Page([] if row is None else [row], None)


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
