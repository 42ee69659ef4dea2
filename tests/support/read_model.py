"""Reads both tables of the read model, as they can be held against another fold."""

from typing import Any

import psycopg
from psycopg.rows import dict_row

Rows = dict[Any, dict[str, Any]]

ReadModel = tuple[Rows, Rows]
"""The rows of message_status by message, and of channel_status by (message, channel)."""


def read_model(connection: psycopg.Connection) -> ReadModel:
    """Return both tables, without their times of recording, which are the database's."""
    with connection.cursor(row_factory=dict_row) as cursor:
        messages = cursor.execute("SELECT * FROM message_status").fetchall()
        channels = cursor.execute("SELECT * FROM channel_status").fetchall()
    for row in messages + channels:
        del row["recorded_at"]
    return (
        {row.pop("message_id"): row for row in messages},
        {(row.pop("message_id"), row.pop("channel")): row for row in channels},
    )


def without_versions(rows: Rows) -> Rows:
    """Return the rows as a plain fold has them."""
    return {
        key: {name: value for name, value in row.items() if not name.endswith("_version")}
        for key, row in rows.items()
    }
