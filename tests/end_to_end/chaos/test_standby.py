"""A synchronous standby: what is acknowledged is on both, whatever becomes of either."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.end_to_end.chaos.scene import Scene, lasting
from tests.end_to_end.chaos.server import Server
from tests.end_to_end.chaos.standby import Pair, paired
from tests.support.database import at, binaries, execute

pytestmark = pytest.mark.slow

CANCEL_WAITING = (
    "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity"
    " WHERE wait_event = 'SyncRep' AND application_name = 'status-ledger'"
)


@pytest.fixture
def pair(scene: Scene, server: Server, request: pytest.FixtureRequest) -> Iterator[Pair]:
    """The scene's server and a standby of it."""
    found = binaries(request.config.getoption("--postgres"))
    with tempfile.TemporaryDirectory(prefix="status-ledger-") as folder:
        Path(folder).chmod(0o711)  # for root's server runs as another user
        with paired(server, Path(folder) / "data", found) as made:
            yield made


def test_a_standby_that_is_away(scene: Scene, pair: Pair) -> None:
    with scene.service() as service, scene.load(service) as load:
        pair.standby.stop()
        load.go_on(0.5)  # what it confirmed may still be on its way to the supplier
        away = time.monotonic()
        load.go_on(lasting(10, 4))
        assert load.acknowledged_between(away, time.monotonic()) == 0
        pair.standby.start()
        scene.heal()
        load.go_on(lasting(5, 1), at_least=50)
    scene.conclude(13, "Synchronous standby away for 10 s", load)


def test_commits_that_are_cancelled_while_they_wait_for_the_standby(scene: Scene, pair: Pair) -> None:
    cancelled = 0
    with (
        scene.service() as service,
        scene.load(service) as load,
        psycopg.connect(pair.primary.url, autocommit=True) as operator,
    ):
        pair.standby.stop()
        load.go_on(0.5)
        away = time.monotonic()
        while time.monotonic() < away + lasting(10, 4):
            ((number,),) = operator.execute(CANCEL_WAITING).fetchall()
            cancelled += number
            load.go_on(0.05)
        assert load.acknowledged_between(away, time.monotonic()) == 0
        pair.standby.start()
        scene.heal()
        load.go_on(lasting(5, 1), at_least=50)
    assert cancelled > 3
    scene.conclude(14, "Commits cancelled while they wait for the standby", load)


def test_failover_to_the_standby(scene: Scene, pair: Pair) -> None:
    name = scene.database
    with scene.service(url=pair.url(name)) as service, scene.load(service, publishes=True) as load:
        pair.primary.kill()
        load.go_on(lasting(3, 1))
        pair.promote()
        scene.url = at(pair.standby.url, name)  # nothing asks the old primary any more
        scene.heal()
        load.go_on(lasting(8, 3), at_least=100)
    scene.conclude(15, "Failover: primary killed, synchronous standby promoted", load)
    assert execute(scene.url, "SELECT pg_is_in_recovery()") == [(False,)]
