"""The routes of the auditors' pages, but for signing in, which is the business of who keeps the keys."""

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Response

from query.pages import entry_routes, ledger_routes, message_routes, search_routes
from query.pages.page import Pages
from query.pages.sight import PREFIX, Sight, SignedIn
from query.pages.visitor import Visitor

FOR_EVER = "public, max-age=31536000, immutable"


def routes(sight: Sight, pages: Pages, signed_in: SignedIn) -> APIRouter:
    """Return the routes; `signed_in` lets auditors alone see what is not a style."""
    router = APIRouter(prefix=PREFIX, include_in_schema=False)
    _assets(router, pages)
    for part in (search_routes, message_routes, entry_routes, ledger_routes):
        part.add_routes(router, sight, pages, signed_in)

    @router.get("/{anything:path}")
    async def nowhere(_: Annotated[Visitor, Depends(signed_in)]) -> Response:
        """Tell only who is signed in what pages there are not."""
        raise HTTPException(404)

    return router


def _assets(router: APIRouter, pages: Pages) -> None:
    @router.get("/assets/{name}")
    async def asset(name: str) -> Response:
        """Give a style, the script or an image; open to all, for it tells nothing."""
        found = pages.styles.assets.get(name)
        if found is None:
            raise HTTPException(404)
        headers = {"Cache-Control": FOR_EVER, "X-Content-Type-Options": "nosniff"}
        return Response(found.content, media_type=found.media_type, headers=headers)
