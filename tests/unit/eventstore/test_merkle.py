"""The Merkle tree, held to the published vectors and to the RFC's own recursion over every small tree."""

from functools import cache
from hashlib import sha256
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore import merkle

# The eight inputs of certificate-transparency's merkle_tree_test, the roots of their first n, and its proofs.
INPUTS = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
LEFT, QUARTER, RIGHT_HALF = (
    "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
)
INCLUSION = {
    (0, 1): [],
    (0, 8): [LEFT, QUARTER, RIGHT_HALF],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        ROOTS[4],
    ],
    (2, 3): [ROOTS[2]],
    (1, 5): [ROOTS[1], QUARTER, "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"],
}
CONSISTENCY = {
    (1, 1): [],
    (1, 8): [LEFT, QUARTER, RIGHT_HALF],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        ROOTS[4],
    ],
    (2, 5): [QUARTER, "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"],
}

LARGEST = 40
"""Leaves of the largest tree of which everything is tried."""

LEAVES = [merkle.leaf_hash(number.to_bytes(2, "big")) for number in range(LARGEST + 1)]


def hashes_of(leaves: list[bytes]) -> merkle.Hashes:
    @cache
    def hashed(height: int, index: int) -> bytes:
        start = index << height
        assert start + (1 << height) <= len(leaves), "a perfect subtree is all there"
        return merkle.perfect_root(b"".join(leaves[start : start + (1 << height)]))

    return hashed


OF_INPUTS = hashes_of([merkle.leaf_hash(content) for content in INPUTS])
HASHES = hashes_of(LEAVES)


def naive_split(size: int) -> int:
    """Return the RFC's k: the largest power of two smaller than the size."""
    power = 1
    while power * 2 < size:
        power *= 2
    return power


def naive_root(leaves: list[bytes]) -> bytes:
    """Return the RFC's MTH, over hashes of leaves."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = naive_split(len(leaves))
    return sha256(b"\x01" + naive_root(leaves[:k]) + naive_root(leaves[k:])).digest()


def naive_path(index: int, leaves: list[bytes]) -> list[bytes]:
    """Return the RFC's PATH."""
    if len(leaves) == 1:
        return []
    k = naive_split(len(leaves))
    if index < k:
        return [*naive_path(index, leaves[:k]), naive_root(leaves[k:])]
    return [*naive_path(index - k, leaves[k:]), naive_root(leaves[:k])]


def naive_growth(old: int, leaves: list[bytes], whole: bool = True) -> list[bytes]:
    """Return the RFC's SUBPROOF."""
    if old == len(leaves):
        return [] if whole else [naive_root(leaves)]
    k = naive_split(len(leaves))
    if old <= k:
        return [*naive_growth(old, leaves[:k], whole), naive_root(leaves[k:])]
    return [*naive_growth(old - k, leaves[k:], whole=False), naive_root(leaves[:k])]


def test_the_roots_are_the_published_ones() -> None:
    assert [merkle.root(size, OF_INPUTS).hex() for size in range(9)] == ROOTS


@pytest.mark.parametrize(("index", "size"), INCLUSION)
def test_the_inclusion_proofs_are_the_published_ones(index: int, size: int) -> None:
    path = merkle.proof(merkle.inclusion_ranges(index, size), OF_INPUTS)
    assert [one.hex() for one in path] == INCLUSION[index, size]
    leaf = merkle.leaf_hash(INPUTS[index])
    assert merkle.includes(leaf, index, size, path, bytes.fromhex(ROOTS[size]))


@pytest.mark.parametrize(("old", "new"), CONSISTENCY)
def test_the_consistency_proofs_are_the_published_ones(old: int, new: int) -> None:
    path = merkle.proof(merkle.consistency_ranges(old, new), OF_INPUTS)
    assert [one.hex() for one in path] == CONSISTENCY[old, new]
    assert merkle.grew(old, bytes.fromhex(ROOTS[old]), new, bytes.fromhex(ROOTS[new]), path)


