"""Keeps the Merkle tree in tiles of 256 hashes, as C2SP's `tlog-tiles` numbers them.

The tile at (level, index) holds the perfect subtrees of height 8 x level from 256 x index on. A full one is
a row and never changes; one that is not full is read from what lies below it. So any root or proof takes
few rows.
"""

from collections.abc import Iterable
from typing import Any

from psycopg import AsyncConnection

from eventstore import merkle
from eventstore.arrays import Bigint, Bytea
from eventstore.errors import LedgerError
from eventstore.statements import statement

HEIGHT = 8
"""Levels of the tree that a tile spans."""

WIDTH = 1 << HEIGHT
"""Hashes in a full tile."""

TOGETHER = 32
"""Tiles, of 8 KiB each, that one statement keeps: after a long pause of the sealer there may be many."""


class LogInconsistent(LedgerError):
    """The ledger is not what was signed or published before: nothing more is sealed until that is settled."""


async def hashes_for(connection: AsyncConnection[Any], ranges: Iterable[merkle.Range]) -> merkle.Hashes:
    """Return what gives the hash of each perfect subtree in some ranges of leaves, all of them sealed.

    That raises `LogInconsistent` where leaves are gone.
    """
    subtrees = (part for one in ranges for part in merkle.perfect_subtrees(*one))
    wanted = sorted({_place(*part)[:2] for part in subtrees})
    read = await read_tiles(connection, wanted)

    def hashed(height: int, index: int) -> bytes:
        level, tile, first, many = _place(height, index)
        found = read[level, tile][first : first + many]
        if len(found) < many:
            raise LogInconsistent(f"of the {WIDTH} hashes of tile {tile}, level {level}, some are gone")
        return merkle.perfect_root(found)

    return hashed


async def keep_full(connection: AsyncConnection[Any], old: int, new: int) -> None:
    """Keep the tiles that became full when the log grew from `old` to `new` leaves, which are there."""
    level = 0
    while (full := new >> HEIGHT) > (known := old >> HEIGHT):
        for first in range(known, full, TOGETHER):
            indexes = range(first, min(first + TOGETHER, full))
            read = await read_tiles(connection, [(level, index) for index in indexes])
            hashes = [read[level, index] for index in indexes]
            await connection.execute(
                statement("eventstore", "tiles"),
                {
                    "level": level,
                    "index": Bigint(indexes),
                    "root": Bytea([merkle.perfect_root(one) for one in hashes]),
                    "hashes": Bytea([b"".join(one) for one in hashes]),
                },
            )
        level, old, new = level + 1, known, full


async def read_tiles(
    connection: AsyncConnection[Any], wanted: Iterable[tuple[int, int]]
) -> dict[tuple[int, int], list[bytes]]:
    """Return the hashes of tiles by their (level, index), as many as there are."""
    places = list(wanted)
    cursor = connection.cursor(binary=True)
    await cursor.execute(
        statement("eventstore", "tile_hashes"),
        {"levels": [level for level, _ in places], "indexes": [index for _, index in places]},
    )
    return {(level, index): _split(hashes or b"") async for level, index, hashes in cursor}


def _place(height: int, index: int) -> tuple[int, int, int, int]:
    """Return where a perfect subtree lies: level, index of the tile, first of its hashes there, how many."""
    level, above = divmod(height, HEIGHT)
    first = index << above
    return level, first >> HEIGHT, first % WIDTH, 1 << above


def _split(hashes: bytes) -> list[bytes]:
    return [hashes[at : at + merkle.HASH_SIZE] for at in range(0, len(hashes), merkle.HASH_SIZE)]
