"""Databases that fail: connections lost at the worst moment, commits that succeed with a warning."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from eventstore import prepared
from eventstore.database import Database, LedgerConnection
from tests.support.database import execute


class Breaking(Database):
    """A database whose connections are lost a few times, before the statement or after its commit."""

    def __init__(self, url: str, lose: str, times: int) -> None:
        super().__init__(url, role="ledger_service")
        self.url = url
        self.lose = lose
        self.left = times
        self.mended = 0

    async def mend(self) -> None:
        self.mended += 1
        await super().mend()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[LedgerConnection]:
        async with super().connection() as lent:
            breaks, self.left = self.left > 0, self.left - 1
            if breaks and self.lose == "before":
                self.terminate(lent)
            yield lent
            if breaks and self.lose == "after":
                self.terminate(lent)
                await lent.execute("SELECT 'the answer'")  # which is lost

    def terminate(self, lent: LedgerConnection) -> None:
        assert execute(self.url, f"SELECT pg_terminate_backend({lent.info.backend_pid}, 10000)") == [(True,)]


class BreakingAppends(Breaking):
    """The same of the connections that the appender keeps, whatever statement they run."""

    def __init__(self, url: str, lose: str, times: int, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(url, lose, times)
        self.execute = prepared.run
        monkeypatch.setattr(prepared, "run", self.break_and_execute)

    async def break_and_execute(self, lent: LedgerConnection, *statement: Any) -> list[Any]:
        breaks, self.left = self.left > 0, self.left - 1
        if breaks and self.lose == "before":
            self.terminate(lent)
        rows = await self.execute(lent, *statement)
        if breaks and self.lose == "after":
            self.terminate(lent)
            await lent.execute("SELECT 'the answer'")  # which is lost
        return rows


WARNING = """
    CREATE FUNCTION warn() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE WARNING 'canceling wait for synchronous replication due to user request';
        RETURN NULL;
    END
    $$
"""
"""The function that the triggers run."""


def warning_at_each_statement(table: str) -> str:
    """Return the SQL of a trigger that warns whenever rows are inserted, be they none."""
    return f"CREATE TRIGGER warns AFTER INSERT ON {table} FOR EACH STATEMENT EXECUTE FUNCTION warn()"


def warning_at_the_commit(table: str) -> str:
    """Return the SQL of a trigger that warns when a commit keeps a new row."""
    return (
        f"CREATE CONSTRAINT TRIGGER warns AFTER INSERT ON {table} DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION warn()"
    )
