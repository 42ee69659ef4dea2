"""Folds what the ledger holds once more, by the very statements that fold a callback.

The folds name their tables without a schema. Where the search path begins with another schema that has
tables of those names (a temporary one, a shadow), they fill those, and the live ones are left alone.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Lock
from typing import LiteralString

from psycopg import Connection, sql
from sqlalchemy import Index, MetaData, Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable, SetColumnComment, SetTableComment

from eventstore.statements import statement
from projections.projection import Projection, is_by_message
from projections.reading import filling_folds

SLICE = 40_000
"""Events that one statement folds, about: whole messages, so a message of many events makes a larger one."""

Progress = Callable[[int], None]
"""Is told, after each step, how many events it folded."""

REBUILD_LOCK = 0x57A7_1ED7
"""Key of the advisory lock that a rebuild holds alone, and that checks and migrations share."""

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


def fold_all(
    connection: Connection, projections: Iterable[Projection], progress: Progress, size: int = SLICE
) -> None:
    """Fold every event that the transaction sees, slice by slice of the messages.

    The transaction must be REPEATABLE READ, so that all slices are of one moment.
    """
    _Slices(connection, size).fold(connection, _folding("slice", projections), progress)


def fold_all_by(
    workers: int, connection: Connection, projections: Iterable[Projection], progress: Progress, schema: str
) -> None:
    """Do as `fold_all`, into the empty tables of `schema`, by several connections more.

    They see what `connection` sees, and commit what they write.
    """
    slices, fold = _Slices(connection, SLICE), _folding("slice", projections, filling_folds)
    ((snapshot,),) = connection.execute("SELECT pg_export_snapshot()").fetchall()

    def work() -> None:
        with _another(connection) as own, one_moment(own, keep=True, snapshot=snapshot):
            search_first(own, schema)
            slices.fold(own, fold, progress)

    with ThreadPoolExecutor(workers) as pool:
        for done in [pool.submit(work) for _ in range(workers)]:
            done.result()


class _Slices:
    """Hands out the ledger's slices, each to one taker, until all are taken or one could not be folded."""

    def __init__(self, connection: Connection, size: int) -> None:
        self._connection = connection
        self._size = size
        self._next: str | None = ""
        self._lock = Lock()

    def take(self) -> tuple[str, str | None] | None:
        """Return where the next slice begins (after a message) and ends (with one), if there is one."""
        with self._lock:
            after = self._next
            if after is None:
                return None
            boundary = {"after": after, "size": self._size}
            row = self._connection.execute(statement("projections", "slice_end"), boundary).fetchone()
            self._next = row[0] if row else None
            return after, self._next

    def fold(self, connection: Connection, fold: bytes, progress: Progress) -> None:
        """Fold slices as long as there are any."""
        try:
            while (slice_ := self.take()) is not None:
                after, until = slice_
                ((folded,),) = connection.execute(fold, {"after": after, "until": until}).fetchall()
                progress(folded)
        except BaseException:
            self._next = None
            raise


def _another(connection: Connection) -> Connection:
    """Open a connection like this one."""
    return Connection.connect(connection.info.dsn, password=connection.info.password or None, autocommit=True)


def fold_since(connection: Connection, projections: Iterable[Projection], since: str) -> tuple[int, str]:
    """Fold the events that this transaction sees and the snapshot `since` did not.

    Returns how many there were, and the snapshot that has them all.
    """
    fold = _folding("remainder", projections)
    ((folded, now),) = connection.execute(fold, {"since": since}).fetchall()
    return folded, now


def count_events(connection: Connection) -> int:
    """Return how many events the transaction sees."""
    ((events,),) = connection.execute("SELECT count(*) FROM events").fetchall()
    count: int = events
    return count


def create_empty(connection: Connection, table: Table, schema: str) -> None:
    """Create a table of the same form in another schema (`pg_temp` for a temporary one), without indexes.

    Its primary key is there, for the folds need it.
    """
    twin = table.to_metadata(MetaData(), schema=schema)
    connection.execute(_text(CreateTable(twin)))


