"""The pipelines: valid for Azure Pipelines, in an order that is safe, and that each check can fail."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.checks.terraform import ENVIRONMENTS, STACKS

PIPELINES = Path(__file__).parents[2] / "pipelines"
FILES = sorted(PIPELINES.rglob("*.yaml"))

_TAGGED = re.compile(
    r"(?:status-ledger-(?:service|functions|\$\w+|\$\(\w+\))|azurecr\.io/[\w$(){}.-]+):(?!//)[\w$(){}.-]+"
)


def schema_says(*files: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            Path(sys.executable).with_name("check-jsonschema"),
            "--builtin-schema", "vendor.azure-pipelines", "--regex-variant", "python", *files,
        ],
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip


def mutable_tags(text: str) -> list[str]:
    """Return what names an image by a tag."""
    return [*_TAGGED.findall(text), *re.findall(r"--tag\b|\bdocker push\b|:latest\b", text)]


def stages(name: str) -> dict[str, dict[str, Any]]:
    """Return the stages of a pipeline or template by name, those of its templates included, in their order."""
    loaded = yaml.safe_load((PIPELINES / name).read_text())
    found: dict[str, dict[str, Any]] = {}
    for stage in loaded["stages"]:
        found |= stages(stage["template"]) if "template" in stage else {stage["stage"]: stage}
    return found


def before(found: dict[str, dict[str, Any]], name: str) -> Iterator[str]:
    """Yield the stages that a stage waits for, the nearest first."""
    while name := found[name].get("dependsOn", ""):
        yield name


def script_of(stage: dict[str, Any]) -> str:
    return yaml.safe_dump(stage, width=10_000)


def unapproved(found: dict[str, dict[str, Any]]) -> list[str]:
    """Return the stages that apply a plan which nobody has approved."""
    return [
        name
        for name, stage in found.items()
        if "terraform apply" in script_of(stage)
        and not any("ManualValidation@" in script_of(found[earlier]) for earlier in before(found, name))
    ]


def test_every_pipeline_is_valid_for_azure() -> None:
    said = schema_says(*FILES)
    assert said.returncode == 0, said.stdout[-3000:]


def test_every_environment_has_its_pipelines() -> None:
    wanted = {
        f"cd-infrastructure-{environment}-{stack}.yaml" for environment in ENVIRONMENTS for stack in STACKS
    }
    wanted |= {f"cd-application-{environment}.yaml" for environment in ENVIRONMENTS} | {"ci.yaml"}
    assert {file.name for file in PIPELINES.glob("*.yaml")} == wanted


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_no_image_has_a_tag(file: Path) -> None:
    assert mutable_tags(file.read_text()) == []


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("stack", STACKS)
def test_what_is_applied_was_planned_and_approved(environment: str, stack: str) -> None:
    name = f"cd-infrastructure-{environment}-{stack}.yaml"
    found = stages(name)
    assert list(before(found, "apply")) == ["approve", "plan"]
    assert unapproved(found) == []
    assert "plan.tfplan" in script_of(found["apply"])  # that very plan, not another
    (template,) = yaml.safe_load((PIPELINES / name).read_text())["stages"]
    assert (template["parameters"]["environment"], template["parameters"]["stack"]) == (environment, stack)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_schema_is_migrated_by_its_own_identity_before_anything_is_deployed(environment: str) -> None:
    found = stages(f"cd-application-{environment}.yaml")
    assert "migrate" in before(found, "deploy")
    assert "status-ledger migrate" in script_of(found["migrate"])
    assert "-migration\n" in script_of(found["migrate"])
    for name in found.keys() - {"migrate"}:
        assert "-migration" not in script_of(found[name]), name


@pytest.mark.parametrize("environment", ["pre", "prd"])
def test_pre_and_prd_swap_in_what_is_well_and_swap_back_what_is_not(environment: str) -> None:
    name = f"cd-application-{environment}.yaml"
    found = stages(name)
    release, swap = yaml.safe_load((PIPELINES / name).read_text())["stages"]
    assert release["parameters"]["target"] == "staging"
    assert {one["parameters"]["environment"] for one in (release, swap)} == {environment}
    assert list(before(found, "verify")) == ["swap", "smoke", "deploy", "migrate", "import"]
    assert "slot swap" in script_of(found["swap"])
    assert found["rollback"]["condition"] == "failed()"
    assert found["rollback"]["dependsOn"] == "verify"
    assert "slot swap" in script_of(found["rollback"])


@pytest.mark.parametrize("environment", ["dev", "int"])
def test_dev_and_int_are_verified(environment: str) -> None:
    assert "smoke" in before(stages(f"cd-application-{environment}.yaml"), "verify")


def test_an_image_is_scanned_before_it_is_pushed_and_pushed_by_digest() -> None:
    text = (PIPELINES / "ci.yaml").read_text()
    assert (
        text.index("bash .ci/run")
        < text.index("--exit-code 1")
        < text.index("sbom.cdx.json")
        < text.index("skopeo copy")
    )
    assert "@$digest" in text


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_script_stops_at_its_first_failure(file: Path) -> None:
    for script in re.findall(
        r"(?:inlineScript|script): \|\n((?:\s+.*\n)+?)(?=\s+\w+:|\S|\Z)", file.read_text()
    ):
        assert script.strip().startswith("set -euo pipefail"), script


# Planted mistakes: each check is seen to fail.


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("ci.yaml", "dependsOn: check", "dependOn: check"),
        ("templates/terraform.yaml", "scriptType: bash", "scriptType: zsh"),
        ("templates/swap.yaml", "condition: failed()", "conditions: failed()"),
    ],
)
def test_a_wrong_key_is_found(tmp_path: Path, name: str, old: str, new: str) -> None:
    text = (PIPELINES / name).read_text()
    assert old in text
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(text.replace(old, new))
    assert schema_says(wrong).returncode != 0


@pytest.mark.parametrize(
    "line",
    [
        "docker buildx build --tag status-ledger-service:1.2 .",
        'docker run "$registry.azurecr.io/status-ledger-service:latest"',
        '"docker://$(registry)/status-ledger-$(target):$(Build.BuildId)"',
        "docker push status-ledger-service",
    ],
)
def test_a_tag_is_found(line: str) -> None:
    assert mutable_tags(line)


def test_an_apply_without_approval_is_found() -> None:
    found = stages("cd-infrastructure-prd-core.yaml")
    assert unapproved(found | {"apply": found["apply"] | {"dependsOn": "plan"}}) == ["apply"]
