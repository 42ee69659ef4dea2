"""Where checkpoints lie outside the database: what was published there cannot be taken back by changing it.

An anchor is a checkpoint as it was signed, under the name of its log and its size. It is written once, for
ever.
"""

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from eventstore.errors import LedgerError

_DIGITS = 20
_FOLDER_OF = 1_000_000
"""Sizes whose anchors share a folder: the newest is found without reading the names of all."""


class AnchorConflict(LedgerError):
    """Another checkpoint of this size was published before."""


class AnchorsUnavailable(LedgerError):
    """The anchors cannot be reached."""


class Anchors(Protocol):
    """A place for published checkpoints. Its methods block."""

    def publish(self, log: str, size: int, note: str) -> None:
        """Keep a checkpoint; return when it is safe.

        The same one again does no harm. Raises `AnchorConflict` where another is there under this size, and
        `AnchorsUnavailable`.
        """

    def latest(self, log: str) -> str | None:
        """Return the largest checkpoint that was published of a log; raises `AnchorsUnavailable`."""

    def all(self, log: str) -> Iterator[str]:
        """Yield every published checkpoint of a log, smallest first; raises `AnchorsUnavailable`."""


class Folder:
    """Anchors as files of a folder, for one machine, or for a mount that forbids changes."""

    def __init__(self, path: Path) -> None:
        """Take the folder; it is made with the first anchor."""
        self._path = path
        self._durable: set[Path] = set()
        """The folders whose own names are on disk for certain."""

    def __str__(self) -> str:
        """Name the folder."""
        return str(self._path)

    def publish(self, log: str, size: int, note: str) -> None:
        """Write the checkpoint to a file of its own, whole or not at all, and never over another."""
        place = self._file(log, size)
        try:
            if not place.exists():
                place.parent.mkdir(parents=True, exist_ok=True)
                _write(place, note)
            # Whoever wrote it: another process may have died before it did this.
            self._make_durable(place)
            kept = place.read_text(encoding="utf-8")
        except OSError as error:
            raise AnchorsUnavailable(str(error)) from error
        if kept != note:
            raise AnchorConflict(f"{place}")

    def latest(self, log: str) -> str | None:
        """Return the anchor of the largest size."""
        try:
            for folder in reversed(self._within(self._path / named(log))):
                for place in reversed(self._within(folder)):
                    return place.read_text(encoding="utf-8")
        except OSError as error:
            raise AnchorsUnavailable(str(error)) from error
        return None

    def all(self, log: str) -> Iterator[str]:
        """Yield every anchor."""
        try:
            for folder in self._within(self._path / named(log)):
                for place in self._within(folder):
                    yield place.read_text(encoding="utf-8")
        except OSError as error:
            raise AnchorsUnavailable(str(error)) from error

    def _file(self, log: str, size: int) -> Path:
        folder = f"{size // _FOLDER_OF:0{_DIGITS}}"
        return self._path / named(log) / folder / f"{size:0{_DIGITS}}"

    @staticmethod
    def _within(folder: Path) -> list[Path]:
        """Return what lies in a folder in the order of the numbers; what we write on has another name."""
        if not folder.is_dir():
            return []
        return sorted(place for place in folder.iterdir() if re.fullmatch(r"[0-9]{20}", place.name))

    def _make_durable(self, place: Path) -> None:
        """See that the name of an anchor is on disk, and the names of its folders."""
        _sync(place.parent)
        if place.parent not in self._durable:
            _sync(place.parent.parent)
            _sync(place.parent.parent.parent)
            self._durable.add(place.parent)


def named(log: str) -> str:
    """Return a log's name as a folder may have it: an origin has slashes."""
    return re.sub(r"[^\w.-]", "_", log, flags=re.ASCII)


def _write(place: Path, note: str) -> None:
    descriptor, name = tempfile.mkstemp(prefix="new-", dir=place.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(note)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o444)
        with suppress(FileExistsError):  # another process was faster: who called compares
            os.link(name, place)  # which, unlike a rename, never replaces what is there
    finally:
        Path(name).unlink()


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