def create_to_fill(connection: Connection, table: Table, schema: str) -> None:
    """Do as `create_empty`, for `fold_all_by`: a table that is by message has no key until it is complete.

    Nor is it vacuumed until then, which would take time from the fold, and be in the way of the swap.
    """
    create_empty(connection, table, schema)
    _alter(connection, table, schema, "SET (autovacuum_enabled = false)")
    if is_by_message(table):
        _alter(connection, table, schema, "DROP CONSTRAINT {key}")


def create_indexes_by(workers: int, connection: Connection, tables: Iterable[Table], schema: str) -> None:
    """Give what was created to be filled its indexes, by several connections like this one, an index each."""
    twins = [table.to_metadata(MetaData(), schema=schema) for table in tables]
    indexes = [index for twin in twins for index in sorted(twin.indexes, key=_name)]
    keys = [_unique_index(twin) for twin in twins if is_by_message(twin)]
    # Shared by the workers: to take the next of a list's iterator is one step.
    left = iter([_text(CreateIndex(index)) for index in (*keys, *indexes)])

    def work() -> None:
        with _another(connection) as own:
            own.execute("SET maintenance_work_mem = '256MB'")
            try:
                for command in left:
                    own.execute(command)
            except BaseException:
                for _ in left:  # nobody goes on
                    pass
                raise

    with ThreadPoolExecutor(workers) as pool:
        for done in [pool.submit(work) for _ in range(workers)]:
            done.result()


def _unique_index(table: Table) -> Index:
    """Return an index that can become the table's primary key."""
    return Index(str(table.primary_key.name), *table.primary_key.columns, unique=True)


def _alter(connection: Connection, table: Table, schema: str, how: LiteralString) -> None:
    key = sql.Identifier(str(table.primary_key.name))
    named = sql.SQL("ALTER TABLE {} ").format(sql.Identifier(schema, table.name))
    connection.execute(named + sql.SQL(how).format(key=key))


def complete(connection: Connection, table: Table, schema: str) -> None:
    """Give what was created to be filled, and has its indexes, its key and comments; let it be vacuumed."""
    if is_by_message(table):
        _alter(connection, table, schema, "ADD CONSTRAINT {key} PRIMARY KEY USING INDEX {key}")
    _alter(connection, table, schema, "RESET (autovacuum_enabled)")
    twin = table.to_metadata(MetaData(), schema=schema)
    if twin.comment is not None:
        connection.execute(_text(SetTableComment(twin)))
    for column in twin.columns:
        if column.comment is not None:
            connection.execute(_text(SetColumnComment(column)))


@contextmanager
def one_moment(connection: Connection, *, keep: bool = False, snapshot: str | None = None) -> Iterator[None]:
    """Let all statements see the database at one moment; `keep` what they write, or drop it.

    The moment is now, or that of a `snapshot` that another transaction exported and still holds. The
    connection must be in autocommit mode.
    """
    connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    try:
        if snapshot is not None:
            connection.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(snapshot)))
        connection.execute("SET LOCAL jit = off")
        connection.execute("SET LOCAL work_mem = '128MB'")
        yield
        if keep:
            connection.commit()
    finally:
        if not connection.closed:
            connection.rollback()


def search_first(connection: Connection, schema: str) -> None:
    """Let the folds of this transaction find their tables in `schema`, and all else where it was."""
    ((live,),) = connection.execute("SELECT current_schema()").fetchall()
    connection.execute(
        sql.SQL("SET LOCAL search_path = {}, {}").format(sql.Identifier(schema), sql.Identifier(live))
    )


def _folding(
    source: str,
    projections: Iterable[Projection],
    folds: Callable[[Projection], Mapping[str, str]] = Projection.folds,
) -> bytes:
    texts = {name: text for one in projections for name, text in folds(one).items()}
    parts = "".join(f",\n{name} AS (\n{text}\n)" for name, text in texts.items())
    return statement("projections", source).replace("/* folds */", parts).encode()


def _name(index: Index) -> str:
    return str(index.name)


def _text(element: CreateTable | CreateIndex | SetTableComment | SetColumnComment) -> bytes:
    return str(element.compile(dialect=_DIALECT)).replace("%%", "%").encode()
