"""Folds whose rows meet no others: those that are only read, and those that fill an empty table.

A fold is `INSERT INTO <table> (<columns>) SELECT … ON CONFLICT … DO UPDATE …`. Its SELECT has each key once,
so into an empty table it would write just what the SELECT gives. Read so, it needs no table, no lock and no
right to write: it can run beside traffic, in a transaction that only reads, on a standby.
"""

import re
from collections.abc import Mapping

from projections.projection import Projection, is_by_message

_FOLD = re.compile(
    r"^INSERT INTO (?P<table>\w+)(?: AS \w+)? \((?P<columns>[^)]+)\)\n"
    r"(?P<rows>SELECT\b.+?)\n"
    r"ON CONFLICT \(.+?"
    r"(?:\nRETURNING (?P<returned>.+?))?\s*\Z",
    re.DOTALL | re.MULTILINE,
)


def reading_folds(one: Projection) -> Mapping[str, str]:
    """Return the projection's views and folds as relations of a SELECT: `read_<table>` has a table's rows.

    What a fold returns to those that come after it stands under its own name, as it does where it writes.
    """
    parts = {}
    for name, text in one.folds().items():
        fold = _FOLD.search(text)
        if fold is None:
            parts[name] = text  # a view, which is a SELECT already
            continue
        parts[f"read_{fold['table']} ({fold['columns']})"] = fold["rows"]
        if fold["returned"] is not None:
            parts[name] = f"SELECT {fold['returned']} FROM read_{fold['table']}"  # noqa: S608 - files of ours
    return parts


def filling_folds(one: Projection) -> Mapping[str, str]:
    """Return its views and folds for empty tables that are filled slice by slice, each of whole messages.

    A table that is by message gets each of its keys once then: nothing is looked up in it, and it needs no
    key. Any other is folded as always.
    """
    by_message = {table.name for table in one.tables if is_by_message(table)}
    parts = {}
    for name, text in one.folds().items():
        fold = _FOLD.search(text)
        if fold is None or fold["table"] not in by_message:
            parts[name] = text
            continue
        parts[name] = f"INSERT INTO {fold['table']} ({fold['columns']})\n{fold['rows']}"
        if fold["returned"] is not None:
            parts[name] += f"\nRETURNING {fold['returned']}"
    return parts
