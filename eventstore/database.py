"""The one door to PostgreSQL: a pool of psycopg's connections.

Every connection works in UTC and under the role that the service is granted, never as owner. It keeps
the warnings that the server sends, because a commit that "succeeds" with one may not be durable.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, Self, TypeVar

import psycopg
from psycopg import AsyncConnection, sql
from psycopg.abc import PQGen
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from eventstore.arrays import Array, ArrayDumper
from eventstore.errors import LedgerError
from eventstore.statements import Numbered

Url = str | Callable[[], Awaitable[str]]
"""A libpq URL, or what gives one for each new connection, because the password in it expires."""

CONNECT_TIMEOUT = 5
"""Seconds for one attempt to connect; PostgreSQL may be starting."""


class DatabaseUnavailable(LedgerError):
    """The database cannot be reached."""


async def url_now(url: Url) -> str:
    """Return the libpq URL for a connection that is made now; raises what gives it raises."""
    return url if isinstance(url, str) else await url()


Outcome = TypeVar("Outcome")


class LedgerConnection(AsyncConnection[TupleRow]):
    """A connection that remembers the warnings that the server has sent it, and whose errors quote no row."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Start to listen for notices."""
        super().__init__(*args, **kwargs)
        self.warnings: list[str] = []
        self.prepared: dict[Numbered, bytes] = {}
        """The statements that were prepared on it, by their name there; see `eventstore/prepared.py`."""
        self.add_notice_handler(self._note)

    async def wait(self, gen: PQGen[Outcome], *args: Any, **kwargs: Any) -> Outcome:
        """Wait as psycopg does; an error says what is wrong, and leaves out the row that PostgreSQL quotes.

        Errors end in logs, and a row that is refused may hold what is a patient's.
        """
        try:
            return await super().wait(gen, *args, **kwargs)
        except psycopg.Error as error:
            if error.diag.message_primary is not None:  # the server's own; a lost connection tells no more
                error.args = (error.diag.message_primary,)
            raise

    def _note(self, notice: psycopg.errors.Diagnostic) -> None:
        if notice.severity_nonlocalized == "WARNING":
            self.warnings.append(notice.message_primary or "")


class PoolUse(NamedTuple):
    """How a pool is used."""

    used: int
    """Connections that are lent, or being made."""
    idle: int
    limit: int
    """Connections that there may be."""
    waiting: int
    """Who waits for one."""
    timeouts: int
    """Who waited in vain, since the start."""


class Database:
    """A pool of at most `connections` connections to one PostgreSQL database."""

    def __init__(
        self,
        url: Url,
        *,
        role: str | None = None,
        connections: int = 10,
        wait: float = 2.0,
        connected: Callable[[LedgerConnection], None] = lambda _: None,
    ) -> None:
        """Prepare the pool; nothing is connected before `open`.

        `url` is where each connection goes, `role` what it works as, `wait` how many seconds a caller waits
        for a free connection before it is told that there is none. `connected` gets every new connection
        before it is used.
        """
        self._connected = connected
        self._role = role
        self._pool = AsyncConnectionPool(
            url,
            connection_class=LedgerConnection,
            kwargs={
                "autocommit": True,
                "client_encoding": "utf8",  # whatever the environment says: arrays are sent so
                "connect_timeout": CONNECT_TIMEOUT,
                "application_name": "status-ledger",
            },
            configure=self._configure,
            min_size=1,
            max_size=connections,
            timeout=wait,
            reconnect_timeout=CONNECT_TIMEOUT,
            open=False,
        )

    async def _configure(self, connection: LedgerConnection) -> None:
        connection.adapters.register_dumper(Array, ArrayDumper)
        await connection.execute("SET timezone TO 'UTC'")
        # Whatever the server's own setting: an error that quotes its parameters would reach our log too.
        await connection.execute("SET log_parameter_max_length_on_error TO 0")
        # Large bodies are compressed as they are written; by lz4, which not every server has, in less time.
        await connection.execute(
            "SELECT set_config(name, 'lz4', false) FROM pg_settings"
            " WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)"
        )
        if self._role is not None:
            await connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(self._role)))
        self._connected(connection)

    async def open(self) -> None:
        """Connect once, or raise `DatabaseUnavailable`; from then on the pool mends itself."""
        try:
            await self._pool.open(wait=True, timeout=2 * CONNECT_TIMEOUT)
        except psycopg.OperationalError as error:
            await self._pool.close()
            raise DatabaseUnavailable(str(error)) from error

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.close()

    @property
    def use(self) -> PoolUse:
        """How the pool is used now."""
        told = self._pool.get_stats()
        idle = told["pool_available"]
        return PoolUse(
            used=told["pool_size"] - idle,
            idle=idle,
            limit=told["pool_max"],
            waiting=told["requests_waiting"],
            timeouts=told.get("requests_errors", 0),
        )

    async def mend(self) -> None:
        """Test the idle connections and replace the broken ones; for use after a connection was lost."""
        await self._pool.check()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[LedgerConnection]:
        """Lend a connection in autocommit mode; raises `psycopg_pool.PoolTimeout` where none comes free."""
        async with self._pool.connection() as connection:
            yield connection

    async def borrow(self) -> LedgerConnection:
        """Return a connection in autocommit mode, to be given back; raises as `connection` does."""
        return await self._pool.getconn()

    async def give_back(self, connection: LedgerConnection) -> None:
        """Take a borrowed connection back; a broken one is replaced."""
        await self._pool.putconn(connection)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[LedgerConnection]:
        """Lend a connection whose statements all see the database at one moment, and can only read."""
        async with self.connection() as connection:
            await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            try:
                yield connection
            finally:
                if not connection.closed:  # else what closed it would be hidden, a cancellation too
                    await connection.rollback()

    async def __aenter__(self) -> Self:
        """Open."""
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close."""
        await self.close()
