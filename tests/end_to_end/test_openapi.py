"""The API keeps to its own description, whatever is asked of it: Schemathesis, with all its checks."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.client import BATCH, NHS_NUMBER
from tests.support.database import cloned
from tests.support.service import Service, command_environment, running
from tests.support.supplier import AUDITOR_API_KEY, CLIENT_API_KEY

pytestmark = pytest.mark.slow

EXAMPLES = "20"
SEED = "20261130"


@pytest.fixture(scope="module")
def service(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with cloned(postgres) as url:
        folder = tmp_path_factory.mktemp("service")
        with running(folder, DATABASE_URL=url, ANCHORS=str(folder / "anchors")) as started:
            yield started


def fuzzed(service: Service, folder: Path, *options: str, **environment: str) -> None:
    """Let Schemathesis loose on the service; it must find nothing."""
    described = folder / "openapi.json"
    described.write_text(json.dumps(askable(service.client.get("/openapi.json").json())))
    done = subprocess.run(  # noqa: S603 - our own words
        [
            *(sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()", "run"),
            *(str(described), "--url", f"http://127.0.0.1:{service.port}", "--no-color", "--checks", "all"),
            *("--continue-on-failure", "--max-examples", EXAMPLES, "--seed", SEED, *options),
        ],
        cwd=folder,
        env=command_environment(**environment),
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout
    assert '"level":"error"' not in service.log.read_text()


TIMES = {"created_at", "createdAfter", "createdBefore", "known_at", "as_of", "asOf"}
MADE_BY_THE_SERVICE = {"cursor", "after"}


def askable(description: Any) -> Any:
    """Return the description narrowed to what is always taken, where it cannot say so itself.

    No schema tells a date from its like, an NHS number by its check digit, or a cursor of the service's own.
    """
    for path in description["paths"].values():
        for operation in path.values():
            operation["parameters"] = [
                {**one, "schema": {"enum": ["2026-11-23"]}} if one["name"] in TIMES else one
                for one in operation.get("parameters", [])
                if one["name"] not in MADE_BY_THE_SERVICE
            ]
            for content in operation.get("requestBody", {}).get("content", {}).values():
                asked = content["schema"].get("properties", {})
                asked |= {name: {"enum": ["2026-11-23", None]} for name in TIMES & set(asked)}
                for name in MADE_BY_THE_SERVICE & set(asked):
                    del asked[name]
    text = json.dumps(description)
    of_a_person = '"nhsNumber": {"type": "string", '
    assert of_a_person in text
    return json.loads(
        text.replace(of_a_person, f'"nhsNumber": {{"enum": ["{NHS_NUMBER}"], "type": "string", ')
    )


NOT_WHAT_IS_TAKEN = ("--exclude-checks", "positive_data_acceptance")
"""No schema says which fields an item needs, nor that a batch must agree with the one before it."""


@pytest.mark.parametrize("key", [None, CLIENT_API_KEY, AUDITOR_API_KEY], ids=["nobody", "client", "auditor"])
def test_the_api_keeps_to_its_description_for(service: Service, tmp_path: Path, key: str | None) -> None:
    options = ["--header", f"x-api-key: {key}", "--exclude-path", BATCH] if key else []
    fuzzed(service, tmp_path, *options)


def test_the_api_keeps_to_its_description_for_a_client_that_registers(
    service: Service, tmp_path: Path
) -> None:
    key = f"x-api-key: {CLIENT_API_KEY}"
    fuzzed(service, tmp_path, "--header", key, "--include-path", BATCH, *NOT_WHAT_IS_TAKEN)


def test_the_api_keeps_to_its_description_for_the_supplier(service: Service, tmp_path: Path) -> None:
    only = ["--include-path", "/api/status/create", *NOT_WHAT_IS_TAKEN]
    fuzzed(service, tmp_path, *only, SCHEMATHESIS_HOOKS="tests.support.signing")
