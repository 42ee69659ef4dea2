"""The Merkle tree of RFC 6962 and RFC 9162 (section 2.1): roots, inclusion and consistency proofs. Pure.

SHA-256; a leaf is hashed after the byte 0x00, a node after 0x01, so that neither can pass for the other. A
tree of n leaves is split at the largest power of two below n: nothing is padded, and a *perfect subtree*
(2^h leaves from a multiple of 2^h) never changes again, however the tree grows. A perfect subtree is named
by its (height, index); everything else is joined from a few of them. Where they are kept is the caller's
business.
"""

from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256

HASH_SIZE = 32
"""Bytes of a hash."""

EMPTY_ROOT = sha256(b"").digest()
"""The root of a tree without leaves."""

Hashes = Callable[[int, int], bytes]
"""Gives the hash of the perfect subtree of a (height, index)."""

Range = tuple[int, int]
"""The leaves from the first (included) to the second (excluded): a subtree of some tree."""


def leaf_hash(content: bytes) -> bytes:
    """Return the hash of a leaf."""
    return sha256(b"\x00" + content).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of a node, from those below it."""
    return sha256(b"\x01" + left + right).digest()


def perfect_root(hashes: bytes) -> bytes:
    """Return the root over the hashes of 2^h neighbours of one height, from left to right."""
    while len(hashes) > HASH_SIZE:
        pairs = [hashes[at : at + 2 * HASH_SIZE] for at in range(0, len(hashes), 2 * HASH_SIZE)]
        hashes = b"".join([sha256(b"\x01" + pair).digest() for pair in pairs])
    return hashes


def perfect_subtrees(start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the (height, index) of the perfect subtrees that a range consists of, from left to right."""
    while start < end:
        height = (end - start).bit_length() - 1
        yield height, start >> height
        start += 1 << height


def root(size: int, hashes: Hashes) -> bytes:
    """Return the root of the tree of the first `size` leaves."""
    return _join((0, size), hashes) if size else EMPTY_ROOT


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """Return the ranges whose hashes prove the leaf `index` in the tree of `size` leaves, lowest first."""
    start, end = 0, size
    ranges: list[Range] = []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start = middle
    return ranges[::-1]


def consistency_ranges(old: int, new: int) -> list[Range]:
    """Return the ranges whose hashes prove that a tree of `old` leaves, at least 1, grew to `new`."""
    start, end = 0, new
    ranges: list[Range] = []
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start = middle
    if start:  # otherwise it is the whole old tree, whose root the verifier has
        ranges.append((start, end))
    return ranges[::-1]


def proof(ranges: Iterable[Range], hashes: Hashes) -> list[bytes]:
    """Return the hash of each range: the proof that `inclusion_ranges` or `consistency_ranges` asks for."""
    return [_join(one, hashes) for one in ranges]


def includes(leaf: bytes, index: int, size: int, path: list[bytes], root: bytes) -> bool:
    """Tell whether `path` proves the leaf of hash `leaf` at `index` in the tree of a size and root."""
    if not 0 <= index < size:
        return False
    place, last, hashed = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if place & 1 or place == last:
            hashed = node_hash(sibling, hashed)
            while not place & 1 and place:  # the right edge, which had no sibling there
                place, last = place >> 1, last >> 1
        else:
            hashed = node_hash(hashed, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and hashed == root


def grew(old: int, old_root: bytes, new: int, new_root: bytes, path: list[bytes]) -> bool:
    """Tell whether `path` proves that the tree of `old` leaves and its root grew to `new` leaves and theirs.

    Every tree grew from the empty one, and from itself.
    """
    if old in (0, new):
        return not path and old_root == (new_root if old else EMPTY_ROOT)
    if not 0 < old < new:
        return False
    place, last = old - 1, new - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    rest = list(path) if place else [old_root, *path]
    if not rest:
        return False
    was = now = rest[0]
    for hashed in rest[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            was, now = node_hash(hashed, was), node_hash(hashed, now)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            now = node_hash(now, hashed)
        place, last = place >> 1, last >> 1
    return last == 0 and was == old_root and now == new_root


def _split(size: int) -> int:
    """Return the largest power of two below `size`, which is at least 2."""
    return 1 << (size - 1).bit_length() - 1


def _join(leaves: Range, hashes: Hashes) -> bytes:
    """Return the hash of a range from those of its perfect subtrees."""
    parts = [hashes(height, index) for height, index in perfect_subtrees(*leaves)]
    joined = parts.pop()
    while parts:
        joined = node_hash(parts.pop(), joined)
    return joined
