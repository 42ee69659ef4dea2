"""Makes projected tables anew from the ledger, beside live traffic, and puts them in place of the old ones.

1. A shadow of each table, in a schema of its own, takes the fold of the whole ledger at one moment.
2. What was appended since is folded into it, again and again, until little is left.
3. Writers are held for a moment: the rest is folded, and the shadow takes the table's place in one commit.

Until that commit clients read the old tables, and from then on the new ones; neither is ever empty or behind.
The listing, which follows from the tables, is emptied in that commit and filled again by the service; until
then its reads do without it.
What a crash leaves is cleared away by the next rebuild.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg import Connection, errors, sql
from sqlalchemy import Table
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from eventstore.errors import LedgerError
from eventstore.statements import statement
from projections.listing import LISTING_LOCK
from projections.projection import Projection
from projections.refold import (
    REBUILD_LOCK,
    Progress,
    complete,
    count_events,
    create_indexes_by,
    create_to_fill,
    fold_all_by,
    fold_since,
    one_moment,
    search_first,
)
from projections.tables import listed_messages, listing, message_status
from projections.verify import Difference, RebuildRunning, differences

SHADOW = "ledger_shadow"
"""The schema where the new tables grow."""

REPLACED = "ledger_replaced"
"""The schema where the old tables wait to be dropped."""

WORKERS = 2
"""Connections that fold at the same time: 106,000 to 112,000 events a second on two cores, 81,000 with 1."""

LITTLE = 500
"""Events left to fold with which the writers may be held: some milliseconds' work."""

ROUNDS = 20
"""How often what was appended meanwhile is folded before the writers are held all the same."""

LOCK_TIMEOUT = "50ms"
"""How long a lock is waited for that holds off callbacks or reads: whoever comes later waits behind us."""

MAINTENANCE_TIMEOUT = "30s"
"""How long a vacuum is waited for: longer than `deadlock_timeout`, after which PostgreSQL cancels its own."""

PATIENCE = 600.0
"""Seconds in which the locks are tried for, again and again."""


class TableBusy(LedgerError):
    """A table cannot be locked: something reads or writes it for very long."""


class TableInUse(LedgerError):
    """Something hangs on a table and would be lost with it: drop it, and make it again afterwards."""


def rebuild(
    connection: Connection,
    projection: Projection,
    *,
    begun: Progress = lambda _: None,
    progress: Progress = lambda _: None,
) -> int:
    """Rebuild the tables of a projection; return how many events were folded.

    `connection` is in autocommit mode and works as the owner of the schema. `begun` is told how many events
    there are, `progress` how many more were folded. Raises `RebuildRunning`, `TableInUse` where a view or the
    like would be lost, and `TableBusy` where the tables could not be put in place; the old ones are then as
    they were.
    """
    with _alone(connection), _nobody_listing(connection, projection), _shadow(connection) as live:
        _lose_nothing(connection, projection, live)
        events, since = _fold_into_shadow(connection, projection, begun, progress)
        folded, since = _catch_up(connection, projection, since, progress)
        if _lists(projection):
            connection.execute(statement("projections", "unlist"))
        return events + folded + _put_in_place(connection, projection, since, live)


def check(
    connection: Connection,
    projection: Projection,
    *,
    begun: Progress = lambda _: None,
    progress: Progress = lambda _: None,
) -> Iterator[Difference]:
    """Rebuild the tables of a projection, yield every row of the old ones that differs, and leave these.

    See `rebuild`. At the end all is read at one moment, in the order of the keys.
    """
    with _alone(connection), _shadow(connection) as live:
        _, since = _fold_into_shadow(connection, projection, begun, progress)
        _, since = _catch_up(connection, projection, since, progress)
        yield from _compare(connection, projection, since, live)


@contextmanager
def _alone(connection: Connection) -> Iterator[None]:
    ((free,),) = connection.execute("SELECT pg_try_advisory_lock(%s)", [REBUILD_LOCK]).fetchall()
    if not free:
        raise RebuildRunning
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute("SELECT pg_advisory_unlock(%s)", [REBUILD_LOCK])


def _lists(projection: Projection) -> bool:
    """Return whether the listing follows from these tables."""
    return message_status in projection.tables


@contextmanager
def _nobody_listing(connection: Connection, projection: Projection) -> Iterator[None]:
    """Wait for who lists a batch, and hold off who would list the next."""
    if not _lists(projection):
        yield
        return
    connection.execute("SELECT pg_advisory_lock(%s)", [LISTING_LOCK])
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute("SELECT pg_advisory_unlock(%s)", [LISTING_LOCK])


@contextmanager
def _shadow(connection: Connection) -> Iterator[str]:
    """Make the schema of the shadows, and clear it away at the end; give the name of the live one."""
    live = _live_schema(connection)
    _clear(connection)
    try:
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(SHADOW)))
        yield live
    finally:
        _clear(connection)


def _lose_nothing(connection: Connection, projection: Projection, live: str) -> None:
    for table in projection.tables:
        known = [index.name for index in table.indexes] + [rule.name for rule in table.constraints]
        names = {"live": live, "name": table.name, "known": known}
        hanging = connection.execute(statement("projections", "dependents"), names).fetchall()
        if hanging:
            raise TableInUse(", ".join(what for (what,) in hanging))


def _live_schema(connection: Connection) -> str:
    ((schema,),) = connection.execute("SELECT current_schema()").fetchall()
    name: str = schema
    return name


