"""Lets the processes of one service tell of each other: whichever is asked for metrics asks the others too.

They meet in a folder that the process above them makes. Each takes the first number that nobody holds, which
the system gives back when it ends, however it ends, and listens on a socket by that name. So a worker keeps
its series when it is replaced, and a scrape that reaches any one of them tells of all.
"""

import asyncio
import fcntl
import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog

PATIENCE = 2.0
"""Seconds that another worker has to tell of itself."""

log = structlog.get_logger()


def _folder_of(pid: int) -> Path:
    return Path(tempfile.gettempdir()) / f"status-ledger-{pid}"


@contextmanager
def meeting_place() -> Iterator[Path]:
    """Lend the processes that this one starts a folder to meet in."""
    folder = _folder_of(os.getpid())
    with suppress(FileNotFoundError):
        shutil.rmtree(folder)  # of a process that had this id before; fails where it is another user's
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def place_of_parent() -> Path | None:
    """Return where the workers of this process's service meet; None where it works alone."""
    parent = multiprocessing.parent_process()
    if parent is None or parent.pid is None:
        return None
    folder = _folder_of(parent.pid)
    try:
        return folder if folder.lstat().st_uid == os.geteuid() else None
    except FileNotFoundError:
        return None


class Workers:
    """The processes of one service by their numbers, as one of them sees them."""

    def __init__(self, folder: Path | None) -> None:
        """Take where they meet, None for a process alone."""
        self.number = 0
        self._folder = folder
        self._held = -1
        self._server: asyncio.Server | None = None

    async def open(self, tell: Callable[[], Awaitable[bytes]]) -> None:
        """Take a number, and from now on tell the others what `tell` returns."""
        if self._folder is None:
            return

        async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(ConnectionError):
                writer.write(await tell())
                await writer.drain()
            writer.close()

        while not self._take():
            self.number += 1
        socket = self._folder / f"{self.number}.socket"
        socket.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(answer, socket)

    def _take(self) -> bool:
        """Take this number, if nobody that lives holds it."""
        held = os.open(f"{self._folder}/{self.number}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(held)
            return False
        self._held = held
        return True

    async def close(self) -> None:
        """Give the number back."""
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._held >= 0:
            os.close(self._held)
            self._held = -1

    async def others(self) -> dict[int, bytes | None]:
        """Return what each of the others tells, by its number; None where one lives and does not answer."""
        if self._folder is None:
            return {}
        sockets = {int(path.stem): path for path in self._folder.glob("*.socket")}
        sockets.pop(self.number, None)
        told = await asyncio.gather(*(_ask(path) for path in sockets.values()))
        return {number: text for number, text in zip(sockets, told, strict=True) if text != b""}


async def _ask(socket: Path) -> bytes | None:
    """Return what a worker tells, nothing where there is none any more."""
    try:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_unix_connection(socket)
            try:
                return await reader.read()
            finally:
                writer.close()
    except (ConnectionError, FileNotFoundError):
        return b""
    except TimeoutError:
        log.warning("worker.silent", worker=int(socket.stem))
        return None
