"""Writes a composed select as psycopg takes it: SQLAlchemy composes, and psycopg alone asks the database."""

from typing import Any, LiteralString

from sqlalchemy import Select
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

_DIALECT = PGDialect_psycopg()  # type: ignore[no-untyped-call] # SQLAlchemy leaves it so


def composed(select: Select[Any]) -> tuple[LiteralString, dict[str, Any]]:
    """Return the text of a select, with `%(name)s` parameters, and their values.

    Nothing that anybody asks for stands in the text but a client's name, as SQLAlchemy writes it.
    """
    compiled = select.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
    return str(compiled), dict(compiled.params)
