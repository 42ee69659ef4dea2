"""A message's page: its timeline, cut where it is asked for, and what of it somebody changed."""

from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from typing import Annotated, NamedTuple
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, HTTPException, Request, Response

from query.cuts import Question, question
from query.filters import InvalidQuery, unique
from query.history import differing, message_history
from query.history_models import TimelineAnswer
from query.pages.forms import told
from query.pages.inspection import Found
from query.pages.lanes import laid_out, lanes_of
from query.pages.page import Pages, in_path
from query.pages.sight import PREFIX, Sight, SignedIn
from query.pages.visitor import Visitor

CUTS = (
    (
        "known_at",
        "What the ledger knew at",
        "Recorded by then, such as 2026-11-23T09:15:02Z, or a number of sealed entries",
    ),
    ("as_of", "What was true at", "Effective by then, for example 2026-11-23"),
)
"""Where a timeline can be cut: the question, its name for people, a hint."""

STEPS_ON_A_PAGE = 200


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


def add_routes(router: APIRouter, sight: Sight, pages: Pages, signed_in: SignedIn) -> None:
    """Add the route of a message's timeline."""
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


def _asking(message_id: str, given: dict[str, str]) -> Asking:
    cuts = {name: given[name] for name, _, _ in CUTS if name in given}
    problems = {}
    for name, text in cuts.items():
        try:
            question(message_id, [(name, text)])
        except InvalidQuery as error:
            problems[name] = told(error)
    if problems:
        return Asking(Question(message_id, limit=STEPS_ON_A_PAGE), cuts, problems)
    asked = question(message_id, given.items())
    return Asking(asked._replace(limit=min(asked.limit, STEPS_ON_A_PAGE)), cuts, {})


async def _altered(sight: Sight, message_id: str, entry_ids: Collection[UUID]) -> Altered:
    """Look for what somebody changed behind the ledger's back, of what a message's page shows."""
    why = "clients are shown what the ledger does not say"
    shown = [
        Found("status.differs", f"{table} {channel}".rstrip(), why)
        for table, channel in await differing(sight.database(), message_id)
    ]
    return Altered(shown, await sight.inspection.entries(entry_ids))
