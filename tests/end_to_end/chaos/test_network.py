"""The network to PostgreSQL stalls, resets connections in the commit, slices what passes."""

import time

import pytest

from tests.end_to_end.chaos.proxy import Mode, Proxy
from tests.end_to_end.chaos.scene import SEED, Scene, lasting

pytestmark = pytest.mark.slow


def test_a_network_that_stalls(scene: Scene) -> None:
    with (
        Proxy(scene.url, SEED) as proxy,
        scene.service(url=proxy.url) as service,
        scene.load(service) as load,
    ):
        for _ in range(2):
            proxy.set(Mode.STALL)
            stalled = time.monotonic()
            load.go_on(lasting(8, 3))
            assert load.acknowledged_between(stalled, time.monotonic()) == 0
            proxy.set(Mode.PASS)
            scene.heal()
            load.go_on(lasting(5, 1), at_least=50)
    scene.conclude(6, "Network to PostgreSQL stalls, 8 s twice", load)


def test_a_network_that_resets_appends_half_way_and_in_the_commit(scene: Scene) -> None:
    with (
        Proxy(scene.url, SEED) as proxy,
        scene.service(url=proxy.url) as service,
        scene.load(service) as load,
    ):
        proxy.set(Mode.RESET)
        load.go_on(lasting(12, 4), at_least=100)
        proxy.set(Mode.PASS)
        scene.heal()
    assert proxy.resets > 3
    scene.conclude(7, "Network resets appends: half sent, mid-commit, committed", load)


def test_a_network_that_slices(scene: Scene) -> None:
    with (
        Proxy(scene.url, SEED) as proxy,
        scene.service(url=proxy.url) as service,
        scene.load(service) as load,
    ):
        proxy.set(Mode.SLICE)
        load.go_on(lasting(12, 3), at_least=50)
        proxy.set(Mode.PASS)
        scene.heal()
    scene.conclude(8, "Network slices: answers byte by byte, statements in pieces of 1 to 200 bytes", load)
