"""A database that fails when it is told to: connections lost before the work, or after the commit."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Literal

import psycopg
import pytest

from eventstore import prepared
from eventstore.arrays import Parameter
from eventstore.database import Database, LedgerConnection
from eventstore.statements import Numbered
from tests.support.database import execute

Lose = Literal["before", "after"]


class Trouble:
    """When connections are lost; several databases may share it."""

    def __init__(self, url: str) -> None:
        """Begin without any; the URL is of one who may end others' connections."""
        self.url = url
        self._lose: Lose | None = None
        self._spared = 0
        self._times = 0

    def brew(self, lose: Lose, *, times: int = 1, spared: int = 0) -> None:
        """Lose the connection so many times from now on, once so many uses were spared."""
        self._lose, self._times, self._spared = lose, times, spared

    def settle(self) -> None:
        """Lose none any more."""
        self._times = 0

    def due(self) -> Lose | None:
        """Return what becomes of the connection that is about to be used."""
        if self._times == 0:
            return None
        if self._spared:
            self._spared -= 1
            return None
        self._times -= 1
        return self._lose

    def end(self, connection: LedgerConnection) -> None:
        """End a connection as an administrator does, and wait until it is gone."""
        execute(
            self.url,
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"  # noqa: S608 - a number
            f" WHERE pid = {connection.info.backend_pid}",
        )

    def watch_prepared(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Lose connections also where they are kept and not lent: at the statement of the append."""
        run = prepared.run

        async def running(
            connection: LedgerConnection, statement: Numbered, parameters: Mapping[str, Parameter]
        ) -> list[Any]:
            lose = self.due()
            if lose == "before":
                self.end(connection)
            rows = await run(connection, statement, parameters)
            if lose == "after":
                self.end(connection)
                raise psycopg.OperationalError("the answer was lost")
            return rows

        monkeypatch.setattr(prepared, "run", running)


class Frail(Database):
    """A database in trouble."""

    def __init__(self, url: str, role: str, trouble: Trouble) -> None:
        """Take the URL, the role to work as, and the trouble."""
        super().__init__(url, role=role, connections=3)
        self._trouble = trouble

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[LedgerConnection]:
        """Lend a connection that may be lost."""
        async with super().connection() as lent:
            lose = self._trouble.due()
            if lose == "before":
                self._trouble.end(lent)
            yield lent
            if lose == "after":
                self._trouble.end(lent)
                await lent.execute("SELECT 'the answer'")  # which is lost
