"""The issued keys as a process knows them: never older than two seconds, read once for whoever waits."""

import asyncio
from collections.abc import Mapping

import pytest

from eventstore.caller import Caller, Scope
from eventstore.database import DatabaseUnavailable
from ledger import issued_keys
from ledger.issued_keys import FRESH_FOR, IssuedKeys, Kept
from ledger.key_format import compose, salted_hash

CLINIC = Caller("clinic", frozenset({Scope.STATUSES_READ}), key_id="00" * 8)
KEY = compose(bytes(8), bytes(32))[1].encode()
ANOTHER = compose(b"another!", bytes(32))[1].encode()
IN_USE = {"00" * 8: Kept(b"salt", salted_hash(b"salt", KEY), CLINIC)}


class Table:
    """Keys that change, a clock that stands still until it is moved, and readings that can be held up."""

    def __init__(self) -> None:
        self.keys: Mapping[str, Kept] = IN_USE
        self.now = 0.0
        self.reads = 0
        self.broken = False
        self.free = asyncio.Event()
        self.free.set()

    async def read(self) -> Mapping[str, Kept]:
        self.reads += 1
        keys = self.keys
        await self.free.wait()
        if self.broken:
            raise DatabaseUnavailable
        return keys

    def clock(self) -> float:
        return self.now


@pytest.fixture
async def table() -> Table:
    return Table()


@pytest.fixture
async def issued(table: Table) -> IssuedKeys:
    return IssuedKeys(table.read, table.clock)


async def settled() -> None:
    """Let everything run that can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_key_is_its_callers(issued: IssuedKeys) -> None:
    assert await issued.caller_of(KEY) == CLINIC


@pytest.mark.parametrize(
    "key",
    [
        ANOTHER,
        compose(bytes(8), b"\1" * 32)[1].encode(),
        KEY.replace(b"slk_00", b"slk_01"),
        KEY[:-1],
        KEY + b"A",
        KEY.upper(),
        b"",
        b"\xff" * 64,
        b"slk_",
    ],
    ids=["unknown id", "another secret", "another id", "short", "long", "upper", "empty", "bytes", "prefix"],
)
async def test_any_other_key_is_nobodys(issued: IssuedKeys, key: bytes) -> None:
    assert await issued.caller_of(key) is None


async def test_the_key_of_no_kept_one_is_nobodys_although_nothing_is_kept(table: Table) -> None:
    table.keys = {}
    assert await IssuedKeys(table.read, table.clock).caller_of(KEY) is None


async def test_a_key_of_an_unknown_id_is_hashed_and_compared_like_any_other(
    issued: IssuedKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[int, int]] = []

    class Spied:
        @staticmethod
        def compare_digest(one: bytes, other: bytes) -> bool:
            compared.append((len(one), len(other)))
            return one == other

    monkeypatch.setattr(issued_keys, "hmac", Spied)
    for key in (KEY, ANOTHER, compose(bytes(8), b"\1" * 32)[1].encode()):
        await issued.caller_of(key)
    assert compared == [(32, 32)] * 3


async def test_the_keys_are_read_once_for_as_long_as_they_are_fresh(table: Table, issued: IssuedKeys) -> None:
    for table.now in (0.0, 0.1, 1.0, FRESH_FOR):
        for key in (KEY, ANOTHER):
            await issued.caller_of(key)
    assert table.reads == 1
    table.now = FRESH_FOR + 0.001
    await issued.caller_of(KEY)
    assert table.reads == 2


async def test_what_cannot_be_an_issued_key_never_has_them_read(table: Table, issued: IssuedKeys) -> None:
    for key in (b"", b"client-key", KEY[:-1], b"slk_" * 100):
        assert await issued.caller_of(key) is None
    assert table.reads == 0


async def test_a_revoked_key_opens_nothing_once_what_was_read_is_too_old(
    table: Table, issued: IssuedKeys
) -> None:
    assert await issued.caller_of(KEY) == CLINIC
    table.keys = {}
    table.now = FRESH_FOR
    assert await issued.caller_of(KEY) == CLINIC
    table.now += 0.001
    assert await issued.caller_of(KEY) is None


async def test_a_new_key_opens_once_what_was_read_is_too_old(table: Table, issued: IssuedKeys) -> None:
    table.keys = {}
    assert await issued.caller_of(KEY) is None
    table.keys, table.now = IN_USE, FRESH_FOR + 0.001
    assert await issued.caller_of(KEY) == CLINIC


async def test_all_who_wait_share_one_read(table: Table, issued: IssuedKeys) -> None:
    table.free.clear()
    waiting = [asyncio.create_task(issued.caller_of(KEY)) for _ in range(100)]
    await settled()
    table.free.set()
    assert await asyncio.gather(*waiting) == [CLINIC] * 100
    assert table.reads == 1


async def test_where_the_keys_cannot_be_read_all_who_wait_are_told_and_the_next_tries_again(
    table: Table, issued: IssuedKeys
) -> None:
    table.broken = True
    told = await asyncio.gather(*(issued.caller_of(KEY) for _ in range(10)), return_exceptions=True)
    assert [type(one) for one in told] == [DatabaseUnavailable] * 10
    assert table.reads == 1
    table.broken = False
    assert await issued.caller_of(KEY) == CLINIC


async def test_what_is_too_old_is_not_used_although_nothing_newer_can_be_read(
    table: Table, issued: IssuedKeys
) -> None:
    assert await issued.caller_of(KEY) == CLINIC
    table.broken, table.now = True, FRESH_FOR + 0.001
    for _ in range(2):
        with pytest.raises(DatabaseUnavailable):
            await issued.caller_of(KEY)


async def test_who_comes_while_a_slow_read_is_under_way_does_not_get_what_it_saw_long_before(
    table: Table, issued: IssuedKeys
) -> None:
    table.free.clear()
    early = asyncio.create_task(issued.caller_of(KEY))
    await settled()
    table.keys, table.now = {}, 10.0
    late = asyncio.create_task(issued.caller_of(KEY))
    await settled()
    assert table.reads == 1
    table.free.set()
    assert (await early, await late) == (CLINIC, None)
    assert table.reads == 2


async def test_who_hangs_up_leaves_the_read_to_the_others(table: Table, issued: IssuedKeys) -> None:
    table.free.clear()
    gone, stays = (asyncio.create_task(issued.caller_of(KEY)) for _ in range(2))
    await settled()
    gone.cancel()
    await settled()
    table.free.set()
    assert await stays == CLINIC
    assert gone.cancelled()
    assert table.reads == 1


async def test_a_read_that_fails_after_all_hung_up_disturbs_nobody(
    table: Table, issued: IssuedKeys, caplog: pytest.LogCaptureFixture
) -> None:
    table.free.clear()
    table.broken = True
    gone = asyncio.create_task(issued.caller_of(KEY))
    await settled()
    gone.cancel()
    table.free.set()
    await settled()
    assert not caplog.records
    table.broken = False
    assert await issued.caller_of(KEY) == CLINIC
