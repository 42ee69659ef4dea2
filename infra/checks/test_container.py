"""The container: hadolint finds nothing, the rules of the issue hold, and each check can fail."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml

from infra.checks.dockerfile import stages
from infra.checks.terraform import ROOT as TERRAFORM

ROOT = TERRAFORM.parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text()

PORTS = {"service": "8000", "functions": "8080"}


def faults(text: str) -> Iterator[str]:
    """Yield what is wrong with the images that a Dockerfile makes."""
    found = stages(text)
    defaults = dict(step.rest.split("=", 1) for step in found[""] if step.word == "ARG")
    for name, steps in found.items():
        if not name:
            continue
        image = re.sub(r"\$\{(\w+)\}", lambda one: defaults[one[1]], steps[0].rest.partition(" AS ")[0])
        if image not in found and (":" not in image or image.endswith(":latest")):
            yield f"{name} is made of {image}, which may be another tomorrow"
    for name in PORTS.keys() & found.keys():
        words = [step.word for step in found[name]]
        users = [step.rest for step in found[name] if step.word == "USER"]
        if not users or re.match(r"(root|0)\b", users[-1]):
            yield f"{name} runs as root"
        if "HEALTHCHECK" not in words:
            yield f"{name} has no health check"
        if any(step.word == "EXPOSE" and step.rest != PORTS[name] for step in found[name]):
            yield f"{name} listens on another port than {PORTS[name]}"
    for step in (one for steps in found.values() for one in steps):
        if step.word == "ADD":
            yield f"ADD {step.rest}: COPY does not fetch"
        if re.search(r"pip install(?!.*--require-hashes)(?!.*--no-deps)", step.rest):
            yield f"{step.rest}: not held to the lock"
        if re.search(r"(?i)(secret|password|api_key|token)\w*=", step.rest):
            yield f"{step.rest}: a secret would stay in the image"


def linted(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    file = folder / "Dockerfile"
    file.write_text(text)
    return subprocess.run(
        [Path(sys.executable).with_name("hadolint"), "--no-color", "--failure-threshold", "info", file],
        capture_output=True,
        text=True,
        check=False,
    )


def copied(text: str) -> set[str]:
    """Return what is copied from the repository."""
    return {
        source
        for steps in stages(text).values()
        for step in steps
        if step.word == "COPY" and not step.rest.startswith("--from")
        for source in step.rest.split()[:-1]
    }


def admitted(source: str) -> bool:
    """Whether .dockerignore, which begins by ignoring everything, lets a path in."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    return any(fnmatch(source, line[1:]) for line in lines if line.startswith("!"))


def test_hadolint_finds_nothing(tmp_path: Path) -> None:
    done = linted(tmp_path, DOCKERFILE)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_images_are_fixed_unprivileged_and_watched() -> None:
    assert set(PORTS) <= stages(DOCKERFILE).keys()
    assert list(faults(DOCKERFILE)) == []


def test_what_is_copied_is_there_and_reaches_the_builder() -> None:
    sources = copied(DOCKERFILE)
    assert sources >= {"requirements.txt", "ledger", "infra/functions"}
    assert [source for source in sources if not (ROOT / source).exists() or not admitted(source)] == []


def test_every_package_of_the_wheel_is_copied() -> None:
    built = re.search(r"^packages = \[(.*)\]$", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert built is not None
    assert copied(DOCKERFILE) >= {*re.findall(r'"(\w+)"', built[1]), "migrations"}


def test_the_app_service_is_told_the_port_of_the_image() -> None:
    told = (TERRAFORM / "modules" / "function_app" / "main.tf").read_text()
    assert re.findall(r'WEBSITES_PORT += "(\d+)"', told) == [PORTS["functions"]]
    assert f"ASPNETCORE_URLS=http://+:{PORTS['functions']}" in DOCKERFILE


def test_the_containers_on_a_developers_machine_may_write_nothing_but_tmp() -> None:
    app = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["app"]
    assert app["read_only"] is True
    assert (app["tmpfs"], app["cap_drop"]) == (["/tmp"], ["ALL"])  # noqa: S108 - a place in the container


def test_the_hosts_settings_are_json_of_version_2() -> None:
    host = json.loads((ROOT / "infra" / "functions" / "host.json").read_text())
    assert host["version"] == "2.0"


# Planted mistakes: each check is seen to fail.

FOUND_BY_HADOLINT = {
    "a mutable base": ("python:3.11.15-slim-bookworm", "python:latest", None),
    "a base without a version": ("FROM ${PYTHON_IMAGE} AS service", "FROM python AS service", "DL3006"),
    "sudo": ("RUN python -m venv", "RUN sudo python -m venv", "DL3004"),
    "a shell's form of a command": ('CMD ["status-ledger", "serve", "--host", "0.0.0.0", "--port", "8000"]', "CMD status-ledger serve", "DL3025"),
    "packages without a version": ("RUN python -m venv /opt/ledger", "RUN apt-get install --yes gcc && python -m venv /opt/ledger", "DL3008"),
    "cd": ("WORKDIR /build", "RUN cd /build", "DL3003"),
    "root at the end": ("USER 10001:10001\nEXPOSE 8000", "USER root\nEXPOSE 8000", "DL3002"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", FOUND_BY_HADOLINT)
def test_a_mistake_is_found(tmp_path: Path, mistake: str) -> None:
    old, new, rule = FOUND_BY_HADOLINT[mistake]
    assert old in DOCKERFILE
    broken = DOCKERFILE.replace(old, new)
    if rule is not None:
        done = linted(tmp_path, broken)
        assert done.returncode != 0
        assert rule in done.stdout
    else:  # hadolint does not look into arguments
        assert list(faults(broken))


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("azure-functions/python:4-python3.11", "azure-functions/python:latest", "another tomorrow"),
        ("azure-functions/python:4-python3.11", "azure-functions/python", "another tomorrow"),
        ("USER 10001:10001\nEXPOSE 8080", "EXPOSE 8080", "functions runs as root"),
        ("USER 10001:10001\nEXPOSE 8000", "USER 0\nEXPOSE 8000", "service runs as root"),
        ("HEALTHCHECK --interval=15s --timeout=12s --start-period=20s", "LABEL health", "no health check"),
        ("EXPOSE 8080", "EXPOSE 80", "another port"),
        ("--require-hashes ", "", "not held to the lock"),
        ("COPY requirements.txt ./", "ADD https://example.org/requirements.txt ./", "does not fetch"),
        ("PYTHONUNBUFFERED=1\nRUN", "PYTHONUNBUFFERED=1 HMAC_SECRET=sesame\nRUN", "stay in the image"),
    ],
)
def test_a_broken_rule_is_found(old: str, new: str, fault: str) -> None:
    assert old in DOCKERFILE
    assert any(fault in one for one in faults(DOCKERFILE.replace(old, new)))


def test_what_the_builder_does_not_get_is_missed() -> None:
    assert not admitted("tests")
    assert "tests" in copied(DOCKERFILE.replace("COPY query query", "COPY tests tests"))
