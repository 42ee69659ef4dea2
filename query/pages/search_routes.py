"""The page to search with, and what it finds."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from eventstore.recipients import RecipientKeys, ten_digits
from query.filters import from_parameters, refuse_unknown
from query.models import Record
from query.page import fetch
from query.pages.forms import read_form, require_token
from query.pages.page import Pages
from query.pages.sight import SEARCH, Sight, SignedIn
from query.pages.visitor import Visitor

FIELDS = (
    ("messageId", "Message ID", "The supplier’s, for example 2WL3qFTEFM0qMY8xjRbt1LIKCzM"),
    ("messageReference", "Message reference", "The client’s, often a UUID"),
    ("batchReference", "Batch reference", "The client’s, of the batch in which it was registered"),
    ("nhsNumber", "NHS number", "10 digits. It is not stored, and reaches no log and no address"),
)
"""What can be searched for: the filter, its name for people, a hint."""

FOUND_ON_A_PAGE = 50


def add_routes(router: APIRouter, sight: Sight, pages: Pages, signed_in: SignedIn) -> None:
    """Add the routes of the search."""
    Auditor = Annotated[Visitor, Depends(signed_in)]  # noqa: N806 - a type

    @router.get("")
    @router.get("/")
    async def begin(_: Auditor) -> Response:
        """Go to where everything begins."""
        return RedirectResponse(SEARCH, 303)

    @router.get("/search")
    async def search(visitor: Auditor) -> Response:
        """Ask what to search for."""
        return _search_page(pages, visitor, {}, {})

    @router.post("/search")
    async def results(request: Request, visitor: Auditor) -> Response:
        """Show what was found. By POST, so that an NHS number reaches no address and no log."""
        form = await read_form(request)
        require_token(form, visitor.form_token)
        refuse_unknown(form, (*(field for field, _, _ in FIELDS), "cursor"))
        cursor = form.pop("cursor", None)
        given = {name: text.strip() for name, text in form.items() if text.strip()}
        problems = _problems_of_search(given, sight.recipients)
        if problems:
            return _search_page(pages, visitor, given, problems)
        asked = [*given.items(), ("limit", str(FOUND_ON_A_PAGE))]
        if cursor is not None:
            asked.append(("cursor", cursor))
        page = await fetch(sight.database(), from_parameters(asked, sight.recipients))
        return pages.page(
            "results",
            visitor=visitor,
            here="search",
            asked=[(label, given[field]) for field, label, _ in FIELDS if field in given],
            given=given,
            records=[Record.of(row) for row in page.rows],
            cursor=page.cursor,
            paged=cursor is not None,
        )


def _search_page(
    pages: Pages, visitor: Visitor, given: Mapping[str, str], problems: Mapping[str, str]
) -> Response:
    return pages.page(
        "search",
        visitor=visitor,
        code=422 if problems else 200,
        here="search",
        fields=FIELDS,
        given=given,
        problems=problems,
    )


def _problems_of_search(given: dict[str, str], recipients: RecipientKeys) -> dict[str, str]:
    if not given:
        return {"messageId": "Enter at least one thing to search for"}
    if "nhsNumber" not in given:
        return {}
    if not recipients:
        return {"nhsNumber": "NHS numbers cannot be searched for here: RECIPIENT_KEY is not set"}
    if ten_digits(given["nhsNumber"]) is None:
        return {"nhsNumber": "Enter an NHS number of 10 digits, for example 999 000 0018"}
    return {}
