"""The HTTP routes with which clients read statuses, and what the auditors' routes share with them."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, HTTPException, Request, Response

from eventstore.caller import Caller, Scope
from eventstore.database import Database
from eventstore.recipients import RecipientKeys
from query import cursors
from query.export import exported_statuses
from query.filters import Filters, Query, from_json, from_parameters
from query.formats import Format, preferred
from query.models import Links, Record, Statuses
from query.openapi import ANSWERS, body_of, parameters_of, refused
from query.page import fetch
from query.streams import Streams

LARGEST_SEARCH = 64 * 1024
"""Bytes that the body of a search may have."""

STATUSES = "/api/statuses"
SEARCH = "/api/statuses/search"

Require = Callable[[Scope], Callable[..., Awaitable[Caller]]]
"""Makes the dependency that gives a route its caller, or answers 401 unless its key opens the scope."""


_STREAMED = {
    200: {
        "content": {
            Format.CSV: {"schema": {"type": "string"}},
            Format.NDJSON: {"schema": {"$ref": "#/components/schemas/Record"}},
        }
    },
    **refused(429, "Too many requests"),
}
_INVALID_QUERY = refused(
    422,
    "limit: must be a whole number from 1 to 10000",
    "createdAfter: must be a date (2026-11-23) or a time (2026-11-23T09:15:02Z)",
    "cursor: not one that this service gave for these filters",
)


def routes(
    database: Callable[[], Database], recipients: RecipientKeys, require: Require, *, most_streams: int
) -> APIRouter:
    """Return the routes over `database` (asked for at each request: it opens with the service).

    A client sees its own messages or, with a key that sees all, every client's.
    At most so many answers are streamed at a time.
    """
    router, streams = APIRouter(), Streams(database, most_streams)
    client = require(Scope.STATUSES_READ)

    @router.get(
        STATUSES,
        response_model=Statuses,
        response_model_exclude_unset=True,
        responses={**ANSWERS, **_INVALID_QUERY, **_STREAMED},
        openapi_extra={"parameters": parameters_of(Filters)},
        summary="Current statuses, by filter and page",
    )
    async def get_statuses(
        request: Request, response: Response, caller: Annotated[Caller, Depends(client)]
    ) -> Any:
        """One record a message: its latest status; with `channel`, its latest on that channel.

        Newest first, ties by `message_id`. A read that starts after a callback was answered 200 sees
        it. An unknown or repeated parameter is refused; a value that no record has gives an empty list.
        With `Accept: text/csv` or `application/x-ndjson` the same records are streamed, all of them unless
        `limit` is given; an answer that breaks off is not complete.
        """
        query = from_parameters(request.query_params.multi_items(), recipients, caller.sees_only)
        wanted = preferred(",".join(request.headers.getlist("accept")))
        if wanted is not None:
            return await streams.answer(exported_statuses(query), wanted)
        response.headers["Vary"] = "Accept"
        records, cursor = await page(database(), query)
        if cursor is None:
            return Statuses.model_construct(status="success", data=records)
        links = following(STATUSES, request, query, cursor)
        response.headers["Link"] = f'<{links.next}>; rel="next"'
        return Statuses.model_construct(status="success", data=records, links=links)

    @router.post(
        SEARCH,
        response_model=Statuses,
        response_model_exclude_unset=True,
        responses={**ANSWERS, **_INVALID_QUERY, **refused(413, "Request body too large")},
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": body_of(Filters)}},
            }
        },
        summary="The same, with the filters as JSON",
    )
    async def search_statuses(request: Request, caller: Annotated[Caller, Depends(client)]) -> Statuses:
        """Take the filters of `GET /api/statuses` as JSON, so that they do not travel in URLs.

        For the next page send the same body with `cursor` from `links`.
        """
        query = from_json(await _body(request), recipients, caller.sees_only)
        records, cursor = await page(database(), query)
        if cursor is None:
            return Statuses.model_construct(status="success", data=records)
        return Statuses.model_construct(
            status="success", data=records, links=Links(next=SEARCH, cursor=cursor)
        )

    return router


def following(path: str, request: Request, query: Query, cursor: str) -> Links:
    """Return where the next page of what a URL asked for is."""
    asked = urlencode({**request.query_params, "limit": query.filters.limit, "cursor": cursor})
    return Links(next=f"{path}?{asked}", cursor=cursor)


async def page(database: Database, query: Query) -> tuple[list[Record], str | None]:
    """Return a page of records and, where another follows, its cursor."""
    rows, more = await fetch(database.engine, query)
    records = [Record.model_construct(**row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's name
    if not more:
        return records, None
    last = records[-1]
    return records, cursors.encode(cursors.Position(last.created_at, last.message_id), query.made_for)


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_SEARCH:
            raise HTTPException(413, "Request body too large")
    return body
