"""The HTTP routes of the sealed ledger, for auditors: the feed, the checkpoint, the proof of an entry."""

import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import PlainTextResponse

from eventstore.caller import Scope
from eventstore.checkpoints import latest_published
from eventstore.database import Database
from eventstore.proofs import proof_of
from query.feed import MOST, feed
from query.feed_models import FeedAnswer
from query.filters import InvalidQuery
from query.openapi import ANSWERS, refused
from query.routes import Require

FEED = "/api/entries"

NOT_PUBLIC = "Not in a published checkpoint"
"""What is said of an entry, or a ledger, of which nothing is public yet."""

_TEXT: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "the text"}
}

_PARAMETERS = [
    {
        "name": "after",
        "in": "query",
        "required": False,
        "description": "a `cursor` of an earlier answer: the feed goes on after it",
        "schema": {"type": "string"},
    },
    {
        "name": "limit",
        "in": "query",
        "required": False,
        "description": "entries of the page, at most",
        "schema": {"type": "integer", "minimum": 1, "maximum": MOST},
    },
]


def routes(database: Callable[[], Database], require: Require) -> APIRouter:
    """Return the routes over `database`, which is asked for at each request."""
    auditor = Depends(require(Scope.AUDIT_READ))
    router = APIRouter(dependencies=[auditor])

    @router.get(
        FEED,
        response_model=FeedAnswer,
        responses={
            **ANSWERS,
            **refused(
                422,
                f"limit: must be a whole number from 1 to {MOST}",
                "after: not a cursor of this feed",
            ),
        },
        openapi_extra={"parameters": _PARAMETERS},
        summary="The whole public ledger, in the order of its index",
    )
    async def get_entries(request: Request) -> FeedAnswer:
        """Entries with what they state, up to the last published checkpoint; each comes exactly once.

        Begin without `after`; then give the `cursor` of the last answer, at any later time.
        """
        after, limit = _asked(request.query_params.multi_items())
        page = await feed(database(), after, limit)
        return FeedAnswer(data=page.entries, cursor=page.cursor, public=page.public)

    @router.get(
        "/api/ledger/checkpoint",
        response_class=PlainTextResponse,
        responses={**ANSWERS, **refused(404, NOT_PUBLIC), **_TEXT},
        summary="The signed head of the public ledger",
    )
    async def get_checkpoint() -> PlainTextResponse:
        """Give the last published checkpoint, in the form of C2SP's `tlog-checkpoint`."""
        async with database().connection() as connection:
            note = await latest_published(connection)
        if note is None:
            raise HTTPException(404, NOT_PUBLIC)
        return PlainTextResponse(note)

    @router.get(
        "/api/ledger/proof/{entry_id}",
        response_class=PlainTextResponse,
        responses={**ANSWERS, **refused(404, "Not Found", NOT_PUBLIC), **_TEXT},
        summary="The proof that an entry stands in the public ledger",
    )
    async def get_proof(entry_id: str) -> PlainTextResponse:
        """One text with the entry, its inclusion proof and the checkpoint: see docs/proof.md."""
        try:
            wanted = UUID(entry_id)
        except ValueError:
            raise HTTPException(404) from None
        async with database().snapshot() as connection:
            proof = await proof_of(connection, wanted)
        if proof is None:
            raise HTTPException(404, NOT_PUBLIC)
        return PlainTextResponse(proof)

    return router


def _asked(parameters: list[tuple[str, str]]) -> tuple[str | None, int]:
    """Return `after` and `limit`; raises `InvalidQuery`."""
    asked: dict[str, str] = {}
    for name, value in parameters:
        if name not in ("after", "limit"):
            raise InvalidQuery(f"{name[:64]!a}: unknown parameter; allowed are after, limit")
        if name in asked:
            raise InvalidQuery(f"{name}: given more than once")
        asked[name] = value
    limit = asked.get("limit", str(MOST))
    if not re.fullmatch(r"[1-9][0-9]{0,8}", limit, re.ASCII) or int(limit) > MOST:
        raise InvalidQuery(f"limit: must be a whole number from 1 to {MOST}")
    return asked.get("after"), int(limit)
