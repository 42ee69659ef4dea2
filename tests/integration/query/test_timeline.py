"""A timeline is a function of the events that satisfy the cut, and its status is the contract's fold."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from query.cuts import Cut, Question
from query.history import History, place_of
from query.timeline import Change, Step
from tests.support.database import cloned
from tests.support.events import EVENTS, RECEIVED, TIMES, event
from tests.support.history import Telling, history, write
from tests.support.plain_fold import fold
from tests.support.plain_history import MESSAGE, events_of, registers_of, satisfying, says

SECOND = timedelta(seconds=1)
SHARED = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    max_examples=settings().max_examples // 5,  # each writes a ledger and asks three questions of it
)

RECORDED = st.integers(0, 3).map(lambda seconds: RECEIVED + seconds * SECOND)
"""Few times, so that events of one commit are common."""

ALL = Cut()
CUTS = st.builds(Cut, st.none() | RECORDED, st.none() | TIMES, st.none())


@pytest.fixture(scope="module")
def migrated(postgres: str) -> Iterator[str]:
    with cloned(postgres) as url:
        yield url


@pytest.fixture
def connection(migrated: str) -> Iterator[psycopg.Connection]:
    """A connection of the owner's; what it writes is undone."""
    with psycopg.connect(migrated, options="-c timezone=UTC") as opened:
        yield opened
        opened.rollback()


@st.composite
def tellings(draw: st.DrawFn) -> list[Telling]:
    """A message's events and another's, each told once and some again, with times of recording."""
    events = draw(
        st.lists(EVENTS, min_size=1, max_size=8, unique_by=lambda one: (one.idempotency_key, one.digest))
    )
    lines = [
        Telling(one, draw(RECORDED), number, draw(st.integers(0, 2))) for number, one in enumerate(events)
    ]
    for number, one in enumerate(draw(st.lists(st.sampled_from(events), max_size=4)), len(events)):
        lines.append(Telling(one, draw(RECORDED), number, kind="repeat"))
    return lines


def at(connection: psycopg.Connection, lines: Sequence[Telling], cut: Cut = ALL) -> History:
    """Return the history of the message at a cut of a ledger that holds these lines and nothing else."""
    connection.rollback()
    write(connection, lines)
    message = lines[0].event.message_id if lines and lines[0].event.message_id == "message" else MESSAGE
    return history(connection, Question(message, cut))


def events_in(steps: Sequence[Step]) -> list[Step]:
    return [step for step in steps if step.told.kind == "event"]


# The status of a cut


@SHARED
@given(tellings(), CUTS)
def test_the_status_of_a_cut_is_the_plain_fold_of_the_events_that_satisfy_it(
    connection: psycopg.Connection, lines: list[Telling], cut: Cut
) -> None:
    found = at(connection, lines, cut)
    messages, channels = fold(events_of(satisfying(lines, cut)))
    assert (found.record is None) == (messages == {})
    if found.record is not None:
        latest = events_in(found.steps)[-1].told
        assert found.record.pop("created_at") == latest.recorded_at
        assert found.record == {"message_id": MESSAGE, **messages[MESSAGE]}
    for one in found.channels:
        row = channels[MESSAGE, one["channel"]]
        assert {name: one[name] for name in row} == row
    assert [one["channel"] for one in found.channels] == sorted(channel for _, channel in channels)


@SHARED
@given(tellings(), CUTS)
def test_the_registers_held_at_a_cut_are_those_of_the_plain_fold(
    connection: psycopg.Connection, lines: list[Telling], cut: Cut
) -> None:
    held = [(name, says(step, name)) for step in at(connection, lines, cut).steps for name in step.holds]
    assert len(held) == len(dict(held))
    assert dict(held) == registers_of(events_of(satisfying(lines, cut)))


@SHARED
@given(tellings(), CUTS)
def test_the_lines_are_those_that_satisfy_the_cut_and_no_others(
    connection: psycopg.Connection, lines: list[Telling], cut: Cut
) -> None:
    told = [step.told for step in at(connection, lines, cut).steps]
    assert sorted((one.kind, one.entry_id, one.item, one.digest) for one in told) == sorted(
        (one.kind, one.entry_id, one.item, one.event.digest) for one in satisfying(lines, cut)
    )
    times = [one.effective_at for one in told]
    assert times == sorted(times)


@SHARED
@given(tellings(), CUTS)
def test_the_changes_by_effective_time_lead_to_the_registers_held(
    connection: psycopg.Connection, lines: list[Telling], cut: Cut
) -> None:
    values: dict[str, str] = {}
    for step in at(connection, lines, cut).steps:
        for name, change in step.changed.items():
            assert change.before == values.get(name)
            assert change.after == says(step, name) != change.before
            values[name] = change.after
    assert values == registers_of(events_of(satisfying(lines, cut)))


