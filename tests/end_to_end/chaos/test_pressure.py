"""PostgreSQL is there and does not serve: a lock, no connection to be had, reads that hold them all."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import psycopg
import pytest

from tests.end_to_end.chaos.scene import Scene, lasting
from tests.end_to_end.chaos.server import Server
from tests.support.database import execute
from tests.support.processes import wait_until
from tests.support.supplier import AUDITOR_API_KEY

pytestmark = pytest.mark.slow

MOST_CONNECTIONS = 100
"""PostgreSQL's own `max_connections`."""

AUDITOR = {"x-api-key": AUDITOR_API_KEY}

CUT_OFF = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'status-ledger'"
CUT_OFF_APPENDS = f"{CUT_OFF} AND query LIKE '%INSERT INTO entries%'"
WAITING_READS = "SELECT count(*) FROM pg_locks WHERE relation = 'access_log'::regclass AND NOT granted"


def test_a_lock_that_bars_every_append(scene: Scene) -> None:
    with scene.service() as service, scene.load(service) as load:
        with psycopg.connect(scene.url) as operator:
            operator.execute("LOCK TABLE entries, message_status IN ACCESS EXCLUSIVE MODE")
            locked = time.monotonic()
            load.go_on(lasting(15, 4))
            assert load.acknowledged_between(locked, time.monotonic()) == 0
            operator.rollback()
        scene.heal()
        load.go_on(lasting(5, 1), at_least=50)
    scene.conclude(9, "`ACCESS EXCLUSIVE` lock held for 15 s", load)


def test_no_connection_to_be_had(scene: Scene, server: Server) -> None:
    with scene.service() as service, scene.load(service) as load, ExitStack() as crowd:
        own = [crowd.enter_context(psycopg.connect(server.url, autocommit=True))]
        own[0].execute(CUT_OFF)
        while len(own) < MOST_CONNECTIONS:
            try:
                own.append(crowd.enter_context(psycopg.connect(server.url, autocommit=True)))
            except psycopg.OperationalError:  # too many clients: some are the service's
                own[0].execute(CUT_OFF)
        cut = time.monotonic()
        load.go_on(lasting(10, 3))
        assert load.acknowledged_between(cut, time.monotonic()) == 0
        crowd.close()
        scene.heal()
        load.go_on(lasting(5, 1), at_least=50)
    scene.conclude(10, "No connection to be had: others hold all of PostgreSQL's", load)


def test_slow_readers_on_every_connection_of_the_pool(scene: Scene) -> None:
    """Reads that wait for a lock hold every connection that is for reads; callbacks have their own."""
    with (
        scene.service(workers=1, DATABASE_CONNECTIONS="5") as service,
        scene.load(service) as load,
        psycopg.connect(scene.url) as operator,
        ThreadPoolExecutor(8) as readers,
    ):
        operator.execute("LOCK TABLE access_log IN ACCESS EXCLUSIVE MODE")  # where reads are noted
        read = "/api/messages/any/timeline"
        waiting = [readers.submit(service.client.get, read, headers=AUDITOR) for _ in range(8)]
        wait_until(lambda: execute(scene.url, WAITING_READS)[0][0] == 2)
        execute(scene.url, CUT_OFF_APPENDS)  # they must find others while reads hold all of theirs
        starved = time.monotonic()
        load.go_on(lasting(10, 3), at_least=100)
        assert not load.codes - {0, 200}
        assert load.acknowledged_between(starved, time.monotonic()) > 0
        operator.rollback()
        assert {one.result().status_code for one in waiting} <= {404, 500}  # there is no such message
    scene.conclude(11, "Pool exhausted: reads hold every connection that is theirs", load)
