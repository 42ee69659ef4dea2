"""The HTTP routes of the reports, as JSON and as CSV."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, NamedTuple
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request, Response

from eventstore.caller import Caller, Scope
from eventstore.database import Database
from query.cursors import ReportPlace
from query.formats import CsvLines, Format, preferred
from query.models import Links
from query.openapi import ANSWERS, parameters_of, refused
from query.report_filters import (
    DeliveryFilters,
    OverdueFilters,
    ReportQuery,
    delivery_query,
    overdue_query,
)
from query.report_models import Delivery, DeliveryRow, Overdue, OverdueRow, ReportRow
from query.reports import delivery, overdue
from query.routes import Require
from query.terms import Terms

DELIVERY = "/api/reports/delivery"
OVERDUE = "/api/reports/overdue"

_CSV: dict[int | str, dict[str, Any]] = {200: {"content": {Format.CSV: {"schema": {"type": "string"}}}}}


def routes(database: Callable[[], Database], require: Require, terms: Terms) -> APIRouter:
    """Return the routes over `database` (asked for at each request: it opens with the service).

    A client's reports tell of its own messages or, with a key that sees all, of every client's.
    """
    router = APIRouter()
    client = require(Scope.STATUSES_READ)

    @router.get(
        DELIVERY,
        response_model=Delivery,
        response_model_exclude_unset=True,
        responses={**ANSWERS, **refused(422, "batchReference: is required"), **_CSV},
        openapi_extra={"parameters": parameters_of(DeliveryFilters)},
        summary="What became of each message of a batch",
    )
    async def get_delivery(request: Request, caller: Annotated[Caller, Depends(client)]) -> Response:
        """Give a row for each registered message, those included of which no callback has come.

        By message reference. With `Accept: text/csv` the page is CSV; the next one is in the `Link` header.
        """
        query = delivery_query(request.query_params.multi_items(), caller.sees_only)
        return await _answer(request, query, await delivery(database(), query), _DELIVERY)

    @router.get(
        OVERDUE,
        response_model=Overdue,
        response_model_exclude_unset=True,
        responses={
            **ANSWERS,
            **refused(422, "asOf: must be a date (2026-11-23) or a time (2026-11-23T09:15:02Z)"),
            **_CSV,
        },
        openapi_extra={"parameters": parameters_of(OverdueFilters)},
        summary="Messages that have no final status although their time is up",
    )
    async def get_overdue(request: Request, caller: Annotated[Caller, Depends(client)]) -> Response:
        """Give a row for each message that is overdue, those included of which no callback has come.

        By message reference. With `Accept: text/csv` the page is CSV; the next one is in the `Link` header.
        """
        query = overdue_query(request.query_params.multi_items(), datetime.now(UTC), caller.sees_only)
        return await _answer(request, query, await overdue(database(), query, terms), _OVERDUE)

    return router


class _Shown(NamedTuple):
    """Where a report is, and the forms of its row and of its page."""

    path: str
    row: type[ReportRow]
    page: type[Delivery | Overdue]


_DELIVERY = _Shown(DELIVERY, DeliveryRow, Delivery)
_OVERDUE = _Shown(OVERDUE, OverdueRow, Overdue)


async def _answer(
    request: Request,
    query: ReportQuery[Any],
    page: tuple[Sequence[ReportRow], ReportPlace | None],
    shown: _Shown,
) -> Response:
    """Return a page in the form that the request accepts, with the way to the next."""
    rows, last = page
    answer: dict[str, Any] = {"status": "success", "data": rows}
    headers = {"Vary": "Accept"}
    if last is not None:
        answer["links"] = links = _links(shown.path, query, last)
        headers["Link"] = f'<{links.next}>; rel="next"'
    wanted = preferred(",".join(request.headers.getlist("accept")), [Format.CSV])
    # In a thread, as its rows were made: callbacks wait for the event loop.
    content = await asyncio.to_thread(_csv if wanted is Format.CSV else _json, answer, shown)
    return Response(content, media_type=wanted or "application/json", headers=headers)


def _csv(answer: Mapping[str, Any], shown: _Shown) -> bytes:
    lines = CsvLines(shown.row.columns())
    return lines.head + lines.lines(row.cells() for row in answer["data"])


def _json(answer: Mapping[str, Any], shown: _Shown) -> str:
    return shown.page.model_construct(None, **answer).model_dump_json(by_alias=True, exclude_unset=True)


def _links(path: str, query: ReportQuery[Any], last: ReportPlace) -> Links:
    cursor = query.cursor(last)
    following = urlencode({**query.given, "limit": query.filters.limit, "cursor": cursor})
    return Links(next=f"{path}?{following}", cursor=cursor)
