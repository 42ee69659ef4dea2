"""Folds what the ledger holds once more, by the very statements that fold a callback.

The folds name their tables without a schema. Where the search path begins with another schema that has
tables of those names (a temporary one, a shadow), they fill those, and the live ones are left alone.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from psycopg import Connection, sql
from sqlalchemy import MetaData, Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable, SetColumnComment, SetTableComment

from eventstore.statements import statement
from projections.projection import Projection, folds

SLICE = 100_000
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
    fold = _folding("slice", projections)
    boundary = statement("projections", "slice_end")
    after: str | None = ""
    while after is not None:
        row = connection.execute(boundary, {"after": after, "size": size}).fetchone()
        until = row[0] if row else None
        ((folded,),) = connection.execute(fold, {"after": after, "until": until}).fetchall()
        progress(folded)
        after = until


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


def create_indexes_and_comments(connection: Connection, table: Table, schema: str) -> None:
    """Give the table in that schema what `create_empty` left out."""
    twin = table.to_metadata(MetaData(), schema=schema)
    for index in sorted(twin.indexes, key=lambda index: str(index.name)):
        connection.execute(_text(CreateIndex(index)))
    if twin.comment is not None:
        connection.execute(_text(SetTableComment(twin)))
    for column in twin.columns:
        if column.comment is not None:
            connection.execute(_text(SetColumnComment(column)))


@contextmanager
def one_moment(connection: Connection, *, keep: bool = False) -> Iterator[None]:
    """Let all statements see the database at one moment; `keep` what they write, or drop it.

    The connection must be in autocommit mode.
    """
    connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    try:
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


def _folding(source: str, projections: Iterable[Projection]) -> bytes:
    parts = "".join(f",\n{name} AS (\n{text}\n)" for name, text in folds(projections).items())
    return statement("projections", source).replace("/* folds */", parts).encode()


def _text(element: CreateTable | CreateIndex | SetTableComment | SetColumnComment) -> bytes:
    return str(element.compile(dialect=_DIALECT)).replace("%%", "%").encode()
