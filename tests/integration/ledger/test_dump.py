"""A logical dump restored into a new cluster goes on: the same log and feed, nothing lost, nothing twice."""

import os
import pwd
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from eventstore.database import Database
from eventstore.sealing import Sealing
from ledger.embedded import EmbeddedPostgres
from ledger.migration import migrate
from ledger.preflight import SERVICE_ROLE
from query.feed import feed
from tests.support.database import at, binaries, execute
from tests.support.sealing import entries, leaves, seals_in, write


@pytest.fixture
def new_cluster(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a cluster of its own, whose roles are there."""
    holder = EmbeddedPostgres(tmp_path / "new", binaries(request.config.getoption("--postgres")))
    try:
        url = holder.acquire()
        execute(url, "CREATE DATABASE for_roles", "CREATE DATABASE restored")
        migrate(at(url, "for_roles"))
        yield at(url, "restored")
    finally:
        holder.remove()


def run(program: Path | str, *arguments: str) -> None:
    """Run a program of PostgreSQL, as the server's user where we are root."""
    user = "postgres" if os.geteuid() == 0 and "postgres" in {one.pw_name for one in pwd.getpwall()} else None
    command = [str(program), *arguments]
    done = subprocess.run(command, user=user, cwd="/", capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stderr


def copy(tools: Path, old: str, new: str) -> None:
    """Dump a database and restore it into another."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)  # the server's user writes into it
        file = f"{folder}/ledger.dump"
        run(tools / "pg_dump", "--format=custom", f"--file={file}", old)
        run(tools / "pg_restore", "--exit-on-error", f"--dbname={new}", file)


@pytest.mark.slow
async def test_a_dump_restored_into_a_new_cluster_goes_on(
    database_url: str, new_cluster: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    tools = Path(binaries(request.config.getoption("--postgres"))) / "bin"
    seals = seals_in(tmp_path / "anchors")
    with psycopg.connect(database_url) as connection:
        # Transaction ids that a new cluster has yet to give: there, they mean nothing.
        for _ in range(50):
            write(connection)
            connection.commit()
    async with Database(database_url, role=SERVICE_ROLE, connections=1) as database:
        await Sealing(database, seals).once(now=True)
        first = await feed(database, None, 1000)
    with psycopg.connect(database_url) as connection:
        write(connection, 3)  # dumped before they are sealed

    copy(tools, database_url, new_cluster)
    assert leaves(new_cluster) == leaves(database_url)
    async with Database(new_cluster, role=SERVICE_ROLE, connections=1) as database:
        sealing = Sealing(database, seals)
        assert await sealing.once(now=True) == 3
        for _ in range(60):
            with psycopg.connect(new_cluster) as connection:
                write(connection)
            assert await sealing.once() == 1
        await sealing.once(now=True)
        second = await feed(database, first.cursor, 1000)
    assert [one.index for one in second.entries] == list(range(50, 113))
    assert set(leaves(new_cluster)) == entries(new_cluster)
