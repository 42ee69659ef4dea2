"""A PostgreSQL server that is there to be killed."""

import os
import signal

from ledger.embedded import EmbeddedPostgres
from tests.support.database import execute
from tests.support.processes import children, lives, wait_until


class Server:
    """One server of the test's own."""

    def __init__(self, holder: EmbeddedPostgres) -> None:
        """Start the server on its holder's data."""
        self.holder = holder
        self.url = holder.acquire()

    @property
    def pid(self) -> int:
        """The postmaster's process id."""
        return int((self.holder.cluster / "postmaster.pid").read_text().split()[0])

    def kill(self) -> None:
        """End every process of it at once, as a loss of power does."""
        postmaster = self.pid
        os.kill(postmaster, signal.SIGSTOP)  # so that it starts none meanwhile
        for pid in (*children(postmaster), postmaster):
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not lives(postmaster))

    def kill_a_backend(self) -> None:
        """End one process that serves the ledger; PostgreSQL then restarts all of them by itself."""
        query = "SELECT pid FROM pg_stat_activity WHERE application_name = 'status-ledger' LIMIT 1"
        ((pid,),) = execute(self.url, query)
        os.kill(int(str(pid)), signal.SIGKILL)

    def stop(self) -> None:
        """Stop it as an operator does."""
        postmaster = self.pid
        os.kill(postmaster, signal.SIGINT)
        wait_until(lambda: not lives(postmaster))

    def start(self) -> None:
        """Start it again, and return when it answers."""
        self.holder.acquire()

    def remove(self) -> None:
        """Stop it, and remove its data."""
        self.holder.remove()
