"""What the description of the API says of every route that reads."""

from typing import Any

from pydantic import BaseModel

from query.models import Refusal


def refused(status: int, *messages: str) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI entry of an answer `{"status": …}`."""
    examples = {message: {"value": {"status": message}} for message in messages}
    return {status: {"model": Refusal, "content": {"application/json": {"examples": examples}}}}


ANSWERS: dict[int | str, dict[str, Any]] = {
    **refused(401, "Invalid API key"),
    **refused(500, "error"),
}
"""The OpenAPI entries of what every route may answer."""


def parameters_of(filters: type[BaseModel]) -> list[dict[str, Any]]:
    """Return the OpenAPI entries of the URL's parameters."""
    described = filters.model_json_schema()
    properties: dict[str, dict[str, Any]] = described["properties"]
    return [
        {
            "name": name,
            "in": "query",
            "required": name in described.get("required", ()),
            "description": schema.get("description", ""),
            "schema": {key: value for key, value in schema.items() if key not in ("description", "default")},
        }
        for name, schema in properties.items()
    ]


def body_of(filters: type[BaseModel]) -> dict[str, Any]:
    """Return the schema of the same parameters as JSON, where null stands for one that is not given."""
    described = filters.model_json_schema()
    described["properties"] = {
        name: {
            "description": schema.get("description", ""),
            "anyOf": [
                *(one for one in schema.get("anyOf", [_without_words(schema)]) if one != {"type": "null"}),
                {"type": "null"},
            ],
        }
        for name, schema in described["properties"].items()
    }
    return described


def _without_words(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key not in ("description", "default", "title")}
