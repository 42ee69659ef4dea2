"""Runs the commands of `docs/operations.md`, those very lines, as an operator would."""

import os
import pwd
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

DOCUMENT = Path(__file__).parents[2] / "docs" / "operations.md"

SERVER = "# on the server, as its user"
SERVICE = "# with the service's settings"


class Block(NamedTuple):
    """Commands of the document, and the heading under which they stand."""

    heading: str
    commands: str

    @property
    def place(self) -> str:
        """Where they are to be run: the first line says so."""
        return self.commands.partition("\n")[0]


def blocks() -> list[Block]:
    """Return every block of commands of the chapter on backups, in the order of the document."""
    text = DOCUMENT.read_text(encoding="utf-8").partition("\n## Backups and restores\n")[2]
    sections = re.split(r"^### (.*)\n", re.split(r"^## ", text, flags=re.MULTILINE)[0], flags=re.MULTILINE)
    return [
        Block(heading, commands)
        for heading, told in zip(["", *sections[1::2]], sections[::2], strict=True)
        for commands in re.findall(r"^```sh\n(.*?)^```$", told, re.MULTILINE | re.DOTALL)
    ]


class Runbook:
    """The document in the hands of somebody who knows where everything is."""

    def __init__(
        self, programs: Path, folder: Path, variables: Mapping[str, str], service: Mapping[str, str]
    ) -> None:
        """Take PostgreSQL's programs, the service's working folder, the variables, the service's settings."""
        self._folder = folder
        self._variables = variables
        self._server = {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "LC_ALL": "C"}
        own = Path(sys.executable).parent
        self._service = {**service, "PATH": f"{own}{os.pathsep}{os.environ['PATH']}"}

    def run(self, heading: str, *, code: int = 0) -> str:
        """Run what stands under a heading, which must end with this exit code; return all that it told."""
        (block,) = (block for block in blocks() if block.heading == heading)
        on_server = block.place == SERVER
        environment = dict(self._variables) | (self._server if on_server else self._service)
        done = subprocess.run(  # noqa: S603 - the document's own words
            ["/bin/bash", "-euo", "pipefail", "-c", block.commands],
            user=server_user() if on_server else None,
            cwd="/" if on_server else self._folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=120,
            check=False,
        )
        told = done.stdout.decode()
        assert done.returncode == code, f"{heading}: {told}"
        return told


def server_user() -> str | None:
    """Return as whom PostgreSQL runs where we are root, who it refuses to run as."""
    if os.geteuid() != 0:
        return None
    return "postgres" if "postgres" in {one.pw_name for one in pwd.getpwall()} else "nobody"
