"""Folds events into rows that are only read: the text of the folds, but for the table that they write to.

A fold is `INSERT INTO <table> (<columns>) SELECT … ON CONFLICT … DO UPDATE …`. Its SELECT has each key once,
so into an empty table it would write just what the SELECT gives. Read so, it needs no table, no lock and no
right to write: it can run beside traffic, in a transaction that only reads, on a standby.
"""

import re
from collections.abc import Mapping

from projections.projection import Projection

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
