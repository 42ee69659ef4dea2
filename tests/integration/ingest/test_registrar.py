"""Batches are registered by a process that comes when it is needed, and whose end harms nobody but itself."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest

from eventstore.group_commit import Closed, Overloaded
from ingest import registrar as module
from ingest.batches import InvalidBatch
from ingest.recorder import new_request_id, utc_now
from ingest.registering import Sender
from ingest.registrar import MOST_AT_ONCE, Registered, Registrar, RegistrationFailed, TooSlow
from tests.support.client import batch, message
from tests.support.database import at, execute
from tests.support.processes import command_line, lives, registering, wait_until

LARGEST = 64 * 1024 * 1024


@pytest.fixture
async def registrar(database_url: str) -> AsyncIterator[Registrar]:
    opened = Registrar(database_url, "ledger_service", ["recipient key"], max_body_bytes=LARGEST)
    yield opened
    await opened.close()
    assert registering(os.getpid()) == []


def sender() -> Sender:
    now = utc_now()
    return Sender(new_request_id(now), "client", now)


async def pieces(body: bytes, size: int = 100) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]
        yield b""


class Endless:
    """A body of which a part has come, and no more comes until it is let go on."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()

    async def __call__(self, *references: str) -> AsyncIterator[bytes]:
        body = batch(*(message(reference) for reference in references))
        yield body[:20]
        self.begun.set()
        await self.go_on.wait()
        yield body[20:]


async def register(registrar: Registrar, *references: str) -> Registered:
    body = batch(*(message(reference) for reference in references))
    return await registrar.register(sender(), pieces(body))


def count(url: str) -> object:
    return execute(url, "SELECT count(*) FROM registrations")[0][0]


async def test_a_process_comes_with_the_first_batch_and_stays_for_the_next(registrar: Registrar) -> None:
    assert registering(os.getpid()) == []
    assert await register(registrar, "1", "2") == Registered(messages=2, new=2)
    (process,) = registering(os.getpid())
    assert await register(registrar, "1", "2", "3") == Registered(messages=3, new=1)
    assert registering(os.getpid()) == [process]


