"""All tables of the product in one place: what `alembic check` holds against the migrated schema."""

import eventstore.tables
import ledger.tables
import projections.tables

METADATA = (eventstore.tables.metadata, projections.tables.metadata, ledger.tables.metadata)
