"""The projections that exist: each a name and the tables that its folds keep."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Table

from eventstore.statements import statement
from projections import tables


@dataclass(frozen=True, slots=True)
class Projection:
    """A part of the read model. Table by table, `sql/<table>.sql` folds `delivered` into it."""

    name: str
    tables: tuple[Table, ...]

    def folds(self) -> Mapping[str, str]:
        """Return the fold of each table by the name it has within a larger statement."""
        return {f"fold_{table.name}": statement("projections", table.name) for table in self.tables}


CURRENT_STATUS = Projection("current_status", (tables.channel_status, tables.message_status))

PROJECTIONS = (CURRENT_STATUS,)
"""All of them, in the one order in which their rows are locked."""


def folds() -> Mapping[str, str]:
    """Return every fold of every projection, for the statement that appends."""
    return {name: sql for projection in PROJECTIONS for name, sql in projection.folds().items()}
