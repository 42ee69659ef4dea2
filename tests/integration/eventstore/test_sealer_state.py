"""One sealer works at a time, and no other waits for it without end."""

import asyncio

import pytest
from psycopg.errors import LockNotAvailable

from eventstore import sealer_state
from eventstore.database import Database
from eventstore.sealer_state import hold


async def test_who_would_seal_waits_for_another_as_long_as_it_is_patient(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with database.connection() as first, first.transaction():
        await hold(first)
        monkeypatch.setattr(sealer_state, "_PATIENCE", "50ms")
        async with database.connection() as second:
            with pytest.raises(LockNotAvailable):
                async with asyncio.timeout(30), second.transaction():  # or it would wait for ever
                    await hold(second)


async def test_what_bounds_a_seal_ends_with_its_transaction(database: Database) -> None:
    names = ("lock_timeout", "idle_in_transaction_session_timeout", "jit")

    async with database.connection() as connection:

        async def shown() -> list[str]:
            return [(await (await connection.execute(f"SHOW {name}")).fetchall())[0][0] for name in names]

        before = await shown()
        async with connection.transaction():
            await hold(connection)
            assert await shown() == ["1min", "1min", "off"]
        assert await shown() == before
