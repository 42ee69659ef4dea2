"""Processes die: those of the service, those of PostgreSQL."""

import os
import signal
import time

import pytest

from tests.end_to_end.chaos.scene import FULL, Scene, lasting
from tests.end_to_end.chaos.server import Server
from tests.support.processes import children

pytestmark = pytest.mark.slow


def workers_of(service_pid: int) -> list[int]:
    """Return the processes of a service that answer."""
    return children(service_pid, "spawn_main")


def test_kill_9_of_workers_again_and_again(scene: Scene) -> None:
    with scene.service() as service, scene.load(service, publishes=True) as load:
        until = time.monotonic() + lasting(12, 4)
        while time.monotonic() < until:
            os.kill(workers_of(service.pid)[0], signal.SIGKILL)
            scene.heal()
            load.go_on(lasting(2, 1), at_least=20)
    scene.conclude(1, "`kill -9` of a worker, again and again", load)


def test_kill_9_of_postgresql_again_and_again(scene: Scene, server: Server) -> None:
    with scene.service() as service, scene.load(service, publishes=True) as load:
        for turn in range(4 if FULL else 2):
            if turn % 2 == 0:
                server.kill_a_backend()
            else:
                server.kill()
                load.go_on(1)
                server.start()
            scene.heal()
            load.go_on(lasting(4, 1), at_least=50)
    scene.conclude(2, "`kill -9` of PostgreSQL: of all its processes, of a backend", load)


def test_postgresql_stopped_and_back(scene: Scene, server: Server) -> None:
    with scene.service() as service, scene.load(service, publishes=True) as load:
        server.stop()
        stopped = time.monotonic()
        load.go_on(lasting(30, 4))
        assert load.acknowledged_between(stopped, time.monotonic()) == 0
        server.start()
        scene.heal()
        load.go_on(lasting(5, 1), at_least=50)
        first = load.first_ok(scene.healed)
        assert first is not None
        assert not FULL or first - scene.healed < 5
    scene.conclude(3, "PostgreSQL stopped for 30 s, and back", load)
