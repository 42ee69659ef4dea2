"""The issued API keys as this process knows them: read anew every other second, and not at each request.

So a key opens, and a revoked one opens no longer, within `FRESH_FOR` seconds in every process, with no
restart and no message between them. What is older than that is trusted no more: where the database is away,
an issued key opens nothing, and the request, which needs the database too, fails.
"""

import asyncio
import hmac
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from eventstore.caller import Caller, Scope
from eventstore.database import Database
from eventstore.statements import statement
from ledger.key_format import SALT_BYTES, key_id_of, salted_hash

FRESH_FOR = 2.0
"""Seconds for which what was read of the keys may be used."""


class Kept(NamedTuple):
    """What is kept of a key, and whose it is."""

    salt: bytes
    hash: bytes
    caller: Caller


_NOBODYS = Kept(bytes(SALT_BYTES), bytes(32), Caller("", frozenset()))
"""Compared with a key of an unknown id, so that it takes as long as one of a known id."""


async def read_keys(database: Database) -> Mapping[str, Kept]:
    """Return the keys in use by their ids."""
    async with database.connection() as connection:
        cursor = await connection.execute(statement("ledger", "issued_keys"))
        return {
            key_id: Kept(salt, digest, Caller(client_id, _known(scopes), key_id=key_id))
            for key_id, client_id, scopes, salt, digest in await cursor.fetchall()
        }


def _known(scopes: list[str]) -> frozenset[Scope]:
    """Return the scopes that this version of the service knows; another may have issued the key."""
    return frozenset(scope for scope in Scope if scope in scopes)


class IssuedKeys:
    """Tells whose key an issued key is."""

    def __init__(
        self, read: Callable[[], Awaitable[Mapping[str, Kept]]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Take what reads the keys in use, and a clock in seconds."""
        self._read = read
        self._clock = clock
        self._keys: Mapping[str, Kept] = {}
        self._read_at = -math.inf
        self._reading: asyncio.Task[None] | None = None

    async def caller_of(self, key: bytes) -> Caller | None:
        """Return whose key it is, or None; raises what reading the keys raises, where they had to be read."""
        key_id = key_id_of(key)
        if key_id is None:
            return None
        kept = (await self._fresh()).get(key_id, _NOBODYS)
        same = hmac.compare_digest(salted_hash(kept.salt, key), kept.hash)
        return kept.caller if same and kept is not _NOBODYS else None

    async def named(self, key_id: str) -> Caller | None:
        """Return whose key has this id, or None where none in use has; raises as `caller_of` does."""
        kept = (await self._fresh()).get(key_id)
        return kept.caller if kept is not None else None

    async def _fresh(self) -> Mapping[str, Kept]:
        """Return the keys as they were at most `FRESH_FOR` seconds before this call, or later.

        One read is under way at most, and whoever waits shares it, its failure too. One that began too long
        ago, because the database is slow, is followed by another.
        """
        oldest = self._clock() - FRESH_FOR
        while self._read_at < oldest:
            if self._reading is None:
                self._reading = asyncio.create_task(self._read_now())
                self._reading.add_done_callback(self._was_read)
            await asyncio.shield(self._reading)  # a caller that is cancelled leaves it to the others
        return self._keys

    async def _read_now(self) -> None:
        began = self._clock()
        keys = await self._read()
        self._keys, self._read_at = keys, began

    def _was_read(self, reading: "asyncio.Task[None]") -> None:
        self._reading = None
        if not reading.cancelled():
            reading.exception()  # has been told to whoever still waited
