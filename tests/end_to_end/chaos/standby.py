"""A primary and its synchronous standby, on this machine, to be parted."""

import os
import pwd
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from psycopg.conninfo import conninfo_to_dict

from ledger.embedded import EmbeddedPostgres
from tests.end_to_end.chaos.server import Server
from tests.support.database import execute
from tests.support.processes import wait_until

STREAMING = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"


class Pair:
    """Two servers with the same database; `primary` commits when `standby` has what it commits."""

    def __init__(self, primary: Server, standby: Server) -> None:
        self.primary = primary
        self.standby = standby

    def url(self, database: str) -> str:
        """Return the URL by which a client finds whichever of the two takes writes."""
        folders = [str(conninfo_to_dict(server.url)["host"]) for server in (self.primary, self.standby)]
        hosts = ",".join(quote(folder, safe="") for folder in folders)
        return (
            f"postgresql://postgres@/{database}?host={hosts}&port=5432,5432"
            "&target_session_attrs=read-write&connect_timeout=3"
        )

    def promote(self) -> None:
        """Make the standby the primary."""
        assert execute(self.standby.url, "SELECT pg_promote(true, 60)") == [(True,)]


@contextmanager
def paired(primary: Server, folder: Path, binaries: Path) -> Iterator[Pair]:
    """Give a server a synchronous standby while the block lasts."""
    hba = Path(str(execute(primary.url, "SHOW hba_file")[0][0]))
    line = "local replication all peer map=holders\n"
    if line not in hba.read_text():
        with hba.open("a") as file:
            file.write(line)
        execute(primary.url, "SELECT pg_reload_conf()")
    holder = EmbeddedPostgres(folder, binaries)
    _copy(primary, holder, binaries)
    standby = Server(holder)
    try:
        execute(
            primary.url,
            "ALTER SYSTEM SET synchronous_standby_names = '*'",
            "SELECT pg_reload_conf()",
        )
        wait_until(lambda: execute(primary.url, STREAMING) == [(1,)])
        yield Pair(primary, standby)
    finally:
        standby.remove()
        primary.start()
        execute(primary.url, "ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()")


def _copy(primary: Server, holder: EmbeddedPostgres, binaries: Path) -> None:
    """Copy a running server's data to where another one looks for it."""
    host = str(conninfo_to_dict(primary.url)["host"])
    cluster = holder.data / "cluster"
    owner = primary.holder.cluster.stat()
    holder.data.mkdir(mode=0o700, parents=True)
    os.chown(holder.data, owner.st_uid, owner.st_gid)
    command = [
        str(binaries / "bin" / "pg_basebackup"),
        *(f"--pgdata={cluster}", f"--host={host}", "--port=5432", "--username=postgres"),
        *("--write-recovery-conf", "--checkpoint=fast", "--wal-method=stream", "--no-sync"),
    ]
    user = pwd.getpwuid(owner.st_uid).pw_name if os.geteuid() == 0 else None
    done = subprocess.run(command, user=user, cwd="/", capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stderr
