"""Grows the Merkle tree anew from the leaves, and compares it with tiles and checkpoints on its way."""

from collections.abc import Iterator
from datetime import datetime

from ledger.audit import leaves
from ledger.audit.bundles import Bundle
from ledger.audit.findings import Finding
from ledger.audit.notes import Head
from ledger.audit.swaps import Sealed, find_swapped
from ledger.audit.tiles import KeptTiles
from ledger.audit.tree import GrowingTree, root_of

TILE = 256
"""Hashes in a full tile."""


class Growth:
    """The tree of a log as it grows, beside the heads that were signed of it."""

    def __init__(self, bundle: Bundle, heads: list[Head]) -> None:
        """Take the heads, smallest first, and the tiles."""
        self._heads = heads
        self._next = 0
        self._tree = GrowingTree()
        self._good = GrowingTree()
        """The tree at the last checkpoint whose root was right."""
        self._since: list[Sealed] = []
        """The leaves since then."""
        self._lost = False
        """Whether a root was wrong: so are all that follow, and say no more."""
        self._levels: list[list[bytes]] = []
        """Of each level, the hashes of the tile that is not full yet."""
        self._counts: list[int] = []
        self._tiles = KeptTiles(bundle)

    @property
    def size(self) -> int:
        """How many leaves there are."""
        return self._tree.size

    @property
    def last(self) -> Head | None:
        """The checkpoint before the next leaf."""
        return self._heads[self._next - 1] if self._next else None

    def add(self, leaf: bytes, entry_id: str, recorded_at: datetime | None) -> Iterator[Finding]:
        """Add the next leaf, of an entry that was recorded then, if it is there."""
        self._tree.add(leaf)
        if self._next < len(self._heads) and not self._lost:
            self._since.append(Sealed(leaf, entry_id, recorded_at))
        yield from self._into_tile(0, leaf)
        while self._next < len(self._heads) and self._heads[self._next].size <= self.size:
            head = self._heads[self._next]
            self._next += 1
            if self._lost:
                continue
            if self._tree.root() == head.root:
                self._good, self._since = self._tree.copy(), []
            else:
                self._lost = True
                yield self._wrong(head)

    def finish(self) -> Iterator[Finding]:
        """Tell of checkpoints that are larger than the log, and tiles of leaves that are not there."""
        for head in self._heads[self._next :]:
            told = f"the log has {self.size} entries: its tail was cut off, or it was put back"
            yield Finding("log.shorter", f"checkpoint of {head.size} entries", told)
        for level, index in self._tiles.left():
            yield Finding("tile.surplus", f"tile {index} of level {level}", "the log is not as long")

    def _into_tile(self, level: int, hashed: bytes) -> Iterator[Finding]:
        if level == len(self._levels):
            self._levels.append([])
            self._counts.append(0)
        self._levels[level].append(hashed)
        if len(self._levels[level]) < TILE:
            return
        hashes, index = self._levels[level], self._counts[level]
        self._levels[level] = []
        self._counts[level] += 1
        root = root_of(hashes)
        tile = self._tiles.take(level, index)
        where = f"tile {index} of level {level}"
        if tile is None:
            yield Finding("tile.gone", where, "it is full, and not there")
        else:
            kept = leaves.bytes_of(tile["hashes"]) or b""
            wrong = [at for at in range(TILE) if kept[32 * at : 32 * at + 32] != hashes[at]]
            if wrong:
                places = ", ".join(str(index * TILE + at) for at in wrong[:8])
                yield Finding("tile.differs", where, f"its hashes are not those below it, at {places}")
            elif leaves.bytes_of(tile["root"]) != root:
                yield Finding("tile.differs", where, "its root is not that of its hashes")
        yield from self._into_tile(level + 1, root)

    def _wrong(self, head: Head) -> Finding:
        first = self._good.size
        swapped = find_swapped(self._good, self._since, head.root)
        if swapped is not None:
            one, other = swapped
            told = f"entries {self._since[one].entry_id} and {self._since[other].entry_id} were swapped"
            return Finding("leaves.swapped", f"indexes {first + one} and {first + other}", told)
        told = f"they do not give the root of the checkpoint of {head.size} entries"
        return Finding("root.differs", f"indexes {first} to {head.size - 1}", told)
