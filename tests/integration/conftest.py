"""A server of the module's own, for tests of what belongs to a whole server: roles, logins, settings."""

import os
import pwd
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from ledger.embedded import EmbeddedPostgres
from tests.support.database import binaries, execute


class OwnServer:
    """A PostgreSQL server that may be upset: `url` is its superuser's."""

    def __init__(self, holder: EmbeddedPostgres, url: str) -> None:
        self.holder = holder
        self.url = url

    def as_login(self, role: str, url: str) -> str:
        """Return the URL of a role that may log in, and wait until the server lets it."""
        own = urlsplit(url)
        theirs = urlunsplit(own._replace(netloc=f"{role}@{own.netloc.rpartition('@')[2]}"))
        line = f'holders "{pwd.getpwuid(os.geteuid()).pw_name}" {role}\n'
        mapping = Path(str(execute(self.url, "SHOW ident_file")[0][0]))
        if line not in mapping.read_text():
            with mapping.open("a") as file:
                file.write(line)
            execute(self.url, "SELECT pg_reload_conf()")
        self._until(theirs, "SELECT true", True)
        return theirs

    def set(self, name: str, value: str) -> None:
        """Change a setting of the server, and wait until new connections have it."""
        execute(self.url, f"ALTER SYSTEM SET {name} = '{value}'", "SELECT pg_reload_conf()")
        if (name,) in execute(self.url, "SELECT name FROM pg_settings WHERE context = 'postmaster'"):
            self.holder.release()
            self.holder.acquire()
        self._until(self.url, f"SHOW {name}", value)

    def _until(self, url: str, question: str, answer: object) -> None:
        deadline = time.monotonic() + 30
        while True:
            try:
                if execute(url, question) == [(answer,)]:
                    return
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
            assert time.monotonic() < deadline, question
            time.sleep(0.02)  # a reload gives no answer


@pytest.fixture(scope="module")
def own_server(
    postgres: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OwnServer]:
    """A server of the version under test, without a role or a database of the ledger's."""
    found = binaries(request.config.getoption("--postgres"))
    holder = EmbeddedPostgres(tmp_path_factory.mktemp("own"), found)
    try:
        yield OwnServer(holder, holder.acquire())
    finally:
        holder.remove()
