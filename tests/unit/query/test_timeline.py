"""A timeline is a function of the set of what was told, and its registers are the contract's fold."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from eventstore.events import Event
from eventstore.identifiers import time_ordered_uuid
from query.timeline import Change, Step, Told, timeline
from tests.support.events import EVENTS, RECEIVED, event
from tests.support.plain_fold import fold

SECOND = timedelta(seconds=1)


def told(
    one: Event, *, kind: str = "event", recorded_at: datetime = RECEIVED, number: int = 0, item: int = 0
) -> Told:
    """Return an event as the ledger tells of it; `number` tells entries apart."""
    facts = {name: value for name, value in one._asdict().items() if name in Told._fields}
    return Told(
        **facts
        | {
            "kind": kind,
            "entry_id": time_ordered_uuid(recorded_at, number.to_bytes(10, "big")),
            "item": item,
            "received_at": recorded_at - timedelta(milliseconds=5),
            "recorded_at": recorded_at,
            "replays": None,
        }
    )


RECORDED = st.integers(0, 3).map(lambda seconds: RECEIVED + seconds * SECOND)
"""Few times, so that events of one commit are common."""


@st.composite
def tellings(draw: st.DrawFn) -> tuple[list[Event], list[Told]]:
    """The events of one message, and what the ledger tells of them: each once, some repeated."""
    of_one_message = EVENTS.filter(lambda one: one.message_id == "message-1")
    events = draw(
        st.lists(of_one_message, min_size=1, max_size=7, unique_by=lambda e: (e.idempotency_key, e.digest))
    )
    lines = [
        told(one, recorded_at=draw(RECORDED), number=number, item=draw(st.integers(0, 2)))
        for number, one in enumerate(events)
    ]
    for number, one in enumerate(draw(st.lists(st.sampled_from(events), max_size=4)), len(events)):
        lines.append(told(one, kind="repeat", recorded_at=draw(RECORDED), number=number))
    return events, lines


def says(step: Step, register: str) -> Any:
    """Return what a step's event says of a register."""
    if register == "messageStatus":
        return step.told.message_status
    if register == "channel":
        return step.told.channel
    channel, _, name = register.partition(".")
    assert channel == step.told.channel
    return {"channelStatus": step.told.channel_status, "supplierStatus": step.told.supplier_status}[name]


def registers_of(events: Sequence[Event]) -> dict[str, str]:
    """Return the registers' values by the plain fold, under the names that a timeline gives them."""
    messages, channels = fold(events)
    registers: dict[str, str | None] = {}
    for row in messages.values():
        registers |= {"messageStatus": row["message_status"], "channel": row["channel"]}
    for (_, channel), row in channels.items():
        registers[f"{channel}.channelStatus"] = row["channel_status"]
        registers[f"{channel}.supplierStatus"] = row["supplier_status"]
    return {name: value for name, value in registers.items() if value is not None}


@given(tellings(), st.data())
def test_any_order_of_telling_gives_the_same_steps(
    telling: tuple[list[Event], list[Told]], data: st.DataObject
) -> None:
    _, lines = telling
    assert timeline(data.draw(st.permutations(lines))) == timeline(lines)


@given(tellings())
def test_every_line_is_one_step_and_steps_stand_by_effective_time(
    telling: tuple[list[Event], list[Told]],
) -> None:
    steps = timeline(telling[1])
    assert sorted(step.told.entry_id for step in steps) == sorted(one.entry_id for one in telling[1])
    times = [step.told.effective_at for step in steps]
    assert times == sorted(times)


@given(tellings())
def test_the_registers_held_are_those_of_the_plain_fold(telling: tuple[list[Event], list[Told]]) -> None:
    events, lines = telling
    held = [(name, says(step, name)) for step in timeline(lines) for name in step.holds]
    assert len(held) == len(dict(held))
    assert dict(held) == registers_of(events)


@given(tellings())
def test_the_changes_followed_one_after_the_other_lead_to_the_registers_held(
    telling: tuple[list[Event], list[Told]],
) -> None:
    events, lines = telling
    values: dict[str, str] = {}
    for step in timeline(lines):
        for name, change in step.changed.items():
            assert change.before == values.get(name)
            assert change.after == says(step, name) != change.before
            values[name] = change.after
    assert values == registers_of(events)


@given(tellings())
def test_repeats_stand_after_their_event_in_the_order_of_their_recording_and_bear_no_mark(
    telling: tuple[list[Event], list[Told]],
) -> None:
    before: Told | None = None
    for step in timeline(telling[1]):
        now = step.told
        if now.kind == "repeat":
            assert before is not None
            assert (before.idempotency_key, before.digest) == (now.idempotency_key, now.digest)
            assert before.kind == "event" or before.recorded_at <= now.recorded_at
            assert step == Step(now)
        before = now


