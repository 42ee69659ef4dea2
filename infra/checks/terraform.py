"""Runs Terraform on copies of the stacks, against the stand-in for the provider."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1] / "terraform"
STACKS = ("core", "audit")
ENVIRONMENTS = ("dev", "int", "pre", "prd")

_LOCAL_STATE = 'terraform {\n  backend "local" {}\n}\n'
_FAKE_ID = "00000000-0000-0000-0000-000000000000"
_PLACEHOLDER = re.compile(r'"<[^">]*>"')


class Outcome(NamedTuple):
    """How a command of Terraform ended."""

    ok: bool
    text: str


class Resource(NamedTuple):
    """A planned resource: what is written of it; what Azure will say stays out."""

    address: str
    type: str
    values: dict[str, Any]


class Stacks:
    """A copy of `infra/terraform` in a folder, to plan and to break."""

    def __init__(self, folder: Path, environment: dict[str, str], origin: Path | None = None) -> None:
        """Copy the stacks, or another copy that is initialised; `environment` leads to the provider's stand-in."""
        self.folder = folder / "terraform"
        shutil.copytree(
            origin or ROOT, self.folder, ignore=None if origin else shutil.ignore_patterns(".terraform*")
        )
        self._environment = {
            **os.environ,
            **environment,
            "CHECKPOINT_DISABLE": "1",  # asks nobody for a newer version
            "TF_CLI_CONFIG_FILE": os.devnull,
            "TF_IN_AUTOMATION": "1",
        }
        for stack in STACKS:
            (self.folder / stack / "backend_override.tf").write_text(_LOCAL_STATE)
        for written in self.folder.rglob("*.tfvars"):
            written.write_text(_PLACEHOLDER.sub(f'"{_FAKE_ID}"', written.read_text()))

    def replace(self, path: str, old: str, new: str) -> None:
        """Plant a mistake: put `new` for `old`, which must be there, into a file."""
        file = self.folder / path
        text = file.read_text()
        assert old in text, f"{path} has no {old!r}"
        file.write_text(text.replace(old, new))

    def run(self, stack: str, *arguments: str) -> Outcome:
        """Run one command of Terraform on a stack."""
        done = subprocess.run(
            ["terraform", f"-chdir={self.folder / stack}", *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return Outcome(done.returncode == 0, re.sub(r"\s*[│╷╵]\s?", "\n", done.stdout + done.stderr))

    def plan(self, stack: str, environment: str) -> Outcome:
        """Check a stack's every argument, type and reference, and plan it for an environment."""
        values = f"-var-file=environments/{environment}.tfvars"
        return self.run(stack, "plan", "-no-color", "-input=false", "-lock=false", values, "-out=plan")

    def planned(self, stack: str, environment: str) -> list[Resource]:
        """Return what a stack makes in an environment."""
        outcome = self.plan(stack, environment)
        assert outcome.ok, outcome.text
        shown = self.run(stack, "show", "-json", "plan")
        start = shown.text.index("{")
        return list(_resources(json.loads(shown.text[start:])["planned_values"]["root_module"]))


def _resources(module: dict[str, Any]) -> Iterator[Resource]:
    for one in module.get("resources", ()):
        yield Resource(one["address"], one["type"], one["values"])
    for child in module.get("child_modules", ()):
        yield from _resources(child)