def _clear(connection: Connection) -> None:
    """Drop what this rebuild or a crashed one left, table by table.

    Who waited while a table was replaced holds the old one for a moment more, and then wants the next: to
    drop both at once would be a deadlock.
    """
    if connection.closed:
        return
    for schema in (SHADOW, REPLACED):
        tables = "SELECT tablename FROM pg_tables WHERE schemaname = %s ORDER BY 1"
        for (table,) in connection.execute(tables, [schema]).fetchall():
            connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(schema, table)))
        connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {}").format(sql.Identifier(schema)))


def _fold_into_shadow(
    connection: Connection, projection: Projection, begun: Progress, progress: Progress
) -> tuple[int, str]:
    """Fold the ledger as it is at one moment; return the events folded, and the snapshot of that moment."""
    live = _live_schema(connection)
    for table in projection.tables:
        create_to_fill(connection, table, SHADOW)
    with one_moment(connection):
        ((since,),) = connection.execute("SELECT pg_current_snapshot()::text").fetchall()
        events = count_events(connection)
        begun(events)
        fold_all_by(WORKERS, connection, (projection,), progress, SHADOW)
    create_indexes_by(WORKERS, connection, projection.tables, SHADOW)
    with connection.transaction():
        for table in projection.tables:
            complete(connection, table, SHADOW)
            _give_belongings(connection, table, live)
            connection.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(SHADOW, table.name)))
    return events, since


def _give_belongings(connection: Connection, table: Table, live: str) -> None:
    """Give the shadow of a table the owner, the storage parameters and the grants of the live one."""
    names = {"live": live, "shadow": SHADOW, "name": table.name}
    for (command,) in connection.execute(statement("projections", "belongings"), names).fetchall():
        connection.execute(command)


def _catch_up(
    connection: Connection, projection: Projection, since: str, progress: Progress
) -> tuple[int, str]:
    """Fold what was appended meanwhile, until little is left; return the events and the new snapshot."""
    total = 0
    for _ in range(ROUNDS):
        with connection.transaction():
            search_first(connection, SHADOW)
            folded, since = fold_since(connection, (projection,), since)
        progress(folded)
        total += folded
        if folded <= LITTLE:
            break
    return total, since


def _compare(connection: Connection, projection: Projection, since: str, live: str) -> Iterator[Difference]:
    with one_moment(connection):
        search_first(connection, SHADOW)
        fold_since(connection, (projection,), since)
        for table in projection.tables:
            yield from differences(connection, table, live=live, folded=SHADOW)


def _put_in_place(connection: Connection, projection: Projection, since: str, live: str) -> int:
    """Hold the writers, fold the rest, and let the shadow take the place of the tables, in one commit."""
    caught_up = 0
    for attempt in Retrying(
        retry=retry_if_exception_type((errors.LockNotAvailable, errors.DeadlockDetected)),
        stop=stop_after_delay(PATIENCE),
        wait=wait_random_exponential(multiplier=0.05, max=2),
        retry_error_callback=_busy,
    ):
        with attempt:
            folded, since = _catch_up(connection, projection, since, lambda _: None)
            caught_up += folded
            with connection.transaction():
                return caught_up + _swap(connection, projection, since, live)
    raise AssertionError("tenacity either returns or raises")


def _busy(_: object) -> None:
    raise TableBusy


def _swap(connection: Connection, projection: Projection, since: str, live: str) -> int:
    """Fold the rest and put the shadow in place, in this transaction; return how many events that were.

    A vacuum of one of these tables may take minutes. Its lock is asked for first, behind which no callback
    and no read waits, so that we may wait as well, until PostgreSQL cancels an autovacuum for us.
    """
    names = [(schema, table.name) for table in projection.tables for schema in (live, SHADOW)]
    names += [(live, listed_messages.name)] if _lists(projection) else []
    vacuumed = sql.SQL(", ").join(sql.Identifier(*name) for name in names)
    tables = sql.SQL(", ").join(sql.Identifier(live, table.name) for table in projection.tables)
    timeout = sql.SQL("SET LOCAL lock_timeout = {}")
    connection.execute(timeout.format(sql.Literal(MAINTENANCE_TIMEOUT)))
    connection.execute(sql.SQL("LOCK TABLE {} IN SHARE UPDATE EXCLUSIVE MODE").format(vacuumed))
    search_first(connection, SHADOW)
    folded, since = fold_since(connection, (projection,), since)
    connection.execute(timeout.format(sql.Literal(LOCK_TIMEOUT)))
    connection.execute(sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(tables))  # the writers
    rest, _ = fold_since(connection, (projection,), since)
    if _lists(projection):  # first, as who reads a page of it
        connection.execute(sql.SQL("TRUNCATE {}").format(sql.Identifier(live, listed_messages.name)))
        connection.execute(
            sql.SQL("UPDATE {} SET begun_at = coalesce(begun_at, now())").format(
                sql.Identifier(live, listing.name)
            )
        )
    connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(tables))  # the readers
    connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(REPLACED)))
    for table in projection.tables:
        for source, target in ((live, REPLACED), (SHADOW, live)):
            connection.execute(
                sql.SQL("ALTER TABLE {} SET SCHEMA {}").format(
                    sql.Identifier(source, table.name), sql.Identifier(target)
                )
            )
    return folded + rest