@given(tellings())
def test_an_event_is_late_if_one_that_stands_after_it_was_recorded_before_it(
    telling: tuple[list[Event], list[Told]],
) -> None:
    steps = [step for step in timeline(telling[1]) if step.told.kind == "event"]
    for place, step in enumerate(steps):
        assert step.late == any(
            later.told.recorded_at < step.told.recorded_at for later in steps[place + 1 :]
        )


@given(tellings())
def test_events_conflict_if_one_of_their_key_has_other_content(
    telling: tuple[list[Event], list[Told]],
) -> None:
    events, lines = telling
    for step in timeline(lines):
        if step.told.kind == "event":
            assert step.conflict == any(
                other.idempotency_key == step.told.idempotency_key
                and other.content_hash != step.told.content_hash
                for other in events
            )


def test_nothing_told_is_no_step() -> None:
    assert timeline([]) == []


SENDING = event(key="1", channel="sms", message_status="sending", channel_status="sending")
DELIVERED = event(
    key="2",
    occurred_at=RECEIVED + SECOND,
    channel="sms",
    message_status="delivered",
    channel_status="delivered",
    supplier_status="delivered",
)


def test_a_step_says_what_it_changed_and_what_it_still_holds() -> None:
    sending, delivered = timeline([told(SENDING), told(DELIVERED, number=1)])
    assert sending.changed == {
        "messageStatus": Change(None, "sending"),
        "channel": Change(None, "sms"),
        "sms.channelStatus": Change(None, "sending"),
    }
    assert sending.holds == []
    assert delivered.changed == {
        "messageStatus": Change("sending", "delivered"),
        "sms.channelStatus": Change("sending", "delivered"),
        "sms.supplierStatus": Change(None, "delivered"),
    }
    assert sorted(delivered.holds) == ["channel", "messageStatus", "sms.channelStatus", "sms.supplierStatus"]


def test_a_status_said_again_later_changes_nothing_but_is_held_by_the_later_event() -> None:
    again = event(key="3", occurred_at=RECEIVED + 2 * SECOND, channel="sms", channel_status="delivered")
    *_, delivered, repeated = timeline([told(DELIVERED), told(again, number=1)])
    assert repeated.changed == {}
    assert sorted(repeated.holds) == ["channel", "sms.channelStatus"]
    assert sorted(delivered.holds) == ["messageStatus", "sms.supplierStatus"]


def test_channel_facts_without_a_channel_are_of_no_register() -> None:
    (step,) = timeline([told(event(channel_status="sending", supplier_status="sent"))])
    assert (step.changed, step.holds) == ({}, [])


def test_a_channel_without_a_status_of_its_own_is_not_the_latest_channel() -> None:
    (step,) = timeline([told(event(channel="sms", message_status="sending"))])
    assert step.holds == ["messageStatus"]


def test_at_one_time_the_later_stage_of_the_life_stands_last_and_holds() -> None:
    at_once = DELIVERED._replace(effective_at=SENDING.effective_at)
    first, last = timeline([told(at_once), told(SENDING, number=1)])
    assert (first.told.message_status, last.told.message_status) == ("sending", "delivered")
    assert "messageStatus" in last.holds


def test_an_event_recorded_after_one_of_later_effect_is_late() -> None:
    sending, delivered = timeline([told(SENDING, recorded_at=RECEIVED + SECOND), told(DELIVERED)])
    assert (sending.late, delivered.late) == (True, False)


def test_events_of_one_commit_are_not_late_among_themselves() -> None:
    assert not any(step.late for step in timeline([told(DELIVERED), told(SENDING, item=1)]))


def test_a_late_repeat_does_not_make_its_event_late() -> None:
    repeat = told(SENDING, kind="repeat", recorded_at=RECEIVED + 9 * SECOND, number=2)
    steps = timeline([repeat, told(DELIVERED, recorded_at=RECEIVED + SECOND), told(SENDING)])
    assert [step.told.kind for step in steps] == ["event", "repeat", "event"]
    assert not any(step.late for step in steps)


def test_one_key_with_another_timestamp_alone_is_no_conflict() -> None:
    again = event(
        key="1",
        occurred_at=RECEIVED + SECOND,
        channel="sms",
        message_status="sending",
        channel_status="sending",
    )
    assert not any(step.conflict for step in timeline([told(SENDING), told(again, number=1)]))


def test_one_key_with_other_content_is_a_conflict_of_both_and_of_no_other() -> None:
    other = event(key="1", occurred_at=RECEIVED + SECOND, channel="sms", channel_status="failed")
    steps = timeline([told(SENDING), told(other, number=1), told(DELIVERED, number=2)])
    assert {step.told.channel_status: step.conflict for step in steps} == {
        "sending": True,
        "failed": True,
        "delivered": False,
    }
