"""Two sealers at once, one of which is paused in its transaction and goes on when it has been overtaken."""

import os
import signal
import time

import pytest

from eventstore.sealer_state import SEAL_LOCK
from tests.end_to_end.chaos.scene import Scene, lasting
from tests.support.database import execute
from tests.support.service import Service

pytestmark = pytest.mark.slow

SEALER = f"""
    SELECT pid FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND objid = {SEAL_LOCK} AND granted
"""  # noqa: S608 - our own number
SEALED = "SELECT size FROM sealer"


def pause_while_it_seals(url: str, service: Service) -> int:
    """Stop a service when it alone holds the sealers' lock; return the process of PostgreSQL that does."""
    for _ in range(2000):
        os.kill(service.pid, signal.SIGSTOP)
        holding = execute(url, SEALER)
        time.sleep(0.01)
        if holding and execute(url, SEALER) == holding:
            return int(str(holding[0][0]))
        os.kill(service.pid, signal.SIGCONT)
        time.sleep(0.003)
    raise AssertionError("it was never seen to seal")


def test_two_sealers_one_paused_and_resumed(scene: Scene) -> None:
    # The one that is paused has no callbacks; the other begins to seal when its hold has been ended.
    with (
        scene.service(workers=1, SEAL_EVERY="0") as answering,
        scene.service(workers=1, SEAL_EVERY="0.01") as sealing,
        scene.load(answering) as load,
    ):
        for _ in range(2):
            backend = pause_while_it_seals(scene.url, sealing)
            load.go_on(lasting(5, 1))
            ((before,),) = execute(scene.url, SEALED)
            execute(scene.url, f"SELECT pg_terminate_backend({backend})")  # as its time-out does after 60 s
            with scene.service(workers=1, SEAL_EVERY="0.05"):
                load.go_on(lasting(4, 2))
                assert execute(scene.url, SEALED)[0][0] > before  # type: ignore[operator]
                os.kill(sealing.pid, signal.SIGCONT)
                scene.heal()
                load.go_on(lasting(4, 1))
    scene.conclude(16, "Two sealers, one paused while it seals, and resumed", load)
