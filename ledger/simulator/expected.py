"""What a service should say after what it was told: the contract's fold (§3) in plain Python. Pure.

It reads neither the database nor the bodies, but the facts that the simulator meant to tell, so that a
service that misreads, misfolds or misreports a callback differs from it.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from ledger.simulator.callbacks import Callback
from projections.lifecycle import CHANNEL, MESSAGE, SUPPLIER, lifecycle_rank, rank

_CHANNEL_FAILURES = ("failed", "permanent_failure", "technical_failure", "temporary_failure", "rejected")

Record = Mapping[str, str | datetime | None]
"""A record of `GET /api/statuses` by the names of its fields, its times read."""


_Fields = dict[str, str | datetime | None]


class View(NamedTuple):
    """One record that a client can ask for."""

    message_id: str
    channel: str | None
    """The channel asked for; None for the message's latest."""


def expected(told: Iterable[Callback]) -> dict[View, Record]:
    """Return every record that there should be, by what was told in whatever order, repeats or none."""
    messages: defaultdict[str, list[Callback]] = defaultdict(list)
    for one in told:
        messages[one.message_id].append(one)
    return {
        View(message_id, channel): record
        for message_id, of_message in messages.items()
        for channel, record in _records(of_message)
    }


def _records(told: Sequence[Callback]) -> Iterable[tuple[str | None, Record]]:
    """Yield the record of one message, by None, and those of its channels, by their names."""
    channels: defaultdict[str, list[Callback]] = defaultdict(list)
    for one in told:
        fact = one.fact
        if fact.channel is not None and (fact.channel_status or fact.supplier_status):
            channels[fact.channel].append(one)
    common: _Fields = {
        "message_reference": max(told, key=_overall).message_reference,
        "messageStatus": _register(told, MESSAGE, lambda one: one.fact.message_status),
    }
    records = {channel: _of_channel(channel, said) | common for channel, said in channels.items()}
    versions = [(_overall(one), channel) for channel, said in channels.items() for one in said]
    latest = records[max(versions)[1]] if versions else _NO_CHANNEL | common
    yield None, latest | _of_message(told)
    yield from records.items()


_NO_CHANNEL: _Fields = {"channel": None, "channelStatus": None, "supplierStatus": None}


def _of_message(told: Sequence[Callback]) -> _Fields:
    return {
        "occurredAt": max(told, key=_overall).fact.at,
        "deliveredAt": _first(told, lambda one: one.fact.message_status == "delivered" or _delivers(one)),
        "readAt": _first(told, _reads),
        "failedAt": _first(told, lambda one: one.fact.message_status == "failed"),
    }


def _of_channel(channel: str, told: Sequence[Callback]) -> _Fields:
    return {
        "channel": channel,
        "channelStatus": _register(told, CHANNEL, lambda one: one.fact.channel_status),
        "supplierStatus": _register(told, SUPPLIER, lambda one: one.fact.supplier_status),
        "occurredAt": max(told, key=_overall).fact.at,
        "deliveredAt": _first(told, _delivers),
        "readAt": _first(told, _reads),
        "failedAt": _first(told, lambda one: one.fact.channel_status in _CHANNEL_FAILURES),
    }


def _overall(one: Callback) -> tuple[datetime, int, bytes]:
    """Return the version that a callback has for the latest event and the latest channel."""
    fact = one.fact
    ranked = lifecycle_rank(fact.message_status, fact.channel_status, fact.supplier_status)
    return fact.at, ranked, one.digest


def _register(
    told: Iterable[Callback], ranks: tuple[str, ...], value: Callable[[Callback], str | None]
) -> str | None:
    """Return the value of the greatest version; a callback that lacks one says nothing."""
    versions = [(one.fact.at, rank(ranks, said), one.digest, said) for one in told if (said := value(one))]
    return max(versions)[3] if versions else None


def _first(told: Iterable[Callback], counts: Callable[[Callback], bool]) -> datetime | None:
    return min((one.fact.at for one in told if counts(one)), default=None)


def _delivers(one: Callback) -> bool:
    return one.fact.channel_status in ("delivered", "read")


def _reads(one: Callback) -> bool:
    return "read" in (one.fact.channel_status, one.fact.supplier_status)
