"""The description of the API tells the truth: every route, every answer, and examples that are ones."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from pydantic import BaseModel

from ingest.batch_routes import BatchRegistered
from ingest.batches import read as read_batch
from ingest.callbacks import read
from ledger.app import create_app
from ledger.health import Health, Readiness
from ledger.settings import Settings
from query.feed_models import FeedAnswer
from query.filters import period
from query.history_models import EntryAnswer, TimelineAnswer
from query.models import Refusal, Statuses
from query.report_models import Delivery, Overdue
from tests.integration.ledger.test_app import AUDITOR, CLIENT, in_process, told
from tests.support.routes import routes_of
from tests.support.supplier import body, delivered, signed

# OpenAPI

DECLARED = {
    "POST /api/status/create": {200, 401, 403, 413, 415, 422, 429, 500},
    "POST /api/message/batch": {201, 401, 408, 413, 415, 422, 429, 500, 503},
    "GET /api/statuses": {200, 401, 422, 429, 500},
    "POST /api/statuses/search": {200, 401, 413, 422, 500},
    "GET /api/messages": {200, 401, 422, 500},
    "GET /api/messages/{message_id}/timeline": {200, 401, 404, 422, 500},
    "GET /api/entries/{entry_id}": {200, 401, 404, 500},
    "GET /api/entries": {200, 401, 422, 500},
    "GET /api/ledger/checkpoint": {200, 401, 404, 500},
    "GET /api/ledger/proof/{entry_id}": {200, 401, 404, 500},
    "GET /api/reports/delivery": {200, 401, 422, 500},
    "GET /api/reports/overdue": {200, 401, 422, 500},
    "GET /api/healthcheck": {200},
    "GET /api/healthcheck/ready": {200, 503},
    "GET /metrics": {200, 401},
}
"""The answers of the contract."""

MODELS: dict[str, type[BaseModel]] = {
    model.__name__: model
    for model in (
        BatchRegistered,
        Delivery,
        EntryAnswer,
        FeedAnswer,
        Health,
        Overdue,
        Readiness,
        Refusal,
        Statuses,
        TimelineAnswer,
    )
}


@pytest.fixture
def openapi(unopened: Settings) -> dict[str, Any]:
    return create_app(unopened).openapi()


def operations(openapi: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in openapi["paths"].items()
        for method, operation in methods.items()
    }


async def test_the_description_served_is_the_applications(
    client: httpx.AsyncClient, openapi: dict[str, Any]
) -> None:
    assert (await client.get("/openapi.json")).json() == json.loads(json.dumps(openapi))


def test_every_route_is_described_and_every_described_one_exists(
    unopened: Settings, openapi: dict[str, Any]
) -> None:
    routes = set(routes_of(create_app(unopened).router.routes))
    pages = {route for route in routes if " /audit" in route}  # for people, who read no OpenAPI
    assert routes - pages - {"GET /openapi.json", "HEAD /openapi.json"} == set(operations(openapi))


def test_every_answer_of_the_contract_is_declared(openapi: dict[str, Any]) -> None:
    declared = {
        name: {int(code) for code in operation["responses"]}
        for name, operation in operations(openapi).items()
    }
    assert declared.keys() == DECLARED.keys()
    for name, codes in DECLARED.items():
        assert codes <= declared[name], name


def test_no_answer_of_the_framework_is_declared_that_is_never_given(openapi: dict[str, Any]) -> None:
    assert "ValidationError" not in json.dumps(openapi)


def declared_answers(openapi: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for name, operation in operations(openapi).items():
        for code, answer in operation["responses"].items():
            if "text/plain" not in answer["content"]:
                yield name, code, answer["content"]["application/json"]


def test_every_declared_example_of_an_answer_is_one(openapi: dict[str, Any]) -> None:
    schemas = openapi["components"]["schemas"]
    examples = 0
    for name, code, content in declared_answers(openapi):
        schema = content["schema"]
        model = MODELS[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else Refusal
        declared = [example["value"] for example in content.get("examples", {}).values()]
        declared += schemas.get(model.__name__, {}).get("examples", [])
        for example in declared:
            answer = model.model_validate(example, extra="forbid")
            assert json.loads(answer.model_dump_json(by_alias=True, exclude_unset=True)) == example
            assert (example["status"] == "success") == (code == "200"), name
        examples += len(declared)
    assert examples > 20


async def test_the_declared_examples_of_a_refused_callback_are_what_it_is_told(
    client: httpx.AsyncClient, openapi: dict[str, Any]
) -> None:
    content = operations(openapi)["POST /api/status/create"]["responses"]["422"]["content"]
    declared = {example["value"]["status"] for example in content["application/json"]["examples"].values()}
    answers = [
        await client.post("/api/status/create", content=refused, headers=signed(refused))
        for refused in (body(delivered(channel="pigeon")), b'{"data":[],"data":[]}')
    ]
    assert {answer.json()["status"] for answer in answers} == declared


async def test_the_declared_examples_of_a_refused_query_are_what_it_is_told(
    client: httpx.AsyncClient, openapi: dict[str, Any]
) -> None:
    for name in ("GET /api/statuses", "POST /api/statuses/search"):
        content = operations(openapi)[name]["responses"]["422"]["content"]["application/json"]
        declared = {example["value"]["status"] for example in content["examples"].values()}
        answers = [
            await client.get("/api/statuses", params={parameter: "nonsense"}, headers=CLIENT)
            for parameter in ("limit", "createdAfter", "cursor")
        ]
        assert {answer.json()["status"] for answer in answers} == declared


async def test_the_declared_examples_of_a_refused_timeline_are_what_it_is_told(
    client: httpx.AsyncClient, openapi: dict[str, Any]
) -> None:
    asked = {
        "GET /api/messages/{message_id}/timeline": ("limit=x", "known_at=x", "known_at=17", "cursor=x"),
        "GET /api/messages": ("limit=1", "reference=r&cursor=x"),
    }
    for name, queries in asked.items():
        content = operations(openapi)[name]["responses"]["422"]["content"]["application/json"]
        declared = {example["value"]["status"] for example in content["examples"].values()}
        path = name.partition(" ")[2].replace("{message_id}", "m")
        answers = [await client.get(f"{path}?{query}", headers=AUDITOR) for query in queries]
        assert {answer.json()["status"] for answer in answers} == declared


def test_the_declared_example_of_a_callback_is_accepted(openapi: dict[str, Any]) -> None:
    contents = operations(openapi)["POST /api/status/create"]["requestBody"]["content"]
    assert contents.keys() == {"application/json", "application/vnd.api+json"}
    for content in contents.values():
        assert len(read(json.dumps(content["example"]).encode(), datetime.now(UTC), max_items=1)) == 1


def test_the_declared_example_of_a_batch_is_accepted(openapi: dict[str, Any]) -> None:
    contents = operations(openapi)["POST /api/message/batch"]["requestBody"]["content"]
    assert contents.keys() == {"application/json", "application/vnd.api+json"}
    for content in contents.values():
        assert len(read_batch(json.dumps(content["example"]).encode()).messages) == 1


def test_the_declared_examples_of_a_filter_are_accepted(openapi: dict[str, Any]) -> None:
    parameters = operations(openapi)["GET /api/statuses"]["parameters"]
    search = operations(openapi)["POST /api/statuses/search"]["requestBody"]["content"]["application/json"]
    assert {parameter["name"] for parameter in parameters} == search["schema"]["properties"].keys()
    declared = [example for parameter in parameters for example in parameter["schema"].get("examples", [])]
    assert len(declared) == 6
    assert all(map(period, declared))


async def test_a_deployed_service_describes_itself_to_nobody(unopened: Settings) -> None:
    deployed = unopened.model_copy(update={"environment": "dev"})
    async with in_process(create_app(deployed)) as client:
        for path in ("/openapi.json", "/docs", "/redoc", "/docs/oauth2-redirect"):
            assert told(await client.get(path)) == (404, {"status": "Not Found"})
