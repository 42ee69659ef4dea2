"""How soon `status-ledger serve` is ready on a database that is there."""

import time

from benchmarks.ground import SMALL, Ground
from benchmarks.service import RECIPIENT_KEY, running


def ready(ground: Ground) -> tuple[float]:
    """Return the seconds from the command to the first answer that it can take callbacks."""
    url = ground.database(SMALL)
    ground.settle()
    begun = time.perf_counter()
    with running(url, workers=1, RECIPIENT_KEY=RECIPIENT_KEY):
        return (time.perf_counter() - begun,)
