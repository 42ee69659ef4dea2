"""The service is told to stop, its clock is wrong, its workers come up while PostgreSQL is away."""

import os
import signal

import pytest

from tests.end_to_end.chaos.scene import FULL, Scene, lasting
from tests.end_to_end.chaos.server import Server
from tests.end_to_end.chaos.test_crashes import workers_of
from tests.support.database import execute
from tests.support.processes import wait_until

pytestmark = pytest.mark.slow


def test_sigterm_answers_every_request_that_was_read(scene: Scene) -> None:
    with scene.service() as service, scene.load(service) as load:
        for _ in range(3 if FULL else 1):
            load.go_on(lasting(3, 1), at_least=50)
            assert service.stop() == 0
            kept = {str(entry_id) for (entry_id,) in execute(scene.url, "SELECT entry_id FROM entries")}
            # What is kept and was not told would never be; the last answers may still be on their way.
            wait_until(lambda: kept <= load.acknowledged_entries, 20)  # noqa: B023 - called at once
            assert kept == load.acknowledged_entries
            service.start()
            scene.heal()
            load.go_on(lasting(3, 1), at_least=50)
    scene.conclude(4, "SIGTERM under load, and started again", load)


def test_a_worker_that_comes_up_while_postgresql_is_away(scene: Scene, server: Server) -> None:
    with scene.service() as service, scene.load(service) as load:
        server.kill()
        for worker in workers_of(service.pid):
            os.kill(worker, signal.SIGKILL)
        wait_until(lambda: len(workers_of(service.pid)) == 2)
        load.go_on(lasting(10, 4))
        server.start()
        scene.heal()
        load.go_on(lasting(5, 1), at_least=50)
    scene.conclude(5, "Every worker and PostgreSQL killed at once", load)


def test_clocks_of_the_service_a_day_off(scene: Scene) -> None:
    fast, slow = (scene.variant("clock", CLOCK_OFF_BY=str(seconds)) for seconds in (86_400, -86_400))
    with (
        scene.service(workers=1, **fast) as ahead,
        scene.service(workers=1, **slow) as behind,
        scene.service(workers=1) as right,
        scene.load(ahead, behind, right) as load,
    ):
        load.go_on(lasting(10, 3), at_least=100)
        scene.heal()
    fault = "Clocks of two services a day ahead and a day behind, beside one that is right"
    scene.conclude(12, fault, load, known="entry.backdated")
