"""The projections that exist: each a name, the tables that it keeps, and the folds that keep them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Table

from eventstore.errors import LedgerError
from eventstore.statements import statement
from projections import tables


class UnknownProjection(LedgerError):
    """There is no such projection."""


@dataclass(frozen=True, slots=True)
class Projection:
    """A part of the read model. Table by table, `sql/<table>.sql` of `package` folds `delivered` into it."""

    name: str
    tables: tuple[Table, ...]
    views: tuple[str, ...] = ()
    """Relations over `delivered` that its folds share: `sql/<view>.sql`."""
    package: str = "projections"

    def folds(self) -> Mapping[str, str]:
        """Return its views and the fold of each table by the names they have within a larger statement."""
        views = {view: statement(self.package, view) for view in self.views}
        return views | {f"fold_{table.name}": statement(self.package, table.name) for table in self.tables}


CURRENT_STATUS = Projection("current_status", (tables.channel_status, tables.message_status), ("judged",))

PROJECTIONS = (CURRENT_STATUS,)
"""All of them, in the one order in which their rows are locked."""

LISTING = "listed_messages"
"""What an append writes last, from `message_status` and registrations: see `projections/listing.py`."""


def is_by_message(table: Table) -> bool:
    """Return whether each row of a projected table tells of one message."""
    return "message_id" in table.primary_key.columns


def projection(name: str) -> Projection:
    """Return the projection of that name; raises `UnknownProjection`."""
    for one in PROJECTIONS:
        if one.name == name:
            return one
    raise UnknownProjection(f"{name!r}; there is {', '.join(one.name for one in PROJECTIONS)}")


def folds(projections: Iterable[Projection] = PROJECTIONS) -> Mapping[str, str]:
    """Return every fold of the projections, for a statement that has a relation `delivered`."""
    return {name: sql for one in projections for name, sql in one.folds().items()}


def kept_in_step() -> Mapping[str, str]:
    """Return what an append carries: every fold, and the listing of what they wrote."""
    return {**folds(), LISTING: statement("projections", LISTING)}
