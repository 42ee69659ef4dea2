"""The pages of the whole: where the messages of a period stand, and how the ledger is."""

from datetime import UTC, date, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from eventstore.database import Database
from query.condition import condition
from query.filters import InvalidQuery, refuse_unknown, unique
from query.overview import Outcome, asked_period, overview
from query.pages import chart
from query.pages.forms import told
from query.pages.page import Pages
from query.pages.sight import Sight, SignedIn
from query.pages.visitor import Visitor


def add_routes(router: APIRouter, sight: Sight, pages: Pages, signed_in: SignedIn) -> None:
    """Add the routes of the overview and of the ledger."""
    Auditor = Annotated[Visitor, Depends(signed_in)]  # noqa: N806 - a type

    @router.get("/overview")
    async def get_overview(request: Request, visitor: Auditor) -> Response:
        """Count where the messages of a period stand."""
        given = unique(request.query_params.multi_items())
        refuse_unknown(given, ("from", "to"))
        given = {name: text.strip() for name, text in given.items()}
        return await _overview_page(pages, visitor, sight.database(), given, datetime.now(UTC).date())

    @router.get("/ledger")
    async def get_ledger(visitor: Auditor) -> Response:
        """Tell how the ledger is."""
        now = await condition(sight.database())
        return pages.page(
            "ledger",
            visitor=visitor,
            here="ledger",
            condition=now,
            anchored=await sight.inspection.anchored(),
            size=_bytes(now.bytes),
            quarantined_size=_bytes(now.quarantined_bytes),
        )


async def _overview_page(
    pages: Pages, visitor: Visitor, database: Database, given: dict[str, str], today: date
) -> Response:
    try:
        period = asked_period(given.get("from", ""), given.get("to", ""), today)
    except InvalidQuery as error:
        field = error.detail.partition(":")[0]
        return pages.page(
            "overview",
            visitor=visitor,
            code=422,
            here="overview",
            given=given,
            problems={field: told(error)},
        )
    counted = await overview(database, period)
    return pages.page(
        "overview",
        visitor=visitor,
        here="overview",
        given={"from": str(period.first), "to": str(period.last)},
        period=period,
        overview=counted,
        chart=chart.drawn(counted.outcomes),
        outcome_names=list(Outcome),
    )


def _bytes(size: int) -> str:
    """Return a size for people."""
    shown = float(size)
    for unit in ("bytes", "kB", "MB", "GB"):
        if shown < 1000:
            return f"{shown:.0f} {unit}" if unit == "bytes" else f"{shown:.1f} {unit}"
        shown /= 1000
    return f"{shown:,.1f} TB"
