"""Checks the locks: pip must have nothing left to choose, or a release of somebody's breaks every set-up."""

import re
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements.txt", "requirements-dev.txt")


def locked(lock: str) -> dict[str, set[str]]:
    """Return the extras of each requirement of a lock, by its name."""
    lines = re.findall(r"^[A-Za-z0-9].*?(?= \\$|$)", (ROOT / lock).read_text(), re.MULTILINE)
    requirements = [Requirement(line) for line in lines]
    return {canonicalize_name(one.name): one.extras for one in requirements}


def asked(name: str, extras: set[str]) -> list[Requirement]:
    """Return what an installed package requires with these extras of its own."""
    try:
        required = [Requirement(line) for line in requires(name) or ()]
    except PackageNotFoundError:  # of another system or Python
        return []
    return [
        one
        for one in required
        if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in {"", *extras})
    ]


@pytest.mark.parametrize("lock", LOCKS)
def test_the_extras_that_anything_asks_for_are_in_the_lock(lock: str) -> None:
    extras = locked(lock)
    wanted = [one for name, own in extras.items() for one in asked(name, own) if one.extras]
    assert wanted
    assert [str(one) for one in wanted if not one.extras <= extras[canonicalize_name(one.name)]] == []
