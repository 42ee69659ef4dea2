"""What the simulator expects is the contract's fold, in whatever order and however often things were told."""

from collections.abc import Iterable
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from eventstore.events import Event
from ingest.callbacks import read
from ledger.simulator.callbacks import Callback
from ledger.simulator.expected import Record, View, expected
from ledger.simulator.lifecycles import Fact
from ledger.simulator.plan import UNTIL, plan
from tests.support.events import EVENTS
from tests.support.plain_fold import fold


def as_told(event: Event) -> Callback:
    fact = Fact(
        event.effective_at,
        event.message_status,
        event.channel,
        event.channel_status,
        event.supplier_status,
    )
    return Callback(event.message_id, event.message_reference, fact, event.digest, b"")


def by_the_plain_fold(events: Iterable[Event]) -> dict[View, Record]:
    """The records that follow from the tables of the plain fold."""
    messages, channels = fold(events)
    records = {}
    for message_id, row in messages.items():
        on_channel = channels.get((message_id, row["channel"]), {})
        records[View(message_id, None)] = record(row, on_channel, row, row["channel"])
    for (message_id, channel), row in channels.items():
        records[View(message_id, channel)] = record(messages[message_id], row, row, channel)
    return records


def record(
    message: dict[str, Any], on_channel: dict[str, Any], facts: dict[str, Any], channel: str | None
) -> Record:
    return {
        "message_reference": message["message_reference"],
        "messageStatus": message["message_status"],
        "channel": channel,
        "channelStatus": on_channel.get("channel_status"),
        "supplierStatus": on_channel.get("supplier_status"),
        "occurredAt": facts["occurred_at"],
        "deliveredAt": facts["delivered_at"],
        "readAt": facts["read_at"],
        "failedAt": facts["failed_at"],
    }


@given(events=st.lists(EVENTS, max_size=12))
def test_what_is_expected_is_the_plain_fold(events: list[Event]) -> None:
    assert expected(map(as_told, events)) == by_the_plain_fold(events)


@given(events=st.lists(EVENTS, max_size=8), data=st.data())
def test_neither_order_nor_repetition_changes_it(events: list[Event], data: st.DataObject) -> None:
    again = data.draw(st.lists(st.sampled_from(events), max_size=4)) if events else []
    order = data.draw(st.permutations([*events, *again]))
    assert expected(map(as_told, order)) == expected(map(as_told, events))


@given(seed=st.integers(0, 2**32), chance=st.randoms(use_true_random=True))
def test_of_a_plan_it_is_the_plain_fold_of_what_the_service_reads(seed: int, chance: Random) -> None:
    planned = plan(2, seed, duplicates=0.5, shuffle=1)
    events = [event for one in planned.deliveries for event in read(one.body, UNTIL, max_items=1)]
    chance.shuffle(events)
    assert expected(planned.deliveries) == by_the_plain_fold(events)
