"""Has the test's server vacuum a table by itself, so slowly that whoever is in its way notices."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from tests.support.appending import connected

PATIENCE = 60.0
"""Seconds in which the server begins."""

SLOWEST = {
    "autovacuum_vacuum_insert_threshold": 0,
    "autovacuum_vacuum_insert_scale_factor": 0,
    "autovacuum_vacuum_cost_delay": 100,
    "autovacuum_vacuum_cost_limit": 1,
}
"""A table's settings with which it is vacuumed at once, and that takes a second for each few pages."""


@contextmanager
def autovacuum_in(owner: psycopg.Connection, url: str, table: str) -> Iterator[None]:
    """Let the server vacuum a table, very slowly; the block begins when it has begun."""
    told = ", ".join(f"{name} = {value}" for name, value in SLOWEST.items())
    owner.execute(f"ALTER TABLE {table} SET ({told})")
    with connected(url) as superuser:
        superuser.execute("ALTER SYSTEM SET autovacuum_naptime = 1")
        superuser.execute("SELECT pg_reload_conf()")
        try:
            running = "SELECT FROM pg_stat_progress_vacuum"
            running += " WHERE datname = current_database() AND relid = %s::regclass"
            deadline = time.monotonic() + PATIENCE
            while not superuser.execute(running, [table]).rowcount:
                assert time.monotonic() < deadline, "no vacuum begins"
                time.sleep(0.05)  # PostgreSQL tells nobody that a vacuum begins
            yield
        finally:
            superuser.execute("ALTER SYSTEM RESET autovacuum_naptime")
            superuser.execute("SELECT pg_reload_conf()")
