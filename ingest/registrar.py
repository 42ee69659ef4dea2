"""Hands batches to a process that registers them, and tells what became of each.

The body goes to that process piece by piece as it arrives: this one never holds it, parses nothing, and its
event loop is free for callbacks. A process is started when one is needed, and ended after a large batch: its
memory is then given back for certain. One that crashed is replaced with the next batch.
"""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Literal, NamedTuple, Self

import orjson

from eventstore.database import Url, url_now
from eventstore.errors import LedgerError
from eventstore.group_commit import Closed, Overloaded
from ingest.batches import InvalidBatch
from ingest.frames import COMPLETE, framed, received
from ingest.registering import Sender

Form = Literal["json", "csv"]
"""How a batch is written: as it is sent to Notify, or a row a message (`ingest/batch_csv.py`)."""

MOST_AT_ONCE = 4
"""Batches that may be on their way in; one of them is worked on, the others arrive. Past it, 429."""

PATIENCE = 120.0
"""Seconds that a body may take to arrive, and that a batch may take to be registered."""

GRACE = 5.0
"""Seconds that a process may take to end itself."""

SMALL = 1024 * 1024
"""Bytes of a body after which its process is kept for the next one."""

MEMORY = 512 * 1024 * 1024
"""Bytes that a process may take for itself; each byte of the largest body adds `MEMORY_A_BYTE`."""

MEMORY_A_BYTE = 16

# Whoever stops a service may tell all its processes; this one ends when the service does, its batch done. And
# where the service found its modules is where the process finds them, installed or in a repository.
_START = (
    "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); sys.path[:] = sys.argv[1:]; "
    "from ingest.registering_process import main; main()"
)


class RegistrationFailed(LedgerError):
    """The batch could not be registered."""


class TooSlow(LedgerError):
    """The body did not arrive in time."""


class Registered(NamedTuple):
    """What became of a batch."""

    messages: int
    """How many it has, all of them registered by now."""
    new: int
    """How many were not registered before."""


class Registrar:
    """Registers batches, one after another, in a process of its own."""

    def __init__(
        self, url: Url, role: str | None, recipient_keys: Sequence[str], *, max_body_bytes: int
    ) -> None:
        """Take the database's URL, the role to work as, the ring of recipient keys, the current one first."""
        self._url = url
        setup = {
            "role": role,
            "recipient_keys": list(recipient_keys),
            "memory": MEMORY + MEMORY_A_BYTE * max_body_bytes,
        }
        self._setup = orjson.dumps(setup)
        self._under_way = 0
        self._turn = asyncio.Lock()
        self._idle: _RegisteringProcess | None = None
        self._closed = False

    async def register(
        self, sender: Sender, body: AsyncIterator[bytes], *, form: Form = "json"
    ) -> Registered:
        """Register the batch whose body arrives piece by piece; return after the commit that keeps it.

        Raises `InvalidBatch`, `Overloaded` where too many are on their way, `TooSlow`, `RegistrationFailed`
        where nothing may be promised, and whatever the body raises.
        """
        if self._closed:
            raise Closed
        if self._under_way >= MOST_AT_ONCE:
            raise Overloaded
        self._under_way += 1
        try:
            async with self._process() as process:
                try:
                    async with asyncio.timeout(PATIENCE):
                        await process.take(sender, form, await url_now(self._url), body)
                except TimeoutError:
                    raise TooSlow from None
                async with self._turn:
                    outcome = await process.outcome()
        finally:
            self._under_way -= 1
        if "refused" in outcome:
            raise InvalidBatch(outcome["refused"])
        if "failed" in outcome:
            raise RegistrationFailed(outcome["failed"])
        return Registered(**outcome)

    async def close(self) -> None:
        """Take nothing more, and end the process that waits for the next batch."""
        self._closed = True
        if self._idle is not None:
            idle, self._idle = self._idle, None
            await idle.end()

    @asynccontextmanager
    async def _process(self) -> AsyncIterator["_RegisteringProcess"]:
        """Lend a process; whatever goes wrong with it, it is not used again."""
        process, self._idle = self._idle, None
        if process is None or process.ended:
            process = await _RegisteringProcess.start(self._setup)
        keep = False
        try:
            yield process
            keep = process.taken <= SMALL and self._idle is None and not self._closed
        finally:
            if keep:
                self._idle = process
            else:
                await process.end()


class _RegisteringProcess:
    """A process that runs `registering_process.main`, seen from here."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.taken = 0
        """Bytes of the last body."""

    @classmethod
    async def start(cls, setup: bytes) -> Self:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            _START,
            *sys.path,
            stdin=PIPE,
            stdout=PIPE,
            start_new_session=True,  # Ctrl-C is for the service, which lets what is under way finish
        )
        started = cls(process)
        try:
            await started._send(framed(setup))
        except BaseException:
            await started.end()
            raise
        return started

    @property
    def ended(self) -> bool:
        return self._process.returncode is not None

    async def take(self, sender: Sender, form: Form, url: str, body: AsyncIterator[bytes]) -> None:
        self.taken = 0
        order = {"url": url, "form": form, "sender": sender._asdict()}
        await self._send(framed(orjson.dumps(order)))
        async for piece in body:
            if piece:  # an empty frame would be the end
                self.taken += len(piece)
                await self._send(framed(piece))

    async def outcome(self) -> dict[str, Any]:
        """Let the process register what it took."""
        await self._send(COMPLETE)
        assert self._process.stdout is not None  # noqa: S101 - PIPE
        try:
            async with asyncio.timeout(PATIENCE):
                outcome: dict[str, Any] = orjson.loads(await received(self._process.stdout))
        except TimeoutError:
            raise RegistrationFailed(f"no outcome in {PATIENCE:.0f} s") from None
        except EOFError:
            raise RegistrationFailed("its process ended") from None
        return outcome

    async def _send(self, frame: bytes) -> None:
        assert self._process.stdin is not None  # noqa: S101 - PIPE
        try:
            self._process.stdin.write(frame)
            await self._process.stdin.drain()
        except OSError:
            raise RegistrationFailed("its process ended") from None

    async def end(self) -> None:
        """End the process: it holds nothing that is promised to anyone."""
        assert self._process.stdin is not None  # noqa: S101 - PIPE
        if not self._process.stdin.is_closing():
            self._process.stdin.transport.abort()  # by which it ends itself, whatever it is doing
        try:
            async with asyncio.timeout(GRACE):
                await self._process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
