"""Writes a file that is there whole, or not at all; `-` is standard output."""

import hashlib
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from eventstore.errors import LedgerError


class NotWritable(LedgerError):
    """The file cannot be written."""


class Hashed:
    """A file that is written from its beginning to its end, and knows the SHA-256 of what it holds."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        """Take an empty file, open for writing bytes, and what people call it."""
        self._file = file
        self._name = name
        self._hash = hashlib.sha256()
        self.size = 0
        self.closed = False
        """As files have it: pyarrow asks."""

    def write(self, content: bytes) -> int:
        """Append bytes; raises `NotWritable`."""
        self._hash.update(content)
        self.size += len(content)
        with _told(self._name):
            self._file.write(content)
        return len(content)

    def abandon(self) -> None:
        """Let go of the file: what is written from now on, by a library that tidies up, goes nowhere."""
        self._file = BytesIO()

    def flush(self) -> None:
        """Hand on what was written."""
        self._file.flush()

    def close(self) -> None:
        """Say that nothing follows; the file itself is its owner's to close."""
        self.closed = True

    @property
    def sha256(self) -> str:
        """The hash in hex."""
        return self._hash.hexdigest()


@contextmanager
def whole_file(name: str) -> Iterator[Hashed]:
    """Lend a file that takes its name when the block is done, and is removed where it is not.

    It is written beside its target, on the disk before it is renamed, and only its owner may read it. Raises
    `NotWritable`.
    """
    if name == "-":
        yield Hashed(sys.stdout.buffer, "standard output")
        with _told("standard output"):
            sys.stdout.buffer.flush()
        return
    target = Path(name)
    if target.is_dir():
        raise NotWritable(f"{name} is a folder")
    with _told(name):
        handle, beside = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
    try:
        with _until_terminated(), os.fdopen(handle, "wb") as file:
            yield Hashed(file, name)
            with _told(name):
                file.flush()
                os.fsync(handle)
                Path(beside).replace(target)
    finally:
        with suppress(FileNotFoundError):  # where it has its name
            Path(beside).unlink()


@contextmanager
def _told(name: str) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:  # nobody reads any more, and typer exits without a word
        raise
    except OSError as error:
        raise NotWritable(f"{name}: {error.strerror}") from error


@contextmanager
def _until_terminated() -> Iterator[None]:
    """End the block by an exception where the process is told to stop: SIGTERM would leave a part behind."""
    if threading.current_thread() is not threading.main_thread():  # which alone may listen to signals
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
