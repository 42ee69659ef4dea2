"""Checkpoints follow when they are due, are anchored first, and published once committed."""

from pathlib import Path
from typing import Any

import pytest

from eventstore import checkpoints
from eventstore.anchors import AnchorsUnavailable
from eventstore.checkpoints import Seals, latest_published
from eventstore.database import Database
from eventstore.sealing import Sealing
from tests.support.database import execute
from tests.support.sealing import LEDGER, Clock, anchored, append, state_of


def make_way(folder: Path, *, blocked: bool) -> None:
    """Let a file stand where the folder should be, or take it away."""
    if blocked:
        folder.touch()
    else:
        folder.unlink()


async def test_the_first_checkpoint_comes_at_once_and_the_next_when_it_is_due(
    sealing: Sealing, database: Database, database_url: str, seals: Seals, clock: Clock
) -> None:
    assert await sealing.once() == 0
    assert await anchored(database, seals) == []
    append(database_url)
    assert await sealing.once() == 1
    append(database_url, 2)
    await sealing.once()
    assert [one.size for one in await anchored(database, seals)] == [1]
    clock.move_on(30)
    await sealing.once()
    clock.move_on(30)
    await sealing.once()  # nothing new
    assert [one.size for one in await anchored(database, seals)] == [1, 3]
    state = await state_of(database)
    assert (state.size, state.signed_size, state.published_size) == (3, 3, 3)


async def test_many_entries_are_signed_sooner(
    sealing: Sealing, database: Database, database_url: str, seals: Seals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "SIGN_AT", 10)
    for number in (1, 9, 1):
        append(database_url, number)
        await sealing.once()
    assert [one.size for one in await anchored(database, seals)] == [1, 11]


async def test_a_checkpoint_names_its_log_and_its_time(
    sealing: Sealing, database: Database, database_url: str, seals: Seals, clock: Clock
) -> None:
    append(database_url)
    await sealing.once()
    (checkpoint,) = await anchored(database, seals)
    assert checkpoint.origin == f"{LEDGER}/{(await state_of(database)).incarnation}"
    assert checkpoint.signed_at == clock.now
    rows: list[Any] = execute(database_url, "SELECT hash FROM leaves")
    assert rows == [(checkpoint.root,)]


async def test_a_clock_that_goes_back_does_not_order_checkpoints_anew(
    sealing: Sealing, database: Database, database_url: str, seals: Seals, clock: Clock
) -> None:
    for seconds in (0, -3600):
        clock.move_on(seconds)
        append(database_url)
        await sealing.once(now=True)
    first, second = await anchored(database, seals)
    assert first.signed_at == second.signed_at


async def test_without_a_key_entries_get_their_index_and_nothing_is_public(
    database: Database, database_url: str
) -> None:
    append(database_url, 3)
    assert await Sealing(database, None).once(now=True) == 3
    state = await state_of(database)
    assert (state.size, state.signed_size, state.published_size) == (3, 0, 0)
    async with database.connection() as connection:
        assert await latest_published(connection) is None


async def test_what_cannot_be_anchored_is_not_public_and_is_anchored_later(
    sealing: Sealing, database: Database, database_url: str, seals: Seals, folder: Path
) -> None:
    make_way(folder, blocked=True)
    append(database_url)
    with pytest.raises(AnchorsUnavailable):
        await sealing.once()
    state = await state_of(database)
    assert (state.size, state.published_size) == (1, 0)
    make_way(folder, blocked=False)
    append(database_url)
    await sealing.once(now=True)
    assert [one.size for one in await anchored(database, seals)][-1] == 2
    assert (await state_of(database)).published_size == 2


async def test_a_crash_between_anchor_and_mark_is_made_good(
    sealing: Sealing, database: Database, database_url: str, seals: Seals, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(database_url)
    with monkeypatch.context() as patched:
        patched.setattr(checkpoints, "_published", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await sealing.once()
    assert (await state_of(database)).published_size == 0
    assert len(await anchored(database, seals)) == 1
    append(database_url)
    await sealing.once(now=True)
    assert (await state_of(database)).published_size == 2
