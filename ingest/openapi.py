"""The OpenAPI entry of `POST /api/status/create`, declared by hand because no framework sees the endpoint."""

from typing import Any

from ingest import vocabulary
from ingest.callbacks import LARGEST_INTEGER, LONGEST

_STATUS = {
    "type": "object",
    "required": ["status"],
    "properties": {"status": {"type": "string"}},
}


def answer(description: str, *statuses: str, headers: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the entry of an answer `{"status": …}`, with each status that it may give as an example."""
    answer: dict[str, Any] = {
        "description": description,
        "content": {
            "application/json": {
                "schema": _STATUS,
                "examples": {status: {"value": {"status": status}} for status in statuses},
            }
        },
    }
    if headers:
        answer["headers"] = headers
    return answer


COME_BACK_LATER = {
    "Retry-After": {
        "description": "whole seconds",
        "schema": {"type": "integer", "minimum": 5, "maximum": 60},
    }
}
"""The headers of a 429."""


def _text(longest: int, example: str) -> dict[str, Any]:
    return {"type": "string", "minLength": 1, "maxLength": longest, "examples": [example]}


_OPTIONAL_TEXT = {"type": ["string", "null"]}


def _one_of(values: tuple[str, ...]) -> dict[str, Any]:
    return {"type": ["string", "null"], "enum": [*values, None]}


_ITEM = {
    "type": "object",
    "required": ["type", "attributes", "meta"],
    "properties": {
        "type": {"type": "string", "enum": list(vocabulary.EVENT_TYPES)},
        "attributes": {
            "type": "object",
            "required": ["messageId", "messageReference"],
            "description": "A MessageStatus needs messageStatus; a ChannelStatus at least one of the three "
            "statuses. Fields unknown to this service are accepted and kept.",
            "properties": {
                "messageId": _text(LONGEST["messageId"], "2WL3qFTEFM0qMY8xjRbt1LIKCzM"),
                "messageReference": _text(
                    LONGEST["messageReference"], "1642109b-69eb-447f-8f97-ab70a74f5db4"
                ),
                "messageStatus": _one_of(vocabulary.MESSAGE_STATUSES),
                "messageStatusDescription": _OPTIONAL_TEXT,
                "messageFailureReasonCode": _OPTIONAL_TEXT,
                "channel": _one_of(vocabulary.CHANNELS),
                "channelStatus": _one_of(vocabulary.CHANNEL_STATUSES),
                "channelStatusDescription": _OPTIONAL_TEXT,
                "channelFailureReasonCode": _OPTIONAL_TEXT,
                "supplierStatus": _one_of(vocabulary.SUPPLIER_STATUSES),
                "cascadeType": _one_of(vocabulary.CASCADE_TYPES),
                "cascadeOrder": {"type": ["integer", "null"], "minimum": 1, "maximum": LARGEST_INTEGER},
                "retryCount": {"type": ["integer", "null"], "minimum": 0, "maximum": LARGEST_INTEGER},
                "timestamp": {"type": ["string", "null"], "format": "date-time"},
            },
        },
        "meta": {
            "type": "object",
            "required": ["idempotencyKey"],
            "properties": {
                "idempotencyKey": _text(
                    LONGEST["idempotencyKey"],
                    "2515ae6b3a08339fba3534f3b17cd57cd573c57d25b25b9aae08e42dc9f0a445",
                )
            },
        },
    },
}

_EXAMPLE = {
    "data": [
        {
            "type": "ChannelStatus",
            "attributes": {
                "messageId": "2WL3qFTEFM0qMY8xjRbt1LIKCzM",
                "messageReference": "1642109b-69eb-447f-8f97-ab70a74f5db4",
                "channel": "nhsapp",
                "channelStatus": "delivered",
                "supplierStatus": "read",
                "cascadeType": "primary",
                "cascadeOrder": 1,
                "timestamp": "2026-11-23T09:15:01.413Z",
                "retryCount": 0,
            },
            "links": {"message": "https://api.service.nhs.uk/comms/v1/messages/2WL3qFTEFM0qMY8xjRbt1LIKCzM"},
            "meta": {"idempotencyKey": "2515ae6b3a08339fba3534f3b17cd57cd573c57d25b25b9aae08e42dc9f0a445"},
        }
    ]
}

_BODY = {
    "schema": {
        "type": "object",
        "required": ["data"],
        "properties": {"data": {"type": "array", "minItems": 1, "items": _ITEM}},
    },
    "example": _EXAMPLE,
}

PATH_ITEM: dict[str, Any] = {
    "post": {
        "summary": "The supplier records statuses",
        "description": "The signature is HMAC-SHA256 over the raw bytes of the body, in hex; the content "
        "type is never a reason to refuse. All items are recorded or none. The same callback again is "
        "200 and changes nothing.",
        "operationId": "create_status",
        "parameters": [
            {"name": "x-api-key", "in": "header", "required": True, "schema": {"type": "string"}},
            {
                "name": "x-hmac-sha256-signature",
                "in": "header",
                "required": True,
                "schema": {"type": "string", "pattern": "^[0-9A-Fa-f]{64}$"},
            },
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": _BODY, "application/vnd.api+json": _BODY},
        },
        "responses": {
            "200": answer("Everything is recorded, or already was", "success"),
            "401": answer("Missing, repeated or unknown API key", "Invalid API key"),
            "403": answer("Missing, repeated, malformed or wrong signature", "Invalid signature"),
            "413": answer("The body is too large", "Request body too large"),
            "415": answer("The body has a content encoding", "Unsupported content encoding"),
            "422": answer(
                "The body is not strict JSON or breaks a rule, which is named",
                "data[0].attributes.channel: 'pigeon' is not one of nhsapp, email, sms, letter",
                "body: not strict JSON: duplicate key",
            ),
            "429": answer(
                "Too much is waiting to be written, or the quarantine is full: come back later",
                "Too many requests",
                headers=COME_BACK_LATER,
            ),
            "500": answer("It could not be recorded: send it again", "error"),
        },
    }
}
