"""What the OpenAPI description says of `POST /api/message/batch` that the framework cannot see."""

from typing import Any

from ingest.batches import LONGEST, MOST_MESSAGES
from ingest.openapi import COME_BACK_LATER, answer


def _text(example: str) -> dict[str, Any]:
    return {"type": "string", "minLength": 1, "maxLength": LONGEST, "examples": [example]}


_MESSAGE = {
    "type": "object",
    "required": ["messageReference", "recipient"],
    "description": "Whatever else Notify takes may be there, and is not kept.",
    "properties": {
        "messageReference": _text("1642109b-69eb-447f-8f97-ab70a74f5db4"),
        "recipient": {
            "type": "object",
            "required": ["nhsNumber"],
            "properties": {
                "nhsNumber": {
                    "type": "string",
                    "description": "10 digits, the last of which is the check digit; spaces are tolerated",
                    "examples": ["9990548609"],
                }
            },
        },
    },
}

_ATTRIBUTES = {
    "type": "object",
    "required": ["routingPlanId", "messageBatchReference", "messages"],
    "properties": {
        "routingPlanId": _text("b838b13c-f98c-4def-93f0-515d4e4f4ee1"),
        "messageBatchReference": _text("da0b1495-c7cb-468c-9d81-07dee089d728"),
        "messages": {"type": "array", "minItems": 1, "maxItems": MOST_MESSAGES, "items": _MESSAGE},
    },
}

_BODY = {
    "schema": {
        "type": "object",
        "required": ["data"],
        "properties": {
            "data": {
                "type": "object",
                "required": ["type", "attributes"],
                "properties": {
                    "type": {"type": "string", "enum": ["MessageBatch"]},
                    "attributes": _ATTRIBUTES,
                },
            }
        },
    },
    "example": {
        "data": {
            "type": "MessageBatch",
            "attributes": {
                "routingPlanId": "b838b13c-f98c-4def-93f0-515d4e4f4ee1",
                "messageBatchReference": "da0b1495-c7cb-468c-9d81-07dee089d728",
                "messages": [
                    {
                        "messageReference": "1642109b-69eb-447f-8f97-ab70a74f5db4",
                        "recipient": {"nhsNumber": "9990548609"},
                        "originator": {"odsCode": "X123"},
                        "personalisation": {},
                    }
                ],
            },
        }
    },
}

REQUEST_BODY = {
    "required": True,
    "content": {"application/json": _BODY, "application/vnd.api+json": _BODY},
}

REFUSALS: dict[int | str, dict[str, Any]] = {
    401: answer("Missing, repeated or unknown API key", "Invalid API key"),
    408: answer("The body did not arrive in time", "Request timeout"),
    413: answer("The body is too large", "Request body too large"),
    415: answer("The body has a content encoding", "Unsupported content encoding"),
    422: answer(
        "The body is not strict JSON or breaks a rule, which is named by its place and never by a value",
        "data.attributes.messages[0].recipient.nhsNumber: must be text, 10 digits of which the last is the "
        "check digit",
        "data.attributes.messages[0]: registered in this batch for another recipient",
    ),
    429: answer(
        "Too many batches are on their way in: come back later",
        "Too many requests",
        headers=COME_BACK_LATER,
    ),
    500: answer("It could not be registered: send it again", "error"),
    503: answer("The service has no `RECIPIENT_KEY`", "Registration is not set up"),
}