@pytest.mark.parametrize("size", range(LARGEST + 1))
def test_every_small_tree_has_the_root_of_the_rfcs_recursion(size: int) -> None:
    assert merkle.root(size, HASHES) == naive_root(LEAVES[:size])


@pytest.mark.parametrize("size", range(1, LARGEST + 1))
def test_every_leaf_of_every_small_tree_is_proven_and_nowhere_else(size: int) -> None:
    root = merkle.root(size, HASHES)
    for index in range(size):
        path = merkle.proof(merkle.inclusion_ranges(index, size), HASHES)
        assert path == naive_path(index, LEAVES[:size])
        for place in range(-1, size + 2):
            assert merkle.includes(LEAVES[index], place, size, path, root) == (place == index)
        assert not merkle.includes(LEAVES[index + 1], index, size, path, root)
        assert not merkle.includes(LEAVES[index], index, size, path, LEAVES[LARGEST])
        assert not merkle.includes(LEAVES[index], index, size, [*path, root], root)
        for missing in range(len(path)):
            assert not merkle.includes(LEAVES[index], index, size, path[:missing] + path[missing + 1 :], root)


@pytest.mark.parametrize("new", range(1, LARGEST + 1))
def test_every_growth_of_every_small_tree_is_proven_and_no_other(new: int) -> None:
    roots = [merkle.root(size, HASHES) for size in range(LARGEST + 2)]
    for old in range(1, new + 1):
        path = merkle.proof(merkle.consistency_ranges(old, new), HASHES)
        assert path == naive_growth(old, LEAVES[:new])
        for other in range(1, new + 2):
            assert merkle.grew(other, roots[other], new, roots[new], path) == (other == old), (other, old)
        assert not merkle.grew(old, roots[old], new, LEAVES[0] * (new > 1), path)
        assert not merkle.grew(old, roots[old], new, roots[new], [*path, roots[new]])
        for missing in range(len(path)):
            assert not merkle.grew(old, roots[old], new, roots[new], path[:missing] + path[missing + 1 :])


def test_every_tree_grew_from_the_empty_one_and_none_shrank() -> None:
    root = merkle.root(3, HASHES)
    assert merkle.grew(0, merkle.EMPTY_ROOT, 3, root, [])
    assert not merkle.grew(0, root, 3, root, [])
    assert not merkle.grew(0, merkle.EMPTY_ROOT, 3, root, [root])
    assert not merkle.grew(3, root, 2, merkle.root(2, HASHES), [])
    assert not merkle.grew(-1, root, 2, root, [])


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=300), st.data())
def test_any_tree_proves_its_leaves_and_its_past(contents: list[bytes], data: st.DataObject) -> None:
    leaves = [merkle.leaf_hash(content) for content in contents]
    hashes = hashes_of(leaves)
    size = len(leaves)
    root = naive_root(leaves)
    assert merkle.root(size, hashes) == root
    index = data.draw(st.integers(0, size - 1))
    path = merkle.proof(merkle.inclusion_ranges(index, size), hashes)
    assert merkle.includes(leaves[index], index, size, path, root)
    old = data.draw(st.integers(1, size))
    growth = merkle.proof(merkle.consistency_ranges(old, size), hashes)
    assert merkle.grew(old, naive_root(leaves[:old]), size, root, growth)
    if path:
        place, bit = data.draw(st.integers(0, len(path) - 1)), data.draw(st.integers(0, 255))
        changed = int.from_bytes(path[place], "big") ^ (1 << bit)
        path[place] = changed.to_bytes(32, "big")
        assert not merkle.includes(leaves[index], index, size, path, root)


def test_a_range_is_joined_from_few_perfect_subtrees() -> None:
    for start, height in product(range(8), range(4)):
        begin = start << height
        (only,) = merkle.perfect_subtrees(begin, begin + (1 << height))
        assert only == (height, start)
    assert list(merkle.perfect_subtrees(0, 13)) == [(3, 0), (2, 2), (0, 12)]
