"""Looks for two leaves that were swapped: those with which, put back, the tree has its root again."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import combinations, pairwise
from typing import NamedTuple

from ledger.audit.tree import GrowingTree, node_hash

FEW = 64
"""Leaves among which every two are tried."""

MOST = 400
"""Leaves out of their order among which every two are tried: some seconds."""


class Sealed(NamedTuple):
    """A leaf with what it was sealed in the order of."""

    hash: bytes
    entry_id: str
    recorded_at: datetime | None
    """None where the entry is gone."""


def find_swapped(before: GrowingTree, since: Sequence[Sealed], root: bytes) -> tuple[int, int] | None:
    """Return the places in `since` of the two leaves that were swapped, if that is what happened.

    `before` is the tree without these leaves, `root` that of the tree with them as it was signed. Of many
    leaves those alone are tried that are out of order: entries are sealed in the order of their recording but
    for the few that commit late, so one that was moved stands beside one that it should not stand beside.
    """
    suspects = list(range(len(since))) if len(since) <= FEW else _out_of_order(since)
    if len(suspects) > MOST:
        return None
    tree = _Tree(before, [one.hash for one in since])
    for one, other in combinations(suspects, 2):
        if tree.root({one: since[other].hash, other: since[one].hash}) == root:
            return one, other
    return None


def _out_of_order(since: Sequence[Sealed]) -> list[int]:
    """Return the places of leaves beside which the order breaks."""
    found: set[int] = set()
    for place, (one, following) in enumerate(pairwise(since)):
        if one.recorded_at is None or following.recorded_at is None:
            continue
        if (one.recorded_at, one.entry_id) > (following.recorded_at, following.entry_id):
            found |= {place, place + 1}
    return sorted(found)


class _Tree:
    """A tree that tells its root with some of its last leaves changed, and hashes no more than it must."""

    def __init__(self, before: GrowingTree, hashes: Sequence[bytes]) -> None:
        self._first = before.size
        self._hashes = hashes
        self._known = {(low, high): hashed for low, high, hashed in before.peaks()}

    def root(self, changed: Mapping[int, bytes]) -> bytes:
        """Return the root with other hashes at some places among the last leaves."""
        moved = {self._first + place: hashed for place, hashed in changed.items()}
        return self._node(0, self._first + len(self._hashes), moved)

    def _node(self, low: int, high: int, moved: Mapping[int, bytes]) -> bytes:
        """Return the node over the leaves from `low` to below `high`, of which some may have moved."""
        as_it_was = not any(low <= place < high for place in moved)
        if as_it_was and (low, high) in self._known:
            return self._known[low, high]
        if high - low == 1:
            return moved[low] if low in moved else self._hashes[low - self._first]
        middle = low + (1 << (high - low - 1).bit_length() - 1)
        node = node_hash(self._node(low, middle, moved), self._node(middle, high, moved))
        if as_it_was:
            self._known[low, high] = node
        return node
