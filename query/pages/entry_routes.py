"""An entry's page: the request as it was received, whether its signature verifies now, and its proof."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, HTTPException, Response

from query.evidence import Evidence, Verification, evidence
from query.history_models import EntryShown, StatedShown
from query.pages.inspection import Found, Inspection, Proof
from query.pages.page import Pages, shown_body
from query.pages.sight import Sight, SignedIn
from query.pages.visitor import Visitor

MOST_STATED = 200
MOST_BYTES = 64 * 1024
"""Bytes of a request that its page shows; the API gives the whole."""

VERIFICATIONS: dict[Verification, str] = {
    "verified": "The secret that verified it when it came verifies it now: these bytes were signed.",
    "wrong": "The secret that verified it when it came does not verify it now: the bytes, the signature or "
    "the secret’s id are not what was recorded.",
    "secret unknown": "The secret that verified it is not at hand; HMAC_SECRETS_ARCHIVE keeps retired ones.",
    "unsigned": "Nobody signs an entry of this kind.",
    "erased": "It cannot be verified: its bytes were erased.",
}


def add_routes(router: APIRouter, sight: Sight, pages: Pages, signed_in: SignedIn) -> None:
    """Add the route of an entry."""
    Auditor = Annotated[Visitor, Depends(signed_in)]  # noqa: N806 - a type

    @router.get("/entries/{entry_id}")
    async def entry(entry_id: str, visitor: Auditor) -> Response:
        """Show an entry as evidence: the request as received, and whether its signature verifies now."""
        shown = await evidence(sight.database(), entry_id, sight.verifies)
        if shown is None:
            return await _missing_entry(pages, visitor, sight.inspection, entry_id)
        found = await sight.inspection.entries([shown.entry.entry_id])
        proof = await sight.inspection.proof(shown.entry.entry_id)
        return _entry_page(pages, visitor, shown, found.get(shown.entry.entry_id, ()), proof)


def _entry_page(
    pages: Pages, visitor: Visitor, shown: Evidence, found: Sequence[Found], proof: Proof
) -> Response:
    body = shown.entry.body
    return pages.page(
        "entry",
        visitor=visitor,
        here="search",
        entry=EntryShown.of(shown._replace(stated=[])),
        found=found,
        proof=proof,
        verification=VERIFICATIONS[shown.verification],
        stated=[
            StatedShown(**one._asdict() | {"digest": one.digest.hex()}) for one in shown.stated[:MOST_STATED]
        ],
        stated_left_out=len(shown.stated[MOST_STATED:]),
        body=shown_body(body[:MOST_BYTES]) if body is not None else None,
        body_left_out=len(body[MOST_BYTES:]) if body is not None else 0,
    )


async def _missing_entry(pages: Pages, visitor: Visitor, inspection: Inspection, entry_id: str) -> Response:
    """Tell of an entry that was there once what is known of it; raises 404 where nothing is."""
    try:
        asked = UUID(entry_id)
    except ValueError:
        raise HTTPException(404) from None
    found = await inspection.entries([asked])
    if not found:
        raise HTTPException(404)
    return pages.page(
        "missing_entry", visitor=visitor, code=404, here="search", entry_id=asked, found=found[asked]
    )
