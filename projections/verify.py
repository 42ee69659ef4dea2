"""Holds the read model against the ledger: folds all of it again at one moment, and compares row by row.

The listing is compared too, with what the folded messages and the registrations come to.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

from psycopg import Connection, sql
from psycopg.rows import tuple_row
from psycopg.types.string import TextLoader
from sqlalchemy import Table

from eventstore.errors import LedgerError
from eventstore.statements import statement
from projections.projection import Projection
from projections.refold import (
    REBUILD_LOCK,
    Progress,
    count_events,
    create_empty,
    fold_all,
    one_moment,
    search_first,
)
from projections.tables import listed_messages, message_status


class RebuildRunning(LedgerError):
    """A rebuild is running, or a check or migration that one would disturb: try again when it is over."""


class Difference(NamedTuple):
    """A row that is not what the ledger says."""

    table: str
    key: Mapping[str, Any]
    """The primary key of the row."""
    kind: Literal["missing", "surplus", "differs"]
    """`missing`: the ledger gives it, the table lacks it; `surplus`: the table alone has it."""
    columns: Mapping[str, tuple[Any, Any]]
    """Where it differs: what the table says and what the ledger says, by column; times as text."""


def verify(
    connection: Connection,
    projections: Iterable[Projection],
    *,
    begun: Progress = lambda _: None,
    progress: Progress = lambda _: None,
) -> Iterator[Difference]:
    """Yield every row of the projections that differs from the fold of the ledger, at one moment.

    Callbacks may arrive meanwhile: all is read in one REPEATABLE READ transaction. `begun` is told how many
    events there are, `progress` how many more were folded. The server keeps the folded tables as temporary
    ones, on disk as they grow; nothing grows here. Raises `RebuildRunning`.
    """
    projections = tuple(projections)
    with _excluding_rebuilds(connection), one_moment(connection):
        begun(count_events(connection))
        live = _current_schema(connection)
        for table in _tables(projections):
            create_empty(connection, table, "pg_temp")
        search_first(connection, "pg_temp")
        fold_all(connection, projections, progress)
        tables = [*_tables(projections)]
        if message_status in tables:
            _list_what_is_due(connection)
            tables.append(listed_messages)
        for table in tables:
            yield from differences(connection, table, live=live, folded="pg_temp")


def _list_what_is_due(connection: Connection) -> None:
    """Make a temporary listing, from the folded messages: the one that a message's newest event gives."""
    due = statement("projections", "listing_due").encode()
    connection.execute(b"CREATE TEMPORARY TABLE listed_due AS\n" + due)
    connection.execute("ALTER TABLE listed_due RENAME TO listed_messages")


def differences(connection: Connection, table: Table, *, live: str, folded: str) -> Iterator[Difference]:
    """Yield how a live table differs from its folded twin in another schema, in the order of the key."""
    key = [column.name for column in table.primary_key.columns]
    columns = [column.name for column in table.columns]
    query = sql.SQL(
        "SELECT live.{first} IS NOT NULL, folded.{first} IS NOT NULL, {live_columns}, {folded_columns}"
        " FROM {live} AS live FULL JOIN {folded} AS folded USING ({key})"
        " WHERE ROW({live_columns}) IS DISTINCT FROM ROW({folded_columns})"
        " ORDER BY {order}"
    ).format(
        first=sql.Identifier(key[0]),
        live_columns=_of("live", columns),
        folded_columns=_of("folded", columns),
        live=sql.Identifier(live, table.name),
        folded=sql.Identifier(folded, table.name),
        key=sql.SQL(", ").join(map(sql.Identifier, key)),
        order=sql.SQL(", ").join(
            sql.SQL("coalesce({}, {})").format(sql.Identifier("live", name), sql.Identifier("folded", name))
            for name in key
        ),
    )
    with connection.cursor(f"differences_{table.name}", row_factory=tuple_row) as cursor:
        cursor.adapters.register_loader("timestamptz", TextLoader)  # who edits a row may write `infinity`
        for there, folds, *values in cursor.execute(query):
            told = dict(zip(columns, values[: len(columns)], strict=True))
            due = dict(zip(columns, values[len(columns) :], strict=True))
            yield Difference(
                table.name,
                {name: (told if there else due)[name] for name in key},
                "differs" if there and folds else "surplus" if there else "missing",
                {name: (told[name], due[name]) for name in columns if told[name] != due[name]},
            )


@contextmanager
def _excluding_rebuilds(connection: Connection) -> Iterator[None]:
    query = "SELECT pg_try_advisory_lock_shared(%s)"
    ((free,),) = connection.execute(query, [REBUILD_LOCK]).fetchall()
    if not free:
        raise RebuildRunning
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute("SELECT pg_advisory_unlock_shared(%s)", [REBUILD_LOCK])


def _current_schema(connection: Connection) -> str:
    ((schema,),) = connection.execute("SELECT current_schema()").fetchall()
    name: str = schema
    return name


def _tables(projections: Iterable[Projection]) -> Iterator[Table]:
    for one in projections:
        yield from one.tables


def _of(relation: str, columns: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(relation, column) for column in columns)
