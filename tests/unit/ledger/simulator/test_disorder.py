"""Disorder takes nothing away: it only repeats and moves."""

from collections import Counter
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from ledger.simulator.disorder import repeated, shuffled

COUNTS = st.integers(0, 200)
SHARES = st.floats(min_value=0, max_value=1)
CHANCES = st.integers(0, 2**32).map(Random)


@given(count=COUNTS, share=SHARES, chance=CHANCES)
def test_the_share_that_is_asked_for_comes_twice_and_the_rest_once(
    count: int, share: float, chance: Random
) -> None:
    told = Counter(repeated(range(count), share, chance))
    assert told.keys() == set(range(count))
    assert sorted(told.values()) == [1] * (count - round(count * share)) + [2] * round(count * share)


@given(count=COUNTS, share=SHARES, chance=CHANCES)
def test_first_deliveries_keep_their_order_among_duplicates(count: int, share: float, chance: Random) -> None:
    assert list(dict.fromkeys(repeated(range(count), share, chance))) == list(range(count))


@given(count=COUNTS, share=SHARES, chance=CHANCES)
def test_no_more_than_the_share_that_is_asked_for_changes_places(
    count: int, share: float, chance: Random
) -> None:
    order = shuffled(range(count), share, chance)
    assert sorted(order) == list(range(count))
    assert sum(place != one for place, one in enumerate(order)) <= round(count * share)


def test_a_full_shuffle_leaves_hardly_anything_in_its_place() -> None:
    order = shuffled(range(1000), 1, Random(1))  # noqa: S311 - no secret
    assert sum(place == one for place, one in enumerate(order)) < 10
