"""Lends the checks what they need, or says why they cannot run: a skip on a person's machine, a failure in CI."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.checks.provider import serving
from infra.checks.schema import provider_schema
from infra.checks.terraform import ROOT, STACKS, Resource, Stacks


@pytest.fixture(scope="session")
def terraform() -> None:
    if shutil.which("terraform") is None:
        reason = "terraform is not installed"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture(scope="session")
def schema() -> dict[str, Any]:
    """The provider's schema, of the kinds that the code names alone: Terraform reads it with every command."""
    whole = provider_schema()
    named = {
        name
        for file in ROOT.rglob("*.tf")
        for name in re.findall(r'^(?:resource|data) "(\w+)"', file.read_text(), re.MULTILINE)
    }
    return whole | {
        kind: {name: one for name, one in whole[kind].items() if name in named}
        for kind in ("resources", "data_sources")
    }


@pytest.fixture(scope="session")
def provider(terraform: None, schema: dict[str, Any]) -> Iterator[dict[str, str]]:
    with serving(schema) as environment:
        yield environment


@pytest.fixture(scope="session")
def initialised(provider: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the stacks on which `terraform init` has been run, to copy from."""
    stacks = Stacks(tmp_path_factory.mktemp("initialised"), provider)
    for stack in STACKS:
        outcome = stacks.run(stack, "init", "-no-color", "-input=false")
        assert outcome.ok, outcome.text
    return stacks.folder


@pytest.fixture
def stacks(provider: dict[str, str], initialised: Path, tmp_path: Path) -> Stacks:
    return Stacks(tmp_path, provider, initialised)


@pytest.fixture(scope="session")
def naming_provider(terraform: None, schema: dict[str, Any]) -> Iterator[dict[str, str]]:
    with serving(schema, naming=True) as environment:
        yield environment


@pytest.fixture
def broken(naming_provider: dict[str, str], initialised: Path, tmp_path: Path) -> Stacks:
    """A copy to plant a mistake in, whose plans name what only Azure knows."""
    return Stacks(tmp_path, naming_provider, initialised)


@pytest.fixture(scope="session")
def planned(
    naming_provider: dict[str, str], initialised: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, str], list[Resource]]:
    """What each stack makes in each environment, planned once."""
    stacks = Stacks(tmp_path_factory.mktemp("planned"), naming_provider, initialised)
    plans: dict[tuple[str, str], list[Resource]] = {}

    def plan(stack: str, environment: str) -> list[Resource]:
        if (stack, environment) not in plans:
            plans[stack, environment] = stacks.planned(stack, environment)
        return plans[stack, environment]

    return plan
