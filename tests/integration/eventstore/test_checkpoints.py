"""Checkpoints follow from one another, are published once committed, and never contradict an anchor."""

import shutil
from pathlib import Path
from typing import Any

import psycopg
import pytest

from eventstore import checkpoints
from eventstore.anchors import AnchorConflict, AnchorsUnavailable, Folder
from eventstore.checkpoints import Seals, latest_published
from eventstore.database import Database
from eventstore.notes import Checkpoint, SigningKey, read_checkpoint
from eventstore.sealer_state import State, read_state
from eventstore.sealing import Sealing
from eventstore.tiles import LogInconsistent
from tests.support.database import execute
from tests.support.sealing import KEY, LEDGER, Clock, leaves, seals_in, write


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "anchors"


@pytest.fixture
def seals(folder: Path, clock: Clock) -> Seals:
    return seals_in(folder, clock)


@pytest.fixture
def sealing(database: Database, seals: Seals) -> Sealing:
    return Sealing(database, seals)


def append(url: str, number: int = 1) -> None:
    with psycopg.connect(url) as connection:
        write(connection, number)


async def state_of(database: Database) -> State:
    async with database.connection() as connection:
        return await read_state(connection)


async def anchored(database: Database, seals: Seals) -> list[Checkpoint]:
    """Return the anchors of the log that is being sealed."""
    origin = seals.origin((await state_of(database)).incarnation or "")
    return [read_checkpoint(note, seals.keys(origin)) for note in seals.anchors.all(origin)]


def forge(url: str, *statements: str) -> None:
    tables = ("entries", "leaves", "tiles", "checkpoints")
    off = [f"ALTER TABLE {table} DISABLE TRIGGER append_only" for table in tables]
    execute(url, *off, *statements)


def make_way(folder: Path, *, blocked: bool) -> None:
    """Let a file stand where the folder should be, or take it away."""
    if blocked:
        folder.touch()
    else:
        folder.unlink()


def remove_newest(folder: Path) -> None:
    max(folder.glob("*/*/*")).unlink()


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


# What must never be signed


CHANGES = {
    "a leaf under the last checkpoint": "UPDATE leaves SET hash = sha256('forged') WHERE index = 1",
    "two leaves swapped": "UPDATE leaves SET hash = other.hash FROM leaves AS other"
    " WHERE leaves.index + other.index = 1 AND leaves.index < 2",
}


@pytest.mark.parametrize("change", CHANGES)
async def test_nothing_is_signed_that_does_not_follow_from_what_was_signed(
    database: Database, database_url: str, seals: Seals, folder: Path, change: str
) -> None:
    sealing = Sealing(database, seals)
    append(database_url, 3)
    await sealing.once(now=True)
    forge(database_url, CHANGES[change])
    append(database_url)
    with pytest.raises(LogInconsistent, match="is not the one that is anchored"):
        await sealing.once(now=True)
    shutil.rmtree(folder)
    execute(database_url, "UPDATE sealer SET published_size = 0")
    with pytest.raises(LogInconsistent, match="does not contain the 3 that were signed"):
        await sealing.once(now=True)
    assert execute(database_url, "SELECT count(*) FROM checkpoints") == [(1,)]


async def test_a_log_whose_leaves_are_gone_is_an_alarm(
    sealing: Sealing, database: Database, database_url: str, seals: Seals
) -> None:
    append(database_url, 3)
    await sealing.once(now=True)
    forge(database_url, "DELETE FROM leaves WHERE index = 1")
    append(database_url)
    for one in (sealing, Sealing(database, seals)):
        with pytest.raises(LogInconsistent):
            await one.once(now=True)


async def test_a_database_put_back_before_an_anchor_seals_nothing_and_takes_entries(
    sealing: Sealing, database: Database, database_url: str, seals: Seals
) -> None:
    append(database_url, 2)
    await sealing.once(now=True)
    append(database_url, 2)
    await sealing.once(now=True)
    forge(
        database_url,
        "DELETE FROM entries USING leaves WHERE entries.entry_id = leaves.entry_id AND index >= 2",
        "DELETE FROM leaves WHERE index >= 2",
        "DELETE FROM checkpoints WHERE size > 2",
        "UPDATE sealer SET published_size = 2, signed_size = 2, size = 2",
    )
    restarted = Sealing(database, seals)
    append(database_url)
    with pytest.raises(LogInconsistent, match="4 entries are anchored, the log has 2"):
        await restarted.once()
    assert len(leaves(database_url)) == 2

    before = (await state_of(database)).incarnation
    rebased = await restarted.rebase()
    assert (rebased.renewed, rebased.entries) == ("4 entries are anchored, the log has 2", 1)
    assert rebased.incarnation != before
    assert [one.size for one in await anchored(database, seals)] == [3]
    append(database_url)
    assert await restarted.once(now=True) == 1
    assert [one.size for one in await anchored(database, seals)] == [3, 4]


