"""Signs the head of the tree, and publishes it: first committed, then anchored outside, then shown.

1. `sign` keeps a signed checkpoint in the database. It never signs one that does not follow from the last,
and looks at the anchors first: a database that was put back knows less than they do.
2. `publish` writes what is committed, and where there is a standby replicated, to the anchors.
3. Only then is the ledger public as far as that: feed and proofs go no further.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from psycopg.rows import scalar_row

from eventstore import merkle
from eventstore.anchors import Anchors
from eventstore.database import Database, LedgerConnection
from eventstore.durable import committed, transact
from eventstore.notes import Checkpoint, InvalidNote, SigningKey, VerifyingKey, read_checkpoint
from eventstore.sealer_state import State, change, hold, read_state
from eventstore.statements import statement
from eventstore.tiles import LogInconsistent, hashes_for

SIGN_EVERY = timedelta(seconds=30)
"""Between two checkpoints, where the ledger grows."""

SIGN_AT = 10_000
"""Entries after which a checkpoint is signed sooner."""

_PUBLISHED_AT_ONCE = 1000
"""Checkpoints that are read at a time to be published, after the anchors were out of reach for long."""


class Seals(NamedTuple):
    """By what checkpoints are signed, and where they are published."""

    ledger: str
    """Host and path that name the ledger."""
    key: SigningKey
    former: tuple[SigningKey, ...]
    """Keys that it replaced, whose checkpoints still count."""
    anchors: Anchors
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def origin(self, incarnation: str) -> str:
        """Return the name of one log of the ledger."""
        return f"{self.ledger}/{incarnation}"

    def keys(self, origin: str) -> list[VerifyingKey]:
        """Return the keys whose checkpoints of a log are believed."""
        return [key.verifying(origin) for key in (self.key, *self.former)]


async def check(database: Database, seals: Seals) -> None:
    """Hold the log against the last anchor, and take over a checkpoint that only the anchors know.

    Raises `LogInconsistent` where the anchors know of more than the log has, of another root, or of less
    than was published; and `AnchorsUnavailable`.
    """

    async def work(connection: LedgerConnection) -> None:
        async with connection.transaction():
            await _check(connection, await hold(connection), seals)

    await committed(database, work)


async def sign(database: Database, seals: Seals, *, now: bool = False) -> Checkpoint | None:
    """Sign a checkpoint if one is due, or with `now` if there is anything new; None if not.

    Raises `LogInconsistent` and signs nothing where it would not follow from the last one signed or
    published.
    """

    async def work(connection: LedgerConnection) -> Checkpoint | None:
        async with connection.transaction():
            state = await hold(connection)
            if state.incarnation is None or state.size == state.signed_size:
                return None
            last = await _last(connection, state, seals)
            signed_at = seals.clock()
            if last is not None:
                aged = signed_at - last.signed_at >= SIGN_EVERY
                if not (now or aged or state.size - last.size >= SIGN_AT):
                    return None
                signed_at = max(signed_at, last.signed_at)
            await _check(connection, state, seals)
            return await _sign(connection, await read_state(connection), seals, signed_at)

    return await committed(database, work)


async def publish(database: Database, seals: Seals) -> int:
    """Anchor every signed checkpoint that is not yet; return the size up to which the ledger is public.

    Raises `AnchorConflict`, `AnchorsUnavailable`.
    """
    while True:
        state, waiting = await transact(database, _unpublished)  # whose commit waits for standbys
        if state.incarnation is None or not waiting:
            return state.published_size
        origin = seals.origin(state.incarnation)
        for size, note in waiting:
            await asyncio.to_thread(seals.anchors.publish, origin, size, note)
        await committed(database, _published(state.incarnation, waiting[-1][0]))


async def _check(connection: LedgerConnection, state: State, seals: Seals) -> None:
    if state.incarnation is None:
        return
    note = await asyncio.to_thread(seals.anchors.latest, seals.origin(state.incarnation))
    anchored = await compare(connection, state, seals, note)
    if note is None or anchored is None:
        return
    if anchored.size > state.signed_size:  # anchored by a database that was put back a little
        await _keep(connection, state.incarnation, anchored, note)
        await change(connection, state, signed_size=anchored.size, published_size=anchored.size)


async def compare(
    connection: LedgerConnection, state: State, seals: Seals, note: str | None
) -> Checkpoint | None:
    """Hold the log against its newest anchor, None where there is none, and return what that says.

    Raises `LogInconsistent` as `check` does.
    """
    origin = seals.origin(state.incarnation or "")
    if note is None:
        if state.published_size:
            raise LogInconsistent(
                f"{state.published_size} entries were published, but {origin} has no anchor"
            )
        return None
    anchored = _believed(note, seals, origin)
    if anchored.size > state.size:
        raise LogInconsistent(f"{anchored.size} entries are anchored, the log has {state.size}")
    if anchored.size < state.published_size:
        raise LogInconsistent(f"{state.published_size} entries were published, {anchored.size} are anchored")
    hashes = await hashes_for(connection, [(0, anchored.size)])
    if merkle.root(anchored.size, hashes) != anchored.root:
        raise LogInconsistent(
            f"the root of the first {anchored.size} entries is not the one that is anchored"
        )
    return anchored


async def _last(connection: LedgerConnection, state: State, seals: Seals) -> Checkpoint | None:
    """Return the last checkpoint that was signed of this log."""
    if not state.signed_size or state.incarnation is None:
        return None
    found = await _between(connection, state.incarnation, state.signed_size - 1, state.signed_size)
    if not found:
        raise LogInconsistent(f"the checkpoint of {state.signed_size} entries is gone")
    return _believed(found[0][1], seals, seals.origin(state.incarnation))


async def _sign(
    connection: LedgerConnection, state: State, seals: Seals, signed_at: datetime
) -> Checkpoint | None:
    if state.incarnation is None or state.size == state.signed_size:
        return None  # the anchors knew of it
    last = await _last(connection, state, seals)
    old = last.size if last is not None else 0
    growth = merkle.consistency_ranges(old, state.size) if old else []
    hashes = await hashes_for(connection, [(0, state.size), *growth])
    root = merkle.root(state.size, hashes)
    if last is not None and not merkle.grew(old, last.root, state.size, root, merkle.proof(growth, hashes)):
        raise LogInconsistent(f"the log of {state.size} entries does not contain the {old} that were signed")
    origin = seals.origin(state.incarnation)
    checkpoint = Checkpoint(origin, state.size, root, signed_at)
    await _keep(connection, state.incarnation, checkpoint, seals.key.sign(origin, checkpoint.text))
    await change(connection, state, signed_size=state.size)
    return checkpoint


async def _keep(connection: LedgerConnection, incarnation: str, checkpoint: Checkpoint, note: str) -> None:
    await connection.execute(
        statement("eventstore", "checkpoint"),
        {
            "incarnation": incarnation,
            "size": checkpoint.size,
            "signed_at": checkpoint.signed_at,
            "root": checkpoint.root,
            "note": note,
        },
    )


async def _between(
    connection: LedgerConnection, incarnation: str, above: int, up_to: int
) -> list[tuple[int, str]]:
    cursor = await connection.execute(
        statement("eventstore", "checkpoints_between"),
        {"incarnation": incarnation, "above": above, "up_to": up_to},
    )
    return await cursor.fetchmany(_PUBLISHED_AT_ONCE)


async def _unpublished(connection: LedgerConnection) -> tuple[State, list[tuple[int, str]]]:
    state = await read_state(connection)
    if state.incarnation is None or state.published_size == state.signed_size:
        return state, []
    return state, await _between(connection, state.incarnation, state.published_size, state.signed_size)


def _published(incarnation: str, size: int) -> Callable[[LedgerConnection], Awaitable[None]]:
    async def work(connection: LedgerConnection) -> None:
        async with connection.transaction():
            state = await hold(connection)
            if state.incarnation == incarnation and state.published_size < size:
                await change(connection, state, published_size=size)

    return work


def _believed(note: str, seals: Seals, origin: str) -> Checkpoint:
    try:
        return read_checkpoint(note, seals.keys(origin))
    except InvalidNote as error:
        raise LogInconsistent(str(error)) from error


async def latest_published(connection: LedgerConnection) -> str | None:
    """Return the note of the checkpoint up to which the ledger is public; None before the first."""
    async with connection.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute(statement("eventstore", "published"))
        return await cursor.fetchone()
