"""The Merkle tree in tiles is the tree over all leaves, in whatever steps it grows."""

from hashlib import sha256
from typing import Any

import psycopg
import pytest

from eventstore import merkle, tiles
from eventstore.database import Database
from eventstore.sealer import seal
from eventstore.tiles import LogInconsistent
from tests.support.database import execute
from tests.support.sealing import new_id, write


@pytest.mark.parametrize("steps", [(256,), (255, 256, 257), (1, 300, 1000, 65_535, 65_537), (70_000,)])
async def test_roots_and_proofs_come_from_tiles_whatever_the_steps(
    database: Database, database_url: str, steps: tuple[int, ...]
) -> None:
    hashes = [sha256(number.to_bytes(4, "big")).digest() for number in range(steps[-1])]
    with psycopg.connect(database_url) as connection:
        old = 0
        for new in steps:
            rows = ((index, new_id(), b"c" * 32, hashes[index]) for index in range(old, new))
            with connection.cursor().copy("COPY leaves FROM STDIN (FORMAT binary)") as copy:
                copy.set_types(["bigint", "uuid", "bytea", "bytea"])
                for row in rows:
                    copy.write_row(row)
            connection.commit()
            async with database.connection() as reader:
                await tiles.keep_full(reader, old, b"".join(hashes[old:new]))
            old = new
    levels: list[list[bytes]] = [hashes]
    while len(levels[-1]) > 1:
        below = levels[-1]
        levels.append([merkle.node_hash(below[at], below[at + 1]) for at in range(0, len(below) // 2 * 2, 2)])

    def plain(height: int, index: int) -> bytes:
        return levels[height][index]

    async with database.connection() as reader:
        for size in {1, 2, 255, 256, 257, 511, old // 2, old - 1, old} & set(range(old + 1)):
            index = size // 3
            ranges = merkle.inclusion_ranges(index, size)
            growth = merkle.consistency_ranges(size, old)
            kept = await tiles.hashes_for(reader, [(0, size), *ranges, *growth])
            assert merkle.root(size, kept) == merkle.root(size, plain)
            assert merkle.proof(ranges, kept) == merkle.proof(ranges, plain)
            assert merkle.proof(growth, kept) == merkle.proof(growth, plain)
    rows_of: Any = execute(database_url, "SELECT level, count(*) FROM tiles GROUP BY level ORDER BY level")
    assert rows_of == [(level, many) for level in range(3) if (many := old >> 8 * (level + 1))]


async def test_no_tile_is_made_of_a_log_with_a_gap(database: Database) -> None:
    """Of 200 leaves that are said to be there, none is."""
    async with database.connection() as reader:
        with pytest.raises(LogInconsistent, match="of the 256 hashes of tile 0, level 0, some are gone"):
            await tiles.keep_full(reader, 200, b"h" * 32 * 56)


async def test_tiles_hold_the_leaves_that_were_sealed_in_their_order(
    database: Database, database_url: str
) -> None:
    for many in (100, 500, 300):
        with psycopg.connect(database_url) as connection:
            for _ in range(many):
                write(connection)
        await seal(database)
    kept: Any = execute(database_url, "SELECT index, hashes FROM tiles WHERE level = 0 ORDER BY index")
    sealed: Any = execute(
        database_url,
        "SELECT index / 256, string_agg(hash, ''::bytea ORDER BY index) FROM leaves"
        " WHERE index < 768 GROUP BY 1 ORDER BY 1",
    )
    assert len(kept) == 3
    assert kept == sealed
