"""What someone with a superuser's rights may do to a projected table, and what a check must say of it."""

from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg.types.string import TextLoader
from sqlalchemy import DateTime, Table

from projections.verify import Difference

Row = dict[str, Any]

ONE = "WHERE message_id = 'fell-back' AND channel = 'sms'"
"""A row of the story in either table; none of its columns is null."""


def edit(connection: psycopg.Connection, table: Table, column: str) -> list[Difference]:
    """Change one column of one row."""
    change = "+ interval '1 microsecond'" if isinstance(table.c[column].type, DateTime) else "|| '0'"
    (due,) = _rows(connection, f"SELECT * FROM {table.name} {ONE}")  # noqa: S608 - our own words
    (now,) = _rows(connection, f"UPDATE {table.name} SET {column} = {column} {change} {ONE} RETURNING *")  # noqa: S608 - our own words
    assert None not in due.values()
    if column in table.primary_key.columns:
        return [_alone(table, "missing", due), _alone(table, "surplus", now)]
    return [Difference(table.name, _key(table, due), "differs", {column: (now[column], due[column])})]


def delete(connection: psycopg.Connection, table: Table) -> list[Difference]:
    """Delete one row."""
    (due,) = _rows(connection, f"DELETE FROM {table.name} {ONE} RETURNING *")  # noqa: S608 - our own words
    return [_alone(table, "missing", due)]


def insert(connection: psycopg.Connection, table: Table) -> list[Difference]:
    """Insert a row of a message that nothing was ever said of."""
    copied = '(jsonb_populate_record(held, jsonb \'{"message_id": "nobody"}\')).*'
    source = f"SELECT {copied} FROM {table.name} AS held {ONE}"  # noqa: S608 - our own words
    (now,) = _rows(connection, f"INSERT INTO {table.name} {source} RETURNING *")
    return [_alone(table, "surplus", now)]


def _rows(connection: psycopg.Connection, statement: str) -> list[Row]:
    with connection.cursor(row_factory=dict_row) as cursor:
        cursor.adapters.register_loader("timestamptz", TextLoader)
        return cursor.execute(statement).fetchall()


def _alone(table: Table, kind: Any, row: Row) -> Difference:
    """Return what a check says of a row that only one side has."""
    stated = {name: value for name, value in row.items() if value is not None}
    return Difference(
        table.name,
        _key(table, row),
        kind,
        {name: (value, None) if kind == "surplus" else (None, value) for name, value in stated.items()},
    )


def _key(table: Table, row: Row) -> Row:
    return {column.name: row[column.name] for column in table.primary_key}