async def test_a_process_that_took_a_large_body_ends_and_gives_its_memory_back(
    registrar: Registrar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SMALL", 200)
    await register(registrar, "1", "2", "3")
    assert registering(os.getpid()) == []
    assert (await register(registrar, "4")).new == 1


async def test_a_refused_batch_is_told_and_the_process_takes_the_next(registrar: Registrar) -> None:
    with pytest.raises(InvalidBatch, match="the same as that of"):
        await register(registrar, "1", "1")
    (process,) = registering(os.getpid())
    await register(registrar, "1")
    assert registering(os.getpid()) == [process]


async def test_a_process_that_died_while_it_waited_is_replaced(registrar: Registrar) -> None:
    await register(registrar, "1")
    (process,) = registering(os.getpid())
    os.kill(process, signal.SIGKILL)
    wait_until(lambda: not lives(process))
    await asyncio.sleep(0.1)  # until the event loop has heard of it; where it has not, that one batch fails
    assert (await register(registrar, "2")).new == 1


async def test_a_process_that_crashes_fails_its_batch_and_the_next_one_is_registered(
    registrar: Registrar, database_url: str
) -> None:
    endless = Endless()
    crashing = asyncio.create_task(registrar.register(sender(), endless("1")))
    await endless.begun.wait()
    (process,) = registering(os.getpid())
    os.kill(process, signal.SIGSEGV)
    endless.go_on.set()
    with pytest.raises(RegistrationFailed, match="its process ended"):
        await crashing
    assert count(database_url) == 0
    assert (await register(registrar, "1")).new == 1


async def test_a_body_that_breaks_off_leaves_nothing_behind(registrar: Registrar, database_url: str) -> None:
    async def breaking_off() -> AsyncIterator[bytes]:
        yield batch(message("1"))
        raise ConnectionResetError("the client is gone")

    with pytest.raises(ConnectionResetError):
        await registrar.register(sender(), breaking_off())
    assert registering(os.getpid()) == []
    assert count(database_url) == 0


async def test_a_cancelled_batch_leaves_nothing_behind(registrar: Registrar, database_url: str) -> None:
    endless = Endless()
    cancelled = asyncio.create_task(registrar.register(sender(), endless("1")))
    await endless.begun.wait()
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    assert registering(os.getpid()) == []
    assert count(database_url) == 0
    assert (await register(registrar, "1")).new == 1


async def test_a_body_that_does_not_arrive_in_time_is_given_up(
    registrar: Registrar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.2)
    with pytest.raises(TooSlow):
        await registrar.register(sender(), Endless()("1"))
    monkeypatch.undo()
    assert (await register(registrar, "1")).new == 1


async def test_a_batch_that_takes_too_long_fails_and_its_process_ends(
    registrar: Registrar, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await register(registrar, "1")
    (process,) = registering(os.getpid())
    os.kill(process, signal.SIGSTOP)
    monkeypatch.setattr(module, "PATIENCE", 0.2)
    monkeypatch.setattr(module, "GRACE", 0.2)
    with pytest.raises(RegistrationFailed, match="no outcome"):
        await register(registrar, "2")
    monkeypatch.undo()
    assert not lives(process)
    assert count(database_url) == 1


async def test_more_than_a_few_at_once_are_turned_away_and_those_that_came_first_are_not(
    registrar: Registrar, database_url: str
) -> None:
    arriving = [Endless() for _ in range(MOST_AT_ONCE)]
    tasks = [
        asyncio.create_task(registrar.register(sender(), endless(str(number))))
        for number, endless in enumerate(arriving)
    ]
    for endless in arriving:
        await endless.begun.wait()
    with pytest.raises(Overloaded):
        await register(registrar, "one too many")
    for endless in arriving:
        endless.go_on.set()
    assert [registered.new for registered in await asyncio.gather(*tasks)] == [1] * MOST_AT_ONCE
    assert len(registering(os.getpid())) == 1, "one is kept"
    assert (await register(registrar, "one too many")).new == 1
    assert count(database_url) == MOST_AT_ONCE + 1


async def test_a_body_that_takes_too_much_memory_fails_alone(
    registrar: Registrar, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MEMORY", 300 * 1024 * 1024)
    limited = Registrar(database_url, "ledger_service", ["recipient key"], max_body_bytes=1)
    try:
        assert (await register(limited, "1")).new == 1
        greedy = b"[" + b'{"a":[],"b":1.5},' * 1_000_000 + b"{}]"
        with pytest.raises((InvalidBatch, RegistrationFailed), match=r"too much memory|process ended"):
            await limited.register(sender(), pieces(greedy, 100_000))
        assert (await register(limited, "2")).new == 1
    finally:
        await limited.close()


async def test_sigterm_is_not_for_the_process_but_for_the_service(registrar: Registrar) -> None:
    await register(registrar, "1")
    (process,) = registering(os.getpid())
    os.kill(process, signal.SIGTERM)
    await register(registrar, "2")
    assert registering(os.getpid()) == [process]


async def test_after_close_nothing_is_taken_and_closing_again_does_no_harm(registrar: Registrar) -> None:
    await register(registrar, "1")
    await registrar.close()
    assert registering(os.getpid()) == []
    with pytest.raises(Closed):
        await register(registrar, "2")
    await registrar.close()


@pytest.mark.slow  # it is waited for, for it may be starting
async def test_a_database_that_cannot_be_reached_is_told_without_its_password(database_url: str) -> None:
    nowhere = f"{at(database_url, 'no_such_database')}&password=sesame"
    registrar = Registrar(nowhere, None, ["recipient key"], max_body_bytes=LARGEST)
    try:
        with pytest.raises(RegistrationFailed, match="cannot be reached") as failed:
            await register(registrar, "1")
        assert "sesame" not in str(failed.value)
    finally:
        await registrar.close()


async def test_neither_keys_nor_password_stand_in_the_list_of_processes(database_url: str) -> None:
    registrar = Registrar(f"{database_url}&password=sesame-1", None, ["sesame-2"], max_body_bytes=LARGEST)
    try:
        await register(registrar, "1")
        (process,) = registering(os.getpid())
        assert "sesame" not in command_line(process)
    finally:
        await registrar.close()
