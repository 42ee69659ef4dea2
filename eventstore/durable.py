"""Runs one writing statement to a commit that can be trusted, or says that there was none.

A write may be run again: after a lost connection nobody knows whether it committed, so statements carry
their own ids and do no harm the second time.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import psycopg
from psycopg import AsyncRawCursor, errors
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from eventstore import prepared
from eventstore.arrays import Parameter
from eventstore.database import Database, DatabaseUnavailable, LedgerConnection
from eventstore.errors import LedgerError
from eventstore.statements import Numbered

ATTEMPTS = 3

ONE_TO_BLAME = (psycopg.DataError, psycopg.IntegrityError, errors.ProgramLimitExceeded)
"""Errors that a single item of a batch may be to blame for."""


class CommitUncertain(LedgerError):
    """The server committed with a warning, so the commit may not be safe."""


class Unrecorded(LedgerError):
    """The database refuses to record this request."""


_TRANSIENT = (
    CommitUncertain,
    errors.AdminShutdown,
    errors.CannotConnectNow,
    errors.ConnectionTimeout,
    errors.CrashShutdown,
    errors.DeadlockDetected,
    errors.LockNotAvailable,
    errors.QueryCanceled,
    errors.SerializationFailure,
)


def _is_transient(error: BaseException) -> bool:
    """Return whether the same write may succeed when it is run again.

    A lost connection has no SQLSTATE, and so no class of its own in psycopg.
    """
    return isinstance(error, _TRANSIENT) or type(error) is psycopg.OperationalError


Outcome = TypeVar("Outcome")


async def write(database: Database, statement: Numbered, parameters: Mapping[str, Parameter]) -> list[Any]:
    """Run `statement` as a transaction of its own and return its rows, after a commit without a warning.

    Raises one of `ONE_TO_BLAME` as it is, `DatabaseUnavailable` where no commit could be had in
    `ATTEMPTS` attempts, `Unrecorded` where the database refuses for any other reason.
    """

    async def once() -> list[Any]:
        async with database.connection() as connection:
            return await _without_warning(connection, prepared.run(connection, statement, parameters))

    return await _durably(database, once)


async def committed(database: Database, work: Callable[[LedgerConnection], Awaitable[Outcome]]) -> Outcome:
    """Do `work`, which commits, and return its outcome after a commit without a warning.

    `work` may be called again, as a statement may be run again. Raises as `write` does, and what `work`
    raises.
    """

    async def once() -> Outcome:
        async with database.connection() as connection:
            return await _without_warning(connection, work(connection))

    return await _durably(database, once)


async def transact(database: Database, work: Callable[[LedgerConnection], Awaitable[Outcome]]) -> Outcome:
    """Run all that `work` does with its connection as one transaction, and return what it returns.

    `work` may be called again, as a statement may be run again. Raises as `write` does, and what `work`
    raises.
    """

    async def whole(connection: LedgerConnection) -> Outcome:
        async with connection.transaction():
            done = await work(connection)
            # As in append.sql: a run that finds its rows there already must wait for them like any other.
            await connection.execute("SELECT pg_logical_emit_message(true, 'status-ledger', 'transaction')")
            return done

    return await committed(database, whole)


async def run(connection: LedgerConnection, statement: Numbered, parameters: Mapping[str, Any]) -> list[Any]:
    """Run `statement`, prepared once a connection, and return its rows; `Array` parameters in binary."""
    cursor = AsyncRawCursor(connection)
    await cursor.execute(statement.text, statement.arguments(parameters), prepare=True, binary=True)
    return await cursor.fetchall() if cursor.description else []


class Writer:
    """Does as `write`, again and again, on connections that it keeps.

    To borrow a connection for every batch would cost 0.25 ms of CPU, as much as sixteen rows.
    """

    def __init__(self, database: Database, statement: Numbered) -> None:
        """Take the statement; nothing is borrowed before the first write."""
        self._database = database
        self._statement = statement
        self._kept: list[LedgerConnection] = []

    async def write(self, parameters: Mapping[str, Parameter]) -> list[Any]:
        """Run the statement; several writes at once have a connection each. See `write`."""

        async def once() -> list[Any]:
            connection = self._kept.pop() if self._kept else await self._database.borrow()
            try:
                rows = await _without_warning(
                    connection, prepared.run(connection, self._statement, parameters)
                )
            except BaseException:
                await self._database.give_back(connection)  # the pool replaces it where it is broken
                raise
            self._kept.append(connection)
            return rows

        return await _durably(self._database, once)

    async def close(self) -> None:
        """Give the connections back."""
        while self._kept:
            await self._database.give_back(self._kept.pop())


async def _durably(database: Database, once: Callable[[], Awaitable[Outcome]]) -> Outcome:
    try:
        try:
            return await once()  # apart from the retries, which cost as much as borrowing a connection does
        except (CommitUncertain, psycopg.Error) as failed:
            return await _again(database, once, failed)
    except ONE_TO_BLAME:
        raise
    except (CommitUncertain, psycopg.OperationalError) as error:
        raise DatabaseUnavailable(str(error)) from error
    except psycopg.Error as error:
        raise Unrecorded(str(error)) from error


async def _again(database: Database, once: Callable[[], Awaitable[Outcome]], failed: Exception) -> Outcome:
    """Run what failed again, while that may help; `failed` counts as the first attempt."""
    async for attempt in AsyncRetrying(
        retry=retry_if_exception(_is_transient),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_random_exponential(multiplier=0.05, max=1),
        reraise=True,
    ):
        with attempt:
            if attempt.retry_state.attempt_number == 1:
                raise failed
            await database.mend()
            return await once()
    raise AssertionError("tenacity either returns or raises")


async def _without_warning(connection: LedgerConnection, running: Awaitable[Outcome]) -> Outcome:
    connection.warnings.clear()
    done = await running
    if connection.warnings:
        raise CommitUncertain("; ".join(connection.warnings))
    return done
