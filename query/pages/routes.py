"""The routes of the auditors' pages, but for signing in, which is the business of who keeps the keys."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import UTC, date, datetime
from itertools import chain
from typing import Annotated, NamedTuple
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from eventstore.database import Database
from eventstore.recipients import RecipientKeys, ten_digits
from query.condition import condition
from query.cuts import Question, question
from query.evidence import Evidence, Verification, Verifies, evidence
from query.filters import InvalidQuery, from_parameters, refuse_unknown, unique
from query.history import differing, message_history
from query.history_models import EntryShown, StatedShown, TimelineAnswer
from query.models import Record
from query.overview import Outcome, asked_period, overview
from query.page import fetch
from query.pages import chart
from query.pages.forms import read_form, require_token
from query.pages.inspection import Found, Inspection, Proof
from query.pages.lanes import laid_out, lanes_of
from query.pages.page import Pages, in_path, shown_body
from query.pages.visitor import Visitor

PREFIX = "/audit"
SEARCH = f"{PREFIX}/search"

FIELDS = (
    ("messageId", "Message ID", "The supplier’s, for example 2WL3qFTEFM0qMY8xjRbt1LIKCzM"),
    ("messageReference", "Message reference", "The client’s, often a UUID"),
    ("batchReference", "Batch reference", "The client’s, of the batch in which it was registered"),
    ("nhsNumber", "NHS number", "10 digits. It is not stored, and reaches no log and no address"),
)
"""What can be searched for: the filter, its name for people, a hint."""

CUTS = (
    (
        "known_at",
        "What the ledger knew at",
        "Recorded by then, such as 2026-11-23T09:15:02Z, or a number of sealed entries",
    ),
    ("as_of", "What was true at", "Effective by then, for example 2026-11-23"),
)
"""Where a timeline can be cut: the question, its name for people, a hint."""

FOUND_ON_A_PAGE = 50
STEPS_ON_A_PAGE = 200
MOST_STATED = 200
MOST_BYTES = 64 * 1024
"""Bytes of a request that its page shows; the API gives the whole."""

FOR_EVER = "public, max-age=31536000, immutable"

VERIFICATIONS: dict[Verification, str] = {
    "verified": "The secret that verified it when it came verifies it now: these bytes were signed.",
    "wrong": "The secret that verified it when it came does not verify it now: the bytes, the signature or "
    "the secret’s id are not what was recorded.",
    "secret unknown": "The secret that verified it is not at hand; HMAC_SECRETS_ARCHIVE keeps retired ones.",
    "unsigned": "Nobody signs an entry of this kind.",
    "erased": "It cannot be verified: its bytes were erased.",
}

SignedIn = Callable[..., Awaitable[Visitor]]
"""The dependency that gives a route its visitor, or shows the way to sign in."""


class Sight(NamedTuple):
    """What the pages see of the ledger."""

    database: Callable[[], Database]
    """Asked for at each request: it opens with the service."""
    recipients: RecipientKeys
    verifies: Verifies
    """Tells of a kept signature whether its secret still verifies it."""
    inspection: Inspection
    """Looks at what is shown as the auditor's verifier does."""


class Asking(NamedTuple):
    """What is asked of a message's timeline."""

    question: Question
    cuts: Mapping[str, str]
    """The times of the cut as they were written, by field."""
    problems: Mapping[str, str]
    """What is wrong with them, by field; where anything is, the question is the one without a cut."""


class Altered(NamedTuple):
    """What of a message is not as it was sealed."""

    shown: Sequence[Found]
    """In the records that clients are shown."""
    by_entry: Mapping[UUID, Sequence[Found]]
    """In the entries of its timeline, and in what was derived from them."""

    @property
    def all(self) -> list[Found]:
        """All of it."""
        return [*self.shown, *chain.from_iterable(self.by_entry.values())]


def routes(sight: Sight, pages: Pages, signed_in: SignedIn) -> APIRouter:
    """Return the routes; `signed_in` lets auditors alone see what is not a style."""
    router = APIRouter(prefix=PREFIX, include_in_schema=False)
    _assets(router, pages)
    _searching(router, sight, pages, signed_in)
    _evidence(router, sight, pages, signed_in)
    _ledger(router, sight, pages, signed_in)

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


