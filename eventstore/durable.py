"""Runs a write to a commit that can be trusted, or says that there was none.

A write may be run again: after a lost connection nobody knows whether it committed, so writes carry their
own ids and do no harm the second time.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import psycopg
from psycopg import AsyncRawCursor, errors
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from eventstore.database import Database, DatabaseUnavailable, LedgerConnection
from eventstore.errors import LedgerError
from eventstore.statements import Numbered

Outcome = TypeVar("Outcome")

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


async def write(database: Database, statement: Numbered, parameters: Mapping[str, Any]) -> list[Any]:
    """Run `statement` as a transaction of its own and return its rows; raises as `committed` does."""
    return await committed(database, lambda connection: execute(connection, statement, parameters))


async def execute(
    connection: LedgerConnection, statement: Numbered, parameters: Mapping[str, Any]
) -> list[Any]:
    """Run `statement` and return its rows."""
    cursor = AsyncRawCursor(connection)
    await cursor.execute(statement.text, statement.arguments(parameters), prepare=True, binary=True)
    return await cursor.fetchall()


async def committed(database: Database, work: Callable[[LedgerConnection], Awaitable[Outcome]]) -> Outcome:
    """Do `work`, which commits, and return its outcome after a commit without a warning.

    Raises one of `ONE_TO_BLAME` and what `work` itself raises as it is, `DatabaseUnavailable` where no commit
    could be had in `ATTEMPTS` attempts, `Unrecorded` where the database refuses for any other reason.
    """
    try:
        async for attempt in AsyncRetrying(
            retry=retry_if_exception(_is_transient),
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_random_exponential(multiplier=0.05, max=1),
            reraise=True,
        ):
            with attempt:
                if attempt.retry_state.attempt_number > 1:
                    await database.mend()
                return await _once(database, work)
    except ONE_TO_BLAME:
        raise
    except (CommitUncertain, psycopg.OperationalError) as error:
        raise DatabaseUnavailable(str(error)) from error
    except psycopg.Error as error:
        raise Unrecorded(str(error)) from error
    raise AssertionError("tenacity either returns or raises")


async def _once(database: Database, work: Callable[[LedgerConnection], Awaitable[Outcome]]) -> Outcome:
    async with database.connection() as connection:
        connection.warnings.clear()
        outcome = await work(connection)
        if connection.warnings:
            raise CommitUncertain("; ".join(connection.warnings))
    return outcome
