"""The README tells what there is: held against the code, so that it cannot rot."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command

from ledger.app import create_app
from ledger.cli import app as command_line
from ledger.settings import Settings
from tests.support.service import ENVIRONMENT

ROOT = Path(__file__).parents[3]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_setting_stands_in_the_table_with_its_default_and_meaning() -> None:
    expected = set()
    for name, field in Settings.model_fields.items():
        if name.endswith("_previous"):
            continue
        default = "" if field.default in (None, ()) else f"`{str(field.default).replace('False', 'false')}`"
        default = "required" if field.is_required() else default
        expected.add(f"| `{name.upper()}` | {default} | {field.description} |")
    table = README.partition("## Settings")[2].partition("## ")[0]
    assert set(re.findall(r"^\| `[A-Z_]+` .*\|$", table, re.MULTILINE)) == expected


def test_every_secret_has_a_previous_twin() -> None:
    assert {f"{name}_previous" for name in Settings.SECRETS} <= Settings.model_fields.keys()


def commands_of(group: Any) -> Iterator[str]:
    """Yield every command of a group, those of the groups within it by both names."""
    for name in group.list_commands(None):
        command = group.get_command(None, name)
        within = commands_of(command) if hasattr(command, "commands") else [""]
        yield from (f"{name} {inner}".strip() for inner in within)


def test_every_command_stands_in_the_table() -> None:
    commands = list(commands_of(get_command(command_line)))
    table = README.partition("## The command line")[2].partition("## ")[0]
    told = re.findall(r"^\| `status-ledger ([a-z-]+(?: [a-z-]+)*)", table, re.MULTILINE)
    assert sorted(told) == sorted(commands)


def test_every_endpoint_stands_in_the_table() -> None:
    settings = Settings.model_validate({name.lower(): value for name, value in ENVIRONMENT.items()})
    described = {
        f"{method.upper()} {path}"
        for path, operations in create_app(settings).openapi()["paths"].items()
        for method in operations
    }
    table = README.partition("## The API")[2].partition("## ")[0]
    assert set(re.findall(r"^\| `([A-Z]+ /\S+)`", table, re.MULTILINE)) == described


def test_every_file_and_test_that_it_names_exists() -> None:
    for link in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / link).exists(), link
    tests = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    for name in re.findall(r"`(test_\w+)`", README):
        assert f"def {name}(" in tests, name


def test_every_file_and_test_that_the_document_on_reliability_names_exists() -> None:
    document = ROOT / "docs" / "reliability.md"
    text = document.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (document.parent / link).exists(), link
    tests = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    for name in re.findall(r"`(test_\w+)`", text):
        assert f"def {name}(" in tests, name


def test_every_make_target_that_it_names_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"`?make ([a-z-]+)", README):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