def _searching(router: APIRouter, sight: Sight, pages: Pages, signed_in: SignedIn) -> None:
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


def _evidence(router: APIRouter, sight: Sight, pages: Pages, signed_in: SignedIn) -> None:
    Auditor = Annotated[Visitor, Depends(signed_in)]  # noqa: N806 - a type

    @router.get("/messages/{message_id:path}")  # the supplier's ids are opaque: a `/` is as good as any
    async def message(message_id: str, request: Request, visitor: Auditor) -> Response:
        """Draw a message's timeline, cut where it is asked for."""
        given = unique(request.query_params.multi_items())
        given = {name: text.strip() for name, text in given.items() if text.strip()}
        asking = _asking(message_id, given)
        history = await message_history(sight.database(), asking.question)
        if history is None:
            raise HTTPException(404)
        altered = await _altered(sight, message_id, {one.told.entry_id for one in history.steps})
        answer = TimelineAnswer.of(asking.question, history)
        return _message_page(pages, visitor, asking, answer, altered)

    @router.get("/entries/{entry_id}")
    async def entry(entry_id: str, visitor: Auditor) -> Response:
        """Show an entry as evidence: the request as received, and whether its signature verifies now."""
        shown = await evidence(sight.database(), entry_id, sight.verifies)
        if shown is None:
            return await _missing_entry(pages, visitor, sight.inspection, entry_id)
        found = await sight.inspection.entries([shown.entry.entry_id])
        proof = await sight.inspection.proof(shown.entry.entry_id)
        return _entry_page(pages, visitor, shown, found.get(shown.entry.entry_id, ()), proof)


def _ledger(router: APIRouter, sight: Sight, pages: Pages, signed_in: SignedIn) -> None:
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
        told = await condition(sight.database())
        return pages.page(
            "ledger",
            visitor=visitor,
            here="ledger",
            condition=told,
            anchored=await sight.inspection.anchored(),
            size=_bytes(told.bytes),
            quarantined_size=_bytes(told.quarantined_bytes),
        )


def _message_page(
    pages: Pages,
    visitor: Visitor,
    asking: Asking,
    answer: TimelineAnswer,
    altered: Altered,
) -> Response:
    path = f"{PREFIX}/messages/{in_path(asking.question.message_id)}"
    following = answer.links.next.partition("?")[2] if answer.links is not None else ""
    steps = answer.data.timeline
    return pages.page(
        "message",
        visitor=visitor,
        code=422 if asking.problems else 200,
        here="search",
        message_id=asking.question.message_id,
        path=path,
        problems=asking.problems,
        given=asking.cuts,
        cuts=CUTS,
        timeline=answer.data,
        references=list(dict.fromkeys(one.message_reference for one in steps if one.message_reference)),
        lanes=lanes_of(steps),
        rows=laid_out(steps),
        altered=altered,
        paged=asking.question.after is not None,
        next_page=f"{path}?{following}" if following else None,
        first_page=f"{path}?{urlencode(asking.cuts)}" if asking.cuts else path,
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


def _asking(message_id: str, given: dict[str, str]) -> Asking:
    cuts = {name: given[name] for name, _, _ in CUTS if name in given}
    problems = {}
    for name, text in cuts.items():
        try:
            question(message_id, [(name, text)])
        except InvalidQuery as error:
            problems[name] = _told(error)
    if problems:
        return Asking(Question(message_id, limit=STEPS_ON_A_PAGE), cuts, problems)
    asked = question(message_id, given.items())
    return Asking(asked._replace(limit=min(asked.limit, STEPS_ON_A_PAGE)), cuts, {})


def _told(error: InvalidQuery) -> str:
    """Return what is wrong, without the name of the parameter, and as a sentence."""
    _, _, told = error.detail.partition(": ")
    return f"This {told}"


async def _altered(sight: Sight, message_id: str, entry_ids: Collection[UUID]) -> Altered:
    """Look for what somebody changed behind the ledger's back, of what a message's page shows."""
    told = "clients are shown what the ledger does not say"
    shown = [
        Found("status.differs", f"{table} {channel}".rstrip(), told)
        for table, channel in await differing(sight.database(), message_id)
    ]
    return Altered(shown, await sight.inspection.entries(entry_ids))


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
            problems={field: _told(error)},
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
