"""Two leaves that were swapped are found, among few by trying all, among many by the order of recording."""

import random
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest

from ledger.audit import swaps
from ledger.audit.swaps import Sealed, find_swapped
from ledger.audit.tree import GrowingTree

BEGIN = datetime(2026, 11, 23, tzinfo=UTC)


def sealed(many: int, late: int = 0) -> list[Sealed]:
    """Return leaves in the order of their recording, but for some that committed late."""
    made = [
        Sealed(sha256(f"{n}".encode()).digest(), f"entry-{n:06}", BEGIN + timedelta(milliseconds=n // 3))
        for n in range(many)
    ]
    chance = random.Random(late)  # noqa: S311 - which commit late, no secret
    for place in chance.sample(range(many - 50), late):
        made.insert(place + 50, made.pop(place))
    return made


def tree_of(leaves: list[Sealed]) -> GrowingTree:
    """Return the tree of some leaves."""
    tree = GrowingTree()
    for one in leaves:
        tree.add(one.hash)
    return tree


def swap(leaves: list[Sealed], one: int, other: int) -> list[Sealed]:
    """Return the leaves with two of them swapped."""
    swapped = list(leaves)
    swapped[one], swapped[other] = leaves[other], leaves[one]
    return swapped


@pytest.mark.parametrize("before", [0, 1, 2, 3, 5, 8, 13, 31])
@pytest.mark.parametrize("many", [2, 3, 7, 8, 17])
def test_any_two_of_few_are_found_whatever_came_before(before: int, many: int) -> None:
    leaves = sealed(before + many)
    root = tree_of(leaves).root()
    for one in range(many):
        for other in range(one + 1, many):
            found = swap(leaves, before + one, before + other)
            assert find_swapped(tree_of(leaves[:before]), found[before:], root) == (one, other)


@pytest.mark.parametrize(("one", "other"), [(0, 9_999), (4_711, 4_712), (17, 6_000), (9_998, 9_999)])
def test_two_of_ten_thousand_are_found_among_those_that_committed_late(one: int, other: int) -> None:
    leaves = sealed(12_345 + 10_000, late=30)
    root = tree_of(leaves).root()
    found = swap(leaves, 12_345 + one, 12_345 + other)
    assert find_swapped(tree_of(leaves[:12_345]), found[12_345:], root) == (one, other)


def test_what_is_no_swap_is_not_taken_for_one() -> None:
    leaves = sealed(100)
    root = tree_of(leaves).root()
    forged = [*leaves[:50], leaves[50]._replace(hash=sha256(b"forged").digest()), *leaves[51:]]
    assert find_swapped(GrowingTree(), forged, root) is None
    assert find_swapped(GrowingTree(), forged[:60], root) is None


def test_a_log_without_any_order_is_not_searched_for_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    leaves = sealed(100)
    disordered = leaves[::-1]
    monkeypatch.setattr(swaps, "MOST", 99)
    assert find_swapped(GrowingTree(), swap(disordered, 1, 2), tree_of(disordered).root()) is None
    monkeypatch.setattr(swaps, "MOST", 100)
    assert find_swapped(GrowingTree(), swap(disordered, 1, 2), tree_of(disordered).root()) == (1, 2)


def test_an_entry_that_is_gone_has_no_place_in_the_order() -> None:
    leaves = [one._replace(recorded_at=None) for one in sealed(100)]
    assert find_swapped(GrowingTree(), swap(leaves, 1, 50), tree_of(leaves).root()) is None
