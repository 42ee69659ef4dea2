"""The HTTP routes with which auditors read: messages by reference, their timelines, entries as evidence."""

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import APIRouter, Depends, HTTPException, Request, Response

from eventstore.caller import Scope
from eventstore.database import Database
from eventstore.recipients import RecipientKeys
from query.cuts import MOST_STEPS, question
from query.endpoint import page_answer
from query.evidence import Verifies, evidence
from query.filters import MOST_RECORDS, InvalidQuery, from_parameters, refuse_unknown, unique
from query.history import message_history
from query.history_models import EntryAnswer, EntryShown, TimelineAnswer
from query.models import Statuses
from query.openapi import ANSWERS, refused
from query.page import fetch
from query.routes import Require

MESSAGES = "/api/messages"

_INVALID_REFERENCE = refused(
    422, "reference: is required", "cursor: not one that this service gave for these filters"
)
_INVALID_CUT = refused(
    422,
    f"limit: must be a whole number from 1 to {MOST_STEPS}",
    "known_at: must be a date (2026-11-23) or a time (2026-11-23T09:15:02.123456Z)",
    "known_at: the sealed ledger has 0 entries; give no more, or a time",
    "cursor: not one that this service gave for this timeline",
)


_Parameters = Mapping[str, tuple[str, Mapping[str, Any]]]
"""By name, what a parameter says and its schema."""


def _described(parameters: _Parameters) -> list[dict[str, Any]]:
    """Return the OpenAPI entries of parameters."""
    return [
        {
            "name": name,
            "in": "query",
            "required": name == "reference",
            "description": description,
            "schema": schema,
        }
        for name, (description, schema) in parameters.items()
    ]


_MOMENT = {"type": "string", "examples": ["2026-11-23", "2026-11-23T09:15:02.123456Z"]}
_CUT_PARAMETERS: _Parameters = {
    "known_at": (
        "what the ledger knew at this time: recorded then or earlier; or, a whole number, what the sealed "
        "ledger's first so many entries say",
        _MOMENT,
    ),
    "as_of": ("what was true at this time: effective then or earlier", _MOMENT),
    "limit": ("lines on a page", {"type": "integer", "minimum": 1, "maximum": MOST_STEPS}),
    "cursor": ("where the page before this one ended: from its `links`", {"type": "string"}),
}
_REFERENCE_PARAMETERS: _Parameters = {
    "reference": ("the client's reference of the message", {"type": "string"}),
    "limit": ("records on a page", {"type": "integer", "minimum": 1, "maximum": MOST_RECORDS}),
    "cursor": ("where the page before this one ended: from its `links`", {"type": "string"}),
}


def routes(
    database: Callable[[], Database], recipients: RecipientKeys, require: Require, verifies: Verifies
) -> APIRouter:
    """Return the routes over `database` (asked for at each request: it opens with the service).

    An auditor sees every message, whoever registered it. `verifies` tells of a kept signature whether its
    secret still verifies it.
    """
    router = APIRouter()
    auditor = require(Scope.AUDIT_READ)

    @router.get(
        MESSAGES,
        response_model=Statuses,
        responses={**ANSWERS, **_INVALID_REFERENCE},
        openapi_extra={"parameters": _described(_REFERENCE_PARAMETERS)},
        dependencies=[Depends(auditor)],
        summary="The messages that bear a client's reference",
    )
    async def get_messages(request: Request) -> Response:
        """One record a message, whoever registered it: its latest status. A reference may have several."""
        parameters = request.query_params.multi_items()
        given = unique(parameters)
        refuse_unknown(given, _REFERENCE_PARAMETERS)
        if "reference" not in given:
            raise InvalidQuery("reference: is required")
        filters = [
            ("messageReference" if name == "reference" else name, text) for name, text in given.items()
        ]
        query = from_parameters(filters, recipients)
        return page_answer(MESSAGES, parameters, query, await fetch(database(), query))

    @router.get(
        "/api/entries/{entry_id}",
        response_model=EntryAnswer,
        responses={**ANSWERS, **refused(404, "Not Found")},
        dependencies=[Depends(auditor)],
        summary="One entry of the ledger, as evidence",
    )
    async def get_entry(entry_id: str) -> EntryAnswer:
        """Return the request as received, whether its signature verifies now, and what came of it.

        A registration's body is what the ledger keeps of a batch: references and commitments, and never
        an NHS number.
        """
        found = await evidence(database(), entry_id, verifies)
        if found is None:
            raise HTTPException(404)
        return EntryAnswer(data=EntryShown.of(found))

    @router.get(
        "/api/messages/{message_id:path}/timeline",  # the supplier's ids are opaque: a `/` is as good as any
        response_model=TimelineAnswer,
        response_model_exclude_unset=True,
        responses={**ANSWERS, **refused(404, "Not Found"), **_INVALID_CUT},
        openapi_extra={"parameters": _described(_CUT_PARAMETERS)},
        dependencies=[Depends(auditor)],
        summary="Everything that the ledger holds of one message",
    )
    async def get_timeline(message_id: str, request: Request, response: Response) -> TimelineAnswer:
        """Registrations, events, repeats and refused entries by effective time, a page of them.

        Each event with what it changed, when it took effect and when it came, and with the registers that
        it still holds. `known_at` cuts at what the ledger knew at a time, `as_of` at what was true at a
        time, both at once at both; the record is what the fold gives for the cut.
        """
        asked = question(message_id, request.query_params.multi_items())
        history = await message_history(database(), asked)
        if history is None:
            raise HTTPException(404)
        answer = TimelineAnswer.of(asked, history)
        if answer.links is not None:
            response.headers["Link"] = f'<{answer.links.next}>; rel="next"'
        return answer

    return router
