"""What happens to callbacks on their way: some come twice, some come at another time. Pure.

Delivery is at-least-once and unordered, so a service must say the same whatever this does.
"""

from collections.abc import Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")


def repeated(callbacks: Sequence[T], share: float, chance: Random) -> list[T]:
    """Return the callbacks with `share` (0 to 1) of them once more, anywhere after the first time."""
    places = [(float(place), callback) for place, callback in enumerate(callbacks)]
    again = chance.sample(range(len(callbacks)), round(len(callbacks) * share))
    places += [(chance.uniform(place, len(callbacks)), callbacks[place]) for place in again]
    places.sort(key=lambda placed: placed[0])
    return [callback for _, callback in places]


def shuffled(callbacks: Sequence[T], share: float, chance: Random) -> list[T]:
    """Return the callbacks after `share` (0 to 1) of them changed places at random with one another."""
    order = list(callbacks)
    leaving = chance.sample(range(len(order)), round(len(order) * share))
    for place, coming in zip(sorted(leaving), leaving, strict=True):
        order[place] = callbacks[coming]
    return order
