"""Runs the migrations: one transaction each, one migrator at a time, never waiting long for a lock.

Alembic calls this for `alembic upgrade head` and its other commands, and so does
`status-ledger migrate`. The database is the one that the settings name; where they name none, it is
the embedded one. A caller that already has a connection hands it over in
`config.attributes["connection"]`.
"""

import asyncio
from contextlib import ExitStack

import psycopg
from alembic import context
from sqlalchemy import Connection, NullPool, create_engine, text

from eventstore.database import url_now
from ledger.database_url import database_url
from ledger.metadata import METADATA
from ledger.settings import DatabaseSettings
from projections.refold import REBUILD_LOCK

LOCK_TIMEOUT = "5s"
"""A migration that cannot have its lock gives up: waiting longer would queue every append behind it."""

MIGRATION_LOCK = 0x57A7_1ED6
"""Key of the advisory lock that lets one migrator at a time work on a database."""


def migrate(connection: Connection) -> None:
    """Run what Alembic was asked for on `connection`."""
    connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": MIGRATION_LOCK})
    # A rebuild would put a table of the old form in the place of one that was altered meanwhile.
    connection.execute(text("SELECT pg_advisory_lock_shared(:key)"), {"key": REBUILD_LOCK})
    connection.execute(text("SELECT set_config('lock_timeout', :limit, false)"), {"limit": LOCK_TIMEOUT})
    connection.commit()
    try:
        context.configure(
            connection=connection,
            target_metadata=METADATA,
            transaction_per_migration=True,
            compare_server_default=True,
        )
        with context.begin_transaction():
            context.run_migrations()
    finally:
        connection.rollback()
        connection.execute(text("SELECT pg_advisory_unlock_shared(:key)"), {"key": REBUILD_LOCK})
        connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": MIGRATION_LOCK})
        connection.commit()


def online() -> None:
    """Migrate the caller's connection, or one opened for this run."""
    given: Connection | None = context.config.attributes.get("connection")
    if given is not None:
        migrate(given)
        return

    with ExitStack() as stack:
        url = stack.enter_context(database_url(DatabaseSettings.load(), migrating=True))
        engine = create_engine(
            "postgresql+psycopg://",
            creator=lambda: psycopg.connect(asyncio.run(url_now(url))),
            poolclass=NullPool,
        )
        migrate(stack.enter_context(engine.connect()))


def offline() -> None:
    """Print the SQL (`alembic upgrade head --sql`)."""
    context.configure(
        dialect_name="postgresql",
        target_metadata=METADATA,
        transaction_per_migration=True,
        literal_binds=True,
        dialect_opts={"paramstyle": "named"},  # psycopg's own would print every percent sign twice
    )
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    offline()
else:
    online()
