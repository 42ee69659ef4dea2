"""How soon `status-ledger serve` is ready on a database that is there."""

import time

from benchmarks.ground import Ground
from benchmarks.service import running


def ready(ground: Ground) -> tuple[float]:
    """Return the seconds from the command to the first answer that it can take callbacks."""
    url = ground.database("ledger")
    ground.settle()
    begun = time.perf_counter()
    with running(url, workers=1):
        return (time.perf_counter() - begun,)
