"""Recomputes Merkle trees as RFC 6962 (section 2.1) has them: leaf by leaf, or from a leaf up to the root."""

from collections.abc import Iterator
from hashlib import sha256


def leaf_hash(content: bytes) -> bytes:
    """Return the hash of a leaf."""
    return sha256(b"\x00" + content).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of a node."""
    return sha256(b"\x01" + left + right).digest()


class GrowingTree:
    """A tree to which leaves are added one by one; it holds the roots of its perfect subtrees alone."""

    def __init__(self) -> None:
        """Begin with no leaf."""
        self.size = 0
        self._peaks: list[tuple[int, bytes]] = []
        """(height, hash), the highest first."""

    def copy(self) -> "GrowingTree":
        """Return a tree of the same leaves that grows apart from this one."""
        twin = GrowingTree()
        twin.size, twin._peaks = self.size, list(self._peaks)
        return twin

    def add(self, leaf: bytes) -> None:
        """Add the hash of the next leaf."""
        height = 0
        while self._peaks and self._peaks[-1][0] == height:
            leaf = node_hash(self._peaks.pop()[1], leaf)
            height += 1
        self._peaks.append((height, leaf))
        self.size += 1

    def peaks(self) -> Iterator[tuple[int, int, bytes]]:
        """Yield its perfect subtrees, the largest first: from which leaf, below which, and the root."""
        low = 0
        for height, hashed in self._peaks:
            yield low, low + (1 << height), hashed
            low += 1 << height

    def root(self) -> bytes:
        """Return the root of the leaves so far."""
        if not self._peaks:
            return sha256(b"").digest()
        *rest, (_, joined) = self._peaks
        for _, peak in reversed(rest):
            joined = node_hash(peak, joined)
        return joined


def root_of(leaves: list[bytes]) -> bytes:
    """Return the root over the hashes of some leaves."""
    tree = GrowingTree()
    for leaf in leaves:
        tree.add(leaf)
    return tree.root()


def root_by_path(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes | None:
    """Return the root to which an inclusion proof leads; None where its length cannot be right."""
    if not 0 <= index < size:
        return None
    if size == 1:
        return leaf if not path else None
    if not path:
        return None
    middle = 1
    while middle * 2 < size:
        middle *= 2
    *lower, sibling = path
    if index < middle:
        left = root_by_path(leaf, index, middle, lower)
        return None if left is None else node_hash(left, sibling)
    right = root_by_path(leaf, index - middle, size - middle, lower)
    return None if right is None else node_hash(sibling, right)
