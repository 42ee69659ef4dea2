"""What must never be signed: a log that does not follow from its checkpoints and their anchors."""

import shutil
from pathlib import Path

import pytest

from eventstore.checkpoints import Seals
from eventstore.database import Database
from eventstore.notes import SigningKey, read_checkpoint
from eventstore.sealing import Sealing
from eventstore.tiles import LogInconsistent
from tests.support.database import execute
from tests.support.sealing import KEY, LEDGER, anchored, append, leaves, state_of, tampered


def remove_newest(folder: Path) -> None:
    max(folder.glob("*/*/*")).unlink()


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
    tampered(database_url, CHANGES[change])
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
    tampered(database_url, "DELETE FROM leaves WHERE index = 1")
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
    tampered(
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
    tampered(
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
