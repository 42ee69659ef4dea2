"""Services that differ: broken ones, which a fault must show to be broken; a wrong clock; a next version.

A variant changes the product's modules in place, before they are used; see `variants/sitecustomize.py`.
"""

import asyncio
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any


def wrong_clock() -> None:
    """Let the service's clock go wrong by `CLOCK_OFF_BY` seconds."""
    from eventstore import checkpoints, sealer  # noqa: F401, PLC0415 - only a broken service imports them here
    from ingest import recorder  # noqa: PLC0415

    off = timedelta(seconds=float(os.environ["CLOCK_OFF_BY"]))
    recorder.utc_now = lambda: datetime.now(UTC) + off


def acknowledge_before_the_commit() -> None:
    """Answer 200 as soon as a callback waits to be written."""
    from eventstore.appender import Appender, Recorded  # noqa: PLC0415

    offer = Appender.offer

    def hasty(self: Appender, delivery: Any, waiter: Any) -> None:
        loop = asyncio.get_running_loop()
        offer(self, delivery, loop.create_future())
        loop.call_soon(waiter.set_result, Recorded(len(delivery.events), 0, 0))

    Appender.offer = hasty  # type: ignore[method-assign]


def duplicates_without_an_entry() -> None:
    """Write no entry where all events of a callback are there: nothing to commit, nothing to wait for."""
    from eventstore import appender  # noqa: PLC0415

    whole = appender.append_statement

    def thrifty(folds: Mapping[str, str]) -> str:
        text = whole(folds)
        changes = (
            (
                "    FROM offered\n    LEFT JOIN",
                f"    FROM (SELECT * FROM offered WHERE {_NEWS}) AS offered\n    LEFT JOIN",  # noqa: S608 - our own words
            ),
            ("WHERE pg_logical_emit_message(true, 'status-ledger', entry_id::text) IS NOT NULL", ""),
        )
        for old, new in changes:
            if text.count(old) != 1:
                raise AssertionError(f"append.sql has changed: {old}")
            text = text.replace(old, new)
        return text

    appender.append_statement = thrifty


_NEWS = """EXISTS (
        SELECT FROM unnest(%(event_entry_id)b::uuid[], %(idempotency_key)b::text[], %(digest)b::bytea[])
            AS said (said_by, idempotency_key, digest)
        WHERE said_by = offered.entry_id AND NOT EXISTS (
            SELECT FROM events
            WHERE events.idempotency_key = said.idempotency_key AND events.digest = said.digest
        )
    )"""


def sealer_without_fencing() -> None:
    """Let two sealers work at once: no lock, and whoever comes last is believed."""
    from eventstore import checkpoints, sealer, sealer_state, sealing  # noqa: PLC0415

    change = sealer_state.change

    async def whatever(connection: Any, state: Any, **changes: Any) -> None:
        await change(
            connection, state._replace(version=(await sealer_state.read_state(connection)).version), **changes
        )

    for module in (checkpoints, sealer, sealing):
        module.hold = sealer_state.read_state  # type: ignore[attr-defined]
        module.change = whatever  # type: ignore[attr-defined]


def next_version() -> None:
    """Know one status more, as a next version of the parser may."""
    from ingest import vocabulary  # noqa: PLC0415

    vocabulary.CHANNEL_STATUSES = (*vocabulary.CHANNEL_STATUSES, "bounced")  # type: ignore[assignment]


VARIANTS: Mapping[str, Callable[[], None]] = {
    "clock": wrong_clock,
    "next": next_version,
    "hasty": acknowledge_before_the_commit,
    "thrifty": duplicates_without_an_entry,
    "unfenced": sealer_without_fencing,
}
