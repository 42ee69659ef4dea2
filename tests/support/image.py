"""Rehearses the Dockerfile without Docker: its steps, in a folder that stands for the images' file systems.

`FROM` stands for this machine's Python; `ENV`, `WORKDIR`, `COPY` and `RUN` are done, with each absolute path
moved below the folder; what only an engine can do (`USER`, `EXPOSE`, `HEALTHCHECK`) is not.
"""

import os
import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

from infra.checks.dockerfile import Step, stages
from tests.support.service import ROOT

_PATHS = re.compile(r"(?<![\w.$:/])/(?=(?:opt|build|styles|home|app)\b)")


def context(folder: Path) -> Path:
    """Copy what git keeps and .dockerignore admits, as the builder would get it."""
    admitted = [
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")
    ]
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.check_output(listed, cwd=ROOT, text=True).splitlines():  # noqa: S603
        if (
            any(fnmatch(name, one) or name.startswith(f"{one}/") for one in admitted)
            and (ROOT / name).exists()
        ):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


class Image:
    """The file systems of the stages, in one folder: no stage writes where another does."""

    def __init__(self, folder: Path) -> None:
        """Begin with a clean context and nothing else."""
        self.root = folder / "root"
        self._context = context(folder / "context")
        self._stages = stages((ROOT / "Dockerfile").read_text())

    def path(self, text: str) -> str:
        """Return a command or path with each absolute path below the folder."""
        return _PATHS.sub(f"{self.root}/", text)

    def rehearse(self, stage: str) -> None:
        """Do the steps of a stage; raises `CalledProcessError` where a command fails."""
        # This Python's own folder first: within a virtual environment `python` would be another.
        base = Path(sys.base_prefix) / "bin"
        environment = os.environ | {"PATH": f"{base}:{os.environ['PATH']}"}
        environment.pop("VIRTUAL_ENV", None)
        place = self.root
        for step in self._stages[stage]:
            match step:
                case Step("WORKDIR", path):
                    place = Path(self.path(path))
                    place.mkdir(parents=True, exist_ok=True)
                case Step("ENV", text):
                    told = dict(one.split("=", 1) for one in text.split())
                    told.pop("PATH", None)
                    environment |= {name: self.path(value) for name, value in told.items() if name != "HOME"}
                case Step("COPY", text):
                    self._copy(text, place)
                case Step("RUN", text) if "useradd" not in text:
                    command = ["bash", "-o", "pipefail", "-c", self.path(text)]
                    subprocess.run(command, cwd=place, env=environment, check=True)  # noqa: S603

    def _copy(self, text: str, place: Path) -> None:
        *sources, target = (one for one in text.split() if not one.startswith("--from"))
        origin = self.root if text.startswith("--from") else self._context
        for source in sources:
            found = origin / source.lstrip("/")
            into = place / target if not target.startswith("/") else Path(self.path(target))
            if found == into:
                continue  # from one stage to another, and both are here
            if found.is_dir():
                shutil.copytree(found, into, dirs_exist_ok=True, symlinks=True)
            else:
                shutil.copy(found, into)
