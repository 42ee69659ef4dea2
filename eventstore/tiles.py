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

SIZE = WIDTH * merkle.HASH_SIZE
"""Bytes of them."""

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
        return merkle.perfect_root(_part(read[level, tile], first, many, (level, tile)))

    return hashed


async def keep_full(connection: AsyncConnection[Any], old: int, fresh: bytes) -> None:
    """Keep the tiles that become full when leaves of the hashes `fresh` follow the first `old` ones."""
    level = 0
    while old % WIDTH + len(fresh) // merkle.HASH_SIZE >= WIDTH:
        first, known = divmod(old, WIDTH)
        if known:
            begun = await read_tiles(connection, [(level, first)])
            fresh = _part(begun[level, first], 0, known, (level, first)) + fresh
        full = [fresh[at : at + SIZE] for at in range(0, len(fresh) - SIZE + 1, SIZE)]
        roots: list[bytes] = []
        for at in range(0, len(full), TOGETHER):  # what else the service does comes in between
            hashes = full[at : at + TOGETHER]
            roots += map(merkle.perfect_root, hashes)
            await connection.execute(
                statement("eventstore", "tiles"),
                {
                    "level": level,
                    "index": Bigint(range(first + at, first + at + len(hashes))),
                    "root": Bytea(roots[at:]),
                    "hashes": Bytea(hashes),
                },
            )
        level, old, fresh = level + 1, first, b"".join(roots)


async def read_tiles(
    connection: AsyncConnection[Any], wanted: Iterable[tuple[int, int]]
) -> dict[tuple[int, int], bytes]:
    """Return the hashes of tiles by their (level, index), one behind the other, as many as there are."""
    places = list(wanted)
    cursor = connection.cursor(binary=True)
    await cursor.execute(
        statement("eventstore", "tile_hashes"),
        {"levels": [level for level, _ in places], "indexes": [index for _, index in places]},
    )
    return {(level, index): hashes or b"" async for level, index, hashes in cursor}


def _place(height: int, index: int) -> tuple[int, int, int, int]:
    """Return where a perfect subtree lies: level, index of the tile, first of its hashes there, how many."""
    level, above = divmod(height, HEIGHT)
    first = index << above
    return level, first >> HEIGHT, first % WIDTH, 1 << above


def _part(hashes: bytes, first: int, many: int, tile: tuple[int, int]) -> bytes:
    """Return so many hashes of those of a tile; raises `LogInconsistent` where there are fewer."""
    found = hashes[first * merkle.HASH_SIZE : (first + many) * merkle.HASH_SIZE]
    if len(found) < many * merkle.HASH_SIZE:
        raise LogInconsistent(f"of the {WIDTH} hashes of tile {tile[1]}, level {tile[0]}, some are gone")
    return found
