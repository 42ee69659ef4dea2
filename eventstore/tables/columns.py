"""What the columns of the ledger's tables are made of."""

from sqlalchemy import DateTime, MetaData, Text
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.types import UserDefinedType

metadata = MetaData()

Key = Text(collation="C")
"""An id, key or status: compared byte by byte."""

Moment = DateTime(timezone=True)


class TransactionId(UserDefinedType[int]):
    """PostgreSQL's 64-bit transaction id."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        """Return the type's name in SQL."""
        return "xid8"


class Snapshot(UserDefinedType[str]):
    """PostgreSQL's word for which transactions are visible."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        """Return the type's name in SQL."""
        return "pg_snapshot"


ischema_names["xid8"] = TransactionId
ischema_names["pg_snapshot"] = Snapshot
