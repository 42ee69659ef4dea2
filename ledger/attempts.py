"""Counts failed attempts to sign in, and says when the next one may be made.

A process counts for itself and forgets when it ends. What is counted is bounded by `MOST_IN_ALL`: after so
many nobody may try, so no more are made, from however many addresses they come.
"""

import ipaddress
import math
import time
from collections import deque
from collections.abc import Callable

WINDOW = 15 * 60.0
"""Seconds for which a failed attempt counts."""

MOST_OF_ONE = 5
"""Attempts that may fail from one address."""

MOST_IN_ALL = 100
"""Attempts that may fail altogether."""


class Attempts:
    """The attempts of the last quarter of an hour that failed, or have not succeeded yet."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Take a clock in seconds."""
        self._clock = clock
        self._made: deque[tuple[float, str]] = deque()

    def wait(self, address: str | None) -> int:
        """Return for how many seconds nobody at this address may try; 0 where one may."""
        now = self._clock()
        while self._made and self._made[0][0] <= now - WINDOW:
            self._made.popleft()
        source = _source(address)
        own = [made for made, other in self._made if other == source]
        until = [
            made[-most] + WINDOW
            for made, most in ((own, MOST_OF_ONE), ([made for made, _ in self._made], MOST_IN_ALL))
            if len(made) >= most
        ]
        return math.ceil(max(until) - now) if until else 0

    def begin(self, address: str | None) -> None:
        """Count an attempt; before its key is looked at, so that many at once are no way round."""
        self._made.append((self._clock(), _source(address)))

    def succeeded(self, address: str | None) -> None:
        """Forget the attempts of an address, one of which has succeeded."""
        source = _source(address)
        self._made = deque(one for one in self._made if one[1] != source)


def _source(address: str | None) -> str:
    """Return whom an address stands for: of IPv6, one household has a whole network of 64 bits."""
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return ""
    if parsed.version == 4:
        return str(parsed)
    return str(ipaddress.ip_network((parsed, 64), strict=False))
