"""The tree that the verifier grows is held against every tile and checkpoint that the ledger keeps."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest

from ledger.audit.bundles import FORMAT, Bundle
from ledger.audit.findings import Finding
from ledger.audit.growth import TILE, Growth
from ledger.audit.notes import Head
from ledger.audit.tree import GrowingTree, root_of

MANY = TILE * TILE + TILE + 3
NOW = datetime(2026, 11, 23, tzinfo=UTC)

LEAVES = [sha256(f"{number}".encode()).digest() for number in range(MANY)]

Kept = dict[tuple[int, int], dict[str, object]]


def kept_tiles() -> Kept:
    """Return the full tiles of the leaves as the ledger keeps them."""
    kept: Kept = {}
    level, hashes = 0, LEAVES
    while full := len(hashes) // TILE:
        roots = []
        for index in range(full):
            inside = hashes[index * TILE : (index + 1) * TILE]
            roots.append(root_of(inside))
            kept[level, index] = {
                "level": level,
                "index": index,
                "root": f"\\x{roots[-1].hex()}",
                "hashes": f"\\x{b''.join(inside).hex()}",
            }
        level, hashes = level + 1, roots
    return kept


KEPT = kept_tiles()


def head(size: int) -> Head:
    """Return what a checkpoint of the first so many leaves says."""
    tree = GrowingTree()
    for leaf in LEAVES[:size]:
        tree.add(leaf)
    return Head("ledger", size, tree.root(), NOW, "")


def grown(folder: Path, tiles: Kept, heads: list[Head], leaves: list[bytes]) -> list[Finding]:
    """Grow a tree beside these tiles and heads, and return what is found."""
    (folder / "bundle.json").write_text(json.dumps({"format": FORMAT}))
    lines = [json.dumps(tiles[place]) + "\n" for place in sorted(tiles)]
    (folder / "tiles.jsonl").write_text("".join(lines))
    growth = Growth(Bundle(folder), heads)
    found = [one for leaf in leaves for one in growth.add(leaf, "entry", NOW)]
    return [*found, *growth.finish()]


def test_what_is_as_it_was_sealed_gives_no_finding(tmp_path: Path) -> None:
    heads = [head(size) for size in (1, TILE, 1000, MANY)]
    assert grown(tmp_path, KEPT, heads, LEAVES) == []


def without(tiles: Kept) -> None:
    del tiles[0, 7]
    del tiles[1, 0]


def with_another_root(tiles: Kept) -> None:
    tiles[0, 7] |= {"root": tiles[0, 8]["root"]}


def with_another_hash(tiles: Kept) -> None:
    text = str(tiles[0, 256]["hashes"])
    tiles[0, 256] |= {"hashes": text[:-2] + ("00" if text[-2:] != "00" else "01")}


def with_more(tiles: Kept) -> None:
    tiles[0, 257] = tiles[0, 256] | {"index": 257}
    tiles[2, 0] = tiles[1, 0] | {"level": 2}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (without, [("tile.gone", "tile 7 of level 0"), ("tile.gone", "tile 0 of level 1")]),
        (with_another_root, [("tile.differs", "tile 7 of level 0")]),
        (with_another_hash, [("tile.differs", "tile 256 of level 0")]),
        (with_more, [("tile.surplus", "tile 257 of level 0"), ("tile.surplus", "tile 0 of level 2")]),
    ],
)
def test_a_tile_that_was_changed_is_named(
    tmp_path: Path, change: Callable[[Kept], None], told: list[tuple[str, str]]
) -> None:
    tiles = {place: dict(tile) for place, tile in KEPT.items()}
    change(tiles)
    assert [(one.what, one.where) for one in grown(tmp_path, tiles, [head(MANY)], LEAVES)] == told


def test_the_places_of_hashes_that_differ_in_a_tile_are_named(tmp_path: Path) -> None:
    swapped = [*LEAVES[:300], LEAVES[301], LEAVES[300], *LEAVES[302:]]
    found = grown(tmp_path, KEPT, [head(512)], swapped)
    (differs,) = [one for one in found if one.what == "tile.differs" and one.where == "tile 1 of level 0"]
    assert differs.told == "its hashes are not those below it, at 300, 301"
