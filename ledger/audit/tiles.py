"""Hands out the kept tiles of a Merkle tree in the order in which a tree that grows asks for them."""

from collections.abc import Iterator, Mapping
from typing import Any

from ledger.audit.bundles import Bundle

Tile = Mapping[str, Any]


class KeptTiles:
    """The tiles of a bundle. Those of level 0, nearly all of them, are read one by one as the tree grows."""

    def __init__(self, bundle: Bundle) -> None:
        """Take the bundle, whose tiles come by level and index."""
        self._leaves = (one for one in bundle.lines("tiles") if one["level"] == 0)
        self._next = next(self._leaves, None)
        self._above = {
            (one["level"], one["index"]): one for one in bundle.lines("tiles") if one["level"] != 0
        }
        self._passed: list[tuple[int, int]] = []

    def take(self, level: int, index: int) -> Tile | None:
        """Return a tile, None where it is not there; those of a level are asked for from left to right."""
        if level != 0:
            return self._above.pop((level, index), None)
        while self._next is not None and self._next["index"] < index:
            self._pass()
        if self._next is None or self._next["index"] != index:
            return None
        taken, self._next = self._next, next(self._leaves, None)
        return taken

    def left(self) -> Iterator[tuple[int, int]]:
        """Yield level and index of every tile that nobody took."""
        while self._next is not None:
            self._pass()
        yield from sorted([*self._passed, *self._above])

    def _pass(self) -> None:
        if self._next is not None:
            self._passed.append((0, self._next["index"]))
        self._next = next(self._leaves, None)