@SHARED
@given(tellings())
def test_the_changes_in_the_order_of_recording_are_what_the_record_went_through(
    connection: psycopg.Connection, lines: list[Telling]
) -> None:
    steps = events_in(at(connection, lines).steps)
    steps.sort(key=lambda step: (step.told.recorded_at, step.told.place))
    values: dict[str, str] = {}
    for number, step in enumerate(steps, 1):
        for name, change in step.changed_when_recorded.items():
            assert change.before == values.get(name)
            assert change.after == says(step, name) != change.before
            values[name] = change.after
        recorded_at = step.told.recorded_at
        if number == len(steps) or steps[number].told.recorded_at != recorded_at:
            assert values == registers_of(events_of(satisfying(lines, Cut(known_at=recorded_at))))


@SHARED
@given(tellings(), CUTS, st.data())
def test_any_order_of_writing_gives_the_same_history(
    connection: psycopg.Connection, lines: list[Telling], cut: Cut, data: st.DataObject
) -> None:
    assert at(connection, data.draw(st.permutations(lines)), cut) == at(connection, lines, cut)


@SHARED
@given(tellings(), CUTS, st.integers(1, 5))
def test_pages_of_any_size_are_the_whole_cut_in_pieces(
    connection: psycopg.Connection, lines: list[Telling], cut: Cut, size: int
) -> None:
    whole = at(connection, lines, cut)
    paged: list[Step] = []
    question = Question(MESSAGE, cut, size)
    while True:
        page = history(connection, question)
        paged += page.steps
        assert page.record == whole.record
        if not page.more:
            break
        assert len(page.steps) == size
        question = question._replace(after=place_of(page.steps[-1]))
    assert paged == whole.steps


# Marks


@SHARED
@given(tellings())
def test_repeats_stand_after_their_event_in_the_order_of_their_recording_and_bear_no_mark(
    connection: psycopg.Connection, lines: list[Telling]
) -> None:
    before: Step | None = None
    for step in at(connection, lines).steps:
        now = step.told
        if now.kind == "repeat":
            assert before is not None
            assert (before.told.idempotency_key, before.told.digest) == (now.idempotency_key, now.digest)
            assert before.told.kind == "event" or before.told.recorded_at <= now.recorded_at
            assert (step.changed, step.changed_when_recorded, step.holds) == ({}, {}, [])
            assert (now.late, now.conflict, now.restated) == (False, False, False)
        before = step


@SHARED
@given(tellings(), CUTS)
def test_an_event_is_late_if_one_that_stands_after_it_was_recorded_before_it(
    connection: psycopg.Connection, lines: list[Telling], cut: Cut
) -> None:
    told = [step.told for step in events_in(at(connection, lines, cut).steps)]
    for place, one in enumerate(told):
        assert one.late == any(later.recorded_at < one.recorded_at for later in told[place + 1 :])


@SHARED
@given(tellings(), CUTS)
def test_events_conflict_or_restate_if_one_of_their_key_differs_in_more_or_in_time_alone(
    connection: psycopg.Connection, lines: list[Telling], cut: Cut
) -> None:
    events = events_of(satisfying(lines, cut))
    contents = {one.digest: one.content_hash for one in events}
    for told in (step.told for step in events_in(at(connection, lines, cut).steps)):
        assert told.digest is not None
        others = [
            one.content_hash
            for one in events
            if one.idempotency_key == told.idempotency_key and one.digest != told.digest
        ]
        assert told.conflict == any(content != contents[told.digest] for content in others)
        assert told.restated == any(content == contents[told.digest] for content in others)


# By example


def steps_of(connection: psycopg.Connection, *lines: Telling) -> list[Step]:
    return at(connection, lines).steps


SENDING = event(key="1", channel="sms", message_status="sending", channel_status="sending")
DELIVERED = event(
    key="2",
    occurred_at=RECEIVED + SECOND,
    channel="sms",
    message_status="delivered",
    channel_status="delivered",
    supplier_status="delivered",
)


def test_nothing_told_is_no_step_and_no_record(connection: psycopg.Connection) -> None:
    assert at(connection, []) == History(None, [], [], False)


def test_a_step_says_what_it_changed_and_what_it_still_holds(connection: psycopg.Connection) -> None:
    sending, delivered = steps_of(connection, Telling(SENDING), Telling(DELIVERED, number=1))
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


def test_what_came_late_changed_nothing_of_the_record_and_still_tells_its_part(
    connection: psycopg.Connection,
) -> None:
    late, delivered = steps_of(connection, Telling(SENDING, RECEIVED + SECOND), Telling(DELIVERED, RECEIVED))
    assert late.told.late
    assert (set(late.changed), late.changed_when_recorded) == (
        {"messageStatus", "channel", "sms.channelStatus"},
        {},
    )
    assert delivered.changed_when_recorded["messageStatus"] == Change(None, "delivered")


