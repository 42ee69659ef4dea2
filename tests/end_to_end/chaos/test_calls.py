"""Every call of an append to PostgreSQL fails, before it is made and after, one at a time, in process."""

from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from eventstore.appender import Appender
from eventstore.database import Database, DatabaseUnavailable, LedgerConnection
from projections.projection import kept_in_step
from tests.end_to_end.chaos.report import Row, today
from tests.end_to_end.chaos.scene import RESULTS
from tests.support.database import execute
from tests.support.events import deliver, event

WHOLE = LedgerConnection.wait


class Calls:
    """Counts the calls of all connections, and loses the connection of one of them."""

    def __init__(self, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made = 0
        self.lose: tuple[int, str] | None = None
        self._url = url
        calls = self

        async def wait(connection: LedgerConnection, *words: Any, **more: Any) -> Any:
            number, calls.made = calls.made, calls.made + 1
            if calls.lose == (number, "before"):
                calls.cut(connection)
            done: Awaitable[Any] = await WHOLE(connection, *words, **more)
            if calls.lose == (number, "after"):
                calls.cut(connection)
                raise psycopg.OperationalError("the connection is lost, and the answer with it")
            return done

        monkeypatch.setattr(LedgerConnection, "wait", wait)

    def cut(self, connection: LedgerConnection) -> None:
        self.lose = None
        backend = connection.info.backend_pid
        assert execute(self._url, f"SELECT pg_terminate_backend({backend}, 10000)") == [(True,)]


async def appended(url: str, number: int) -> bool:
    """Append as a process does that has just come up; tell whether it was said to be kept."""
    async with Database(url, role="ledger_service", connections=3) as database:
        appender = Appender(database, kept_in_step())
        appender.open()
        try:
            await appender.append(
                deliver(event(f"m-{number}", key=f"key-{number}", message_status="sending"), number=number)
            )
        except DatabaseUnavailable:
            return False
        finally:
            await appender.close()
    return True


async def test_every_call_of_an_append_fails_before_and_after(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = Calls(database_url, monkeypatch)
    assert await appended(database_url, 0)
    each = calls.made
    assert each > 3
    outcomes: list[bool] = []
    for number in range(each):
        for moment in ("before", "after"):
            calls.made, calls.lose = 0, (number, moment)
            place = len(outcomes) + 1
            outcomes.append(await appended(database_url, place))
            calls.lose = None
            if not outcomes[-1]:
                assert await appended(database_url, place), "the supplier sends it again"
    told = [(f"key-{number}",) for number in range(len(outcomes) + 1)]
    assert sorted(execute(database_url, "SELECT idempotency_key FROM events")) == sorted(told)
    assert execute(database_url, "SELECT count(*) FROM entries") == [(len(told),)]
    if RESULTS:
        sent, again = len(outcomes) * 2 - sum(outcomes), len(outcomes) - sum(outcomes)
        fault = "Every call of an append fails, before and after, one at a time"
        Row(21, fault, sent, 0, len(outcomes), 0, again, 0, f"{again} of {again}", "", today()).write(
            Path(RESULTS)
        )
