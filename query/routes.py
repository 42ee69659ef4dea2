"""The HTTP routes with which clients read statuses, and what the auditors' routes share with them."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request, Response

from eventstore.caller import Caller, Scope
from eventstore.database import Database
from eventstore.recipients import RecipientKeys
from query import endpoint
from query.endpoint import Json, StatusesEndpoint
from query.filters import Filters, from_json
from query.formats import Format
from query.models import Links, Statuses
from query.openapi import ANSWERS, body_of, parameters_of, refused
from query.page import fetch
from query.written import statuses_json

LARGEST_SEARCH = 64 * 1024
"""Bytes that the body of a search may have."""

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
    database: Callable[[], Database],
    recipients: RecipientKeys,
    require: Require,
    statuses: StatusesEndpoint,
) -> APIRouter:
    """Return the routes over `database` (asked for at each request: it opens with the service).

    A client sees its own messages or, with a key that sees all, every client's.
    """
    router = APIRouter()
    client = require(Scope.STATUSES_READ)

    @router.get(
        endpoint.PATH,
        response_model=Statuses,
        responses={**ANSWERS, **_INVALID_QUERY, **_STREAMED},
        openapi_extra={"parameters": parameters_of(Filters)},
        summary="Current statuses, by filter and page",
    )
    async def get_statuses(request: Request, caller: Annotated[Caller, Depends(client)]) -> Response:
        """One record a message: its latest status; with `channel`, its latest on that channel.

        Newest first, ties by `message_id`. A read that starts after a callback was answered 200 sees
        it. An unknown or repeated parameter is refused; a value that no record has gives an empty list.
        With `Accept: text/csv` or `application/x-ndjson` the same records are streamed, all of them unless
        `limit` is given; an answer that breaks off is not complete.
        """
        return await statuses.answer(request.scope, caller)

    @router.post(
        SEARCH,
        response_model=Statuses,
        responses={**ANSWERS, **_INVALID_QUERY, **refused(413, "Request body too large")},
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": body_of(Filters)}},
            }
        },
        summary="The same, with the filters as JSON",
    )
    async def search_statuses(request: Request, caller: Annotated[Caller, Depends(client)]) -> Response:
        """Take the filters of `GET /api/statuses` as JSON, so that they do not travel in URLs.

        For the next page send the same body with `cursor` from `links`.
        """
        query = from_json(await _body(request), recipients, caller.sees_only)
        page = await fetch(database(), query)
        links = Links(next=SEARCH, cursor=page.cursor) if page.cursor is not None else None
        return Json(statuses_json(page.rows, links))

    return router


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_SEARCH:
            raise HTTPException(413, "Request body too large")
    return body