def test_a_status_said_again_later_changes_nothing_but_is_held_by_the_later_event(
    connection: psycopg.Connection,
) -> None:
    again = event(key="3", occurred_at=RECEIVED + 2 * SECOND, channel="sms", channel_status="delivered")
    delivered, repeated = steps_of(connection, Telling(DELIVERED), Telling(again, number=1))
    assert repeated.changed == {}
    assert sorted(repeated.holds) == ["channel", "sms.channelStatus"]
    assert sorted(delivered.holds) == ["messageStatus", "sms.supplierStatus"]


def test_channel_facts_without_a_channel_are_of_no_register(connection: psycopg.Connection) -> None:
    (step,) = steps_of(connection, Telling(event(channel_status="sending", supplier_status="sent")))
    assert (step.changed, step.changed_when_recorded, step.holds) == ({}, {}, [])


def test_a_channel_without_a_status_of_its_own_is_not_the_latest_channel(
    connection: psycopg.Connection,
) -> None:
    (step,) = steps_of(connection, Telling(event(channel="sms", message_status="sending")))
    assert step.holds == ["messageStatus"]


def test_at_one_time_the_later_stage_of_the_life_stands_last_and_holds(
    connection: psycopg.Connection,
) -> None:
    at_once = DELIVERED._replace(effective_at=SENDING.effective_at)
    first, last = steps_of(connection, Telling(at_once), Telling(SENDING, number=1))
    assert (first.told.message_status, last.told.message_status) == ("sending", "delivered")
    assert "messageStatus" in last.holds


def test_an_event_recorded_after_one_of_later_effect_is_late(connection: psycopg.Connection) -> None:
    sending, delivered = steps_of(connection, Telling(SENDING, RECEIVED + SECOND), Telling(DELIVERED))
    assert (sending.told.late, delivered.told.late) == (True, False)


def test_events_of_one_commit_are_not_late_among_themselves(connection: psycopg.Connection) -> None:
    assert not any(
        step.told.late for step in steps_of(connection, Telling(DELIVERED), Telling(SENDING, item=1))
    )


def test_a_late_repeat_does_not_make_its_event_late(connection: psycopg.Connection) -> None:
    repeat = Telling(SENDING, RECEIVED + 9 * SECOND, 2, kind="repeat")
    steps = steps_of(connection, repeat, Telling(DELIVERED, RECEIVED + SECOND), Telling(SENDING, number=1))
    assert [step.told.kind for step in steps] == ["event", "repeat", "event"]
    assert not any(step.told.late for step in steps)


def test_one_key_with_another_timestamp_alone_is_no_conflict_but_said_again(
    connection: psycopg.Connection,
) -> None:
    again = event(
        key="1",
        occurred_at=RECEIVED + SECOND,
        channel="sms",
        message_status="sending",
        channel_status="sending",
    )
    steps = steps_of(connection, Telling(SENDING), Telling(again, number=1), Telling(DELIVERED, number=2))
    assert [
        (step.told.conflict, step.told.restated) for step in steps if step.told.idempotency_key == "1"
    ] == [
        (False, True),
        (False, True),
    ]
    assert [step.told.restated for step in steps if step.told.idempotency_key == "2"] == [False]


def test_one_key_with_other_content_is_a_conflict_of_both_and_of_no_other(
    connection: psycopg.Connection,
) -> None:
    other = event(key="1", occurred_at=RECEIVED + SECOND, channel="sms", channel_status="failed")
    steps = steps_of(connection, Telling(SENDING), Telling(other, number=1), Telling(DELIVERED, number=2))
    assert {step.told.channel_status: step.told.conflict for step in steps} == {
        "sending": True,
        "failed": True,
        "delivered": False,
    }


def test_a_moment_belongs_to_the_cut_that_names_it(connection: psycopg.Connection) -> None:
    lines = [Telling(SENDING, RECEIVED), Telling(DELIVERED, RECEIVED + SECOND, 1)]

    def status(known_at: datetime | None = None, as_of: datetime | None = None) -> str | None:
        record = at(connection, lines, Cut(known_at, as_of)).record
        return record["message_status"] if record else None

    tick = timedelta(microseconds=1)
    assert [status(known_at=RECEIVED + SECOND - tick), status(known_at=RECEIVED + SECOND)] == [
        "sending",
        "delivered",
    ]
    assert [status(as_of=DELIVERED.effective_at - tick), status(as_of=DELIVERED.effective_at)] == [
        "sending",
        "delivered",
    ]
    assert status(known_at=RECEIVED - tick) is status(as_of=SENDING.effective_at - tick) is None
    assert status(known_at=RECEIVED, as_of=DELIVERED.effective_at) == "sending"
