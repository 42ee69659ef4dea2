"""Runs a prepared statement close to libpq, where every batch passes.

A cursor adapts thirty parameters one by one and prepares for results of any kind. Here they are arrays that
encode themselves, and mostly there is no row to read: 0.38 ms of CPU a batch of 16, of 0.53 ms with a cursor
(both measured in one run, with the encoding).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg import errors, generators
from psycopg.abc import PQGen
from psycopg.adapt import Transformer
from psycopg.pq import ExecStatus, Format
from psycopg.pq.abc import PGconn, PGresult

from eventstore.arrays import Parameter
from eventstore.database import LedgerConnection
from eventstore.statements import Numbered


async def run(
    connection: LedgerConnection, statement: Numbered, parameters: Mapping[str, Parameter]
) -> list[Any]:
    """Run a statement that returns rows, in a transaction of its own, and return them.

    It is prepared once a connection. Raises a `psycopg.Error` as a cursor would.
    """
    arguments = statement.arguments(parameters)
    name = connection.prepared.get(statement)
    if name is None:
        name = f"ledger_{len(connection.prepared)}".encode()
        types = [argument.oid for argument in arguments]
        await connection.wait(_prepare(connection.pgconn, name, statement.text, types))
        connection.prepared[statement] = name
    values = [argument.dump() for argument in arguments]
    try:
        result = await connection.wait(_execute(connection.pgconn, name, values))
    except errors.InvalidSqlStatementName:
        # After a rollback psycopg deallocates every statement of a connection, these too, and tells nobody.
        connection.prepared.clear()
        return await run(connection, statement, parameters)
    if not result.ntuples:
        return []
    reader = Transformer(connection)
    reader.set_pgresult(result)
    return reader.load_rows(0, result.ntuples, tuple)


def _prepare(pgconn: PGconn, name: bytes, text: bytes, types: Sequence[int]) -> PQGen[PGresult]:
    pgconn.send_prepare(name, text, types)
    return (yield from _result(pgconn, ExecStatus.COMMAND_OK))


def _execute(pgconn: PGconn, name: bytes, values: Sequence[bytes]) -> PQGen[PGresult]:
    pgconn.send_query_prepared(name, values, [Format.BINARY] * len(values), Format.BINARY)
    return (yield from _result(pgconn, ExecStatus.TUPLES_OK))


def _result(pgconn: PGconn, wanted: ExecStatus) -> PQGen[PGresult]:
    result: PGresult
    (result,) = yield from generators.execute(pgconn)
    if result.status != wanted:
        raise errors.error_from_result(result)
    return result