async def test_anchors_that_are_gone_or_fewer_stop_the_sealer(
    database: Database, database_url: str, seals: Seals, folder: Path
) -> None:
    for _ in range(2):
        append(database_url)
        await Sealing(database, seals).once(now=True)
    remove_newest(folder)
    with pytest.raises(LogInconsistent, match="2 entries were published, 1 are anchored"):
        await Sealing(database, seals).once()
    shutil.rmtree(folder)
    with pytest.raises(LogInconsistent, match="has no anchor"):
        await Sealing(database, seals).once()


async def test_an_anchor_that_nobody_of_ours_signed_stops_the_sealer(
    database: Database, database_url: str, seals: Seals, folder: Path
) -> None:
    append(database_url)
    await Sealing(database, seals).once()
    stranger = Seals(LEDGER, SigningKey(b"x" * 32), (), seals.anchors)
    with pytest.raises(LogInconsistent, match="did not sign"):
        await Sealing(database, stranger).once()


async def test_a_key_is_rotated_with_the_old_checkpoints_still_believed(
    database: Database, database_url: str, seals: Seals, folder: Path
) -> None:
    append(database_url)
    await Sealing(database, seals).once()
    new = SigningKey(b"n" * 32)
    append(database_url)
    await Sealing(database, Seals(LEDGER, new, (KEY,), seals.anchors)).once(now=True)
    origin = seals.origin((await state_of(database)).incarnation or "")
    notes = list(seals.anchors.all(origin))
    signed_by = zip(notes, (KEY, new), strict=True)
    assert [read_checkpoint(note, [key.verifying(origin)]).size for note, key in signed_by] == [1, 2]


async def test_a_checkpoint_that_only_the_anchors_know_is_taken_over(
    sealing: Sealing, database: Database, database_url: str, seals: Seals
) -> None:
    append(database_url, 2)
    await sealing.once(now=True)
    forge(
        database_url,
        "DELETE FROM checkpoints",
        "UPDATE sealer SET published_size = 0, signed_size = 0",
    )
    append(database_url)
    await Sealing(database, seals).once(now=True)
    assert [one.size for one in await anchored(database, seals)] == [2, 3]
    assert execute(database_url, "SELECT size FROM checkpoints ORDER BY 1") == [(2,), (3,)]


async def test_a_rebase_keeps_a_log_that_is_consistent(
    sealing: Sealing, database: Database, database_url: str, seals: Seals
) -> None:
    append(database_url, 2)
    await sealing.once(now=True)
    before = (await state_of(database)).incarnation
    execute(database_url, "UPDATE sealer SET system_identifier = 1")
    append(database_url)
    rebased = await Sealing(database, seals).rebase()
    assert rebased == (before, None, 1)
    assert [one.size for one in await anchored(database, seals)] == [2, 3]


async def test_a_rebase_of_what_was_never_sealed_says_that_a_log_begins(
    database: Database, database_url: str, seals: Seals
) -> None:
    """As after a restore from before the first seal: the log that others know does not go on."""
    append(database_url, 2)
    rebased = await Sealing(database, seals).rebase()
    assert rebased == ((await state_of(database)).incarnation, "nothing of it was sealed before", 2)


async def test_on_another_server_a_consistent_log_goes_on_by_itself(
    sealing: Sealing, database: Database, database_url: str, seals: Seals
) -> None:
    append(database_url, 2)
    await sealing.once(now=True)
    execute(database_url, "UPDATE sealer SET timeline = 'FFFFFFFF', snapshot = pg_current_snapshot()")
    append(database_url)
    assert await sealing.once(now=True) == 1
    assert not (await state_of(database)).elsewhere


# The folder


def test_an_anchor_is_never_written_over(folder: Path) -> None:
    anchors = Folder(folder)
    anchors.publish("a/b", 1, "note")
    anchors.publish("a/b", 1, "note")
    with pytest.raises(AnchorConflict):
        anchors.publish("a/b", 1, "another note")
    assert list(anchors.all("a/b")) == ["note"]


def test_anchors_are_read_in_the_order_of_their_sizes(folder: Path) -> None:
    anchors = Folder(folder)
    sizes = [999_999, 5, 10_000_000_000, 1_000_000, 10]
    for size in sizes:
        anchors.publish("log", size, str(size))
    assert list(anchors.all("log")) == [str(size) for size in sorted(sizes)]
    assert anchors.latest("log") == "10000000000"
    assert anchors.latest("another") is None
    (folder / "log" / "leftover").write_text("of a crash")
    assert len(list(anchors.all("log"))) == len(sizes)
