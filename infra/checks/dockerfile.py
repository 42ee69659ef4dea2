"""Reads a Dockerfile: its stages, and the instructions of each. Pure."""

import re
from typing import NamedTuple


class Step(NamedTuple):
    """An instruction, its lines joined."""

    word: str
    rest: str


def stages(text: str) -> dict[str, list[Step]]:
    """Return the instructions of each stage by its name; those before the first stage by ""."""
    joined = re.sub(r"\\\n\s*(?:#.*\n\s*)*", "", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE))
    found: dict[str, list[Step]] = {"": []}
    name = ""
    for line in filter(None, joined.splitlines()):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            name = rest.partition(" AS ")[2]
            found[name] = []
        found[name].append(Step(word, rest.strip()))
    return found
