"""A seed is a whole simulation: the same bytes each time, which the service's own rules accept."""

import re
import uuid
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import orjson
from hypothesis import given
from hypothesis import strategies as st

from ingest.callbacks import read
from ingest.signature import SigningSecrets
from ledger.simulator.callbacks import Callback
from ledger.simulator.lifecycles import LIVES
from ledger.simulator.plan import DAYS, UNTIL, ksuid, plan

T = TypeVar("T")

SEEDS = st.integers(min_value=0, max_value=2**64)
SHARES = st.floats(min_value=0, max_value=1)

MEANT = "message_status channel channel_status supplier_status cascade_order retry_count".split()

MANY = plan(400, seed=1)
"""Enough messages for every life to occur."""


def bodies(callbacks: tuple[Callback, ...]) -> list[bytes]:
    return [callback.body for callback in callbacks]


def windows(facts: list[T]) -> Iterator[tuple[T, T, T]]:
    return zip(facts, facts[1:], facts[2:], strict=False)


def key_of(callback: Callback) -> str:
    key: str = orjson.loads(callback.body)["data"][0]["meta"]["idempotencyKey"]
    return key


@given(seed=SEEDS, messages=st.integers(1, 5), duplicates=SHARES, shuffle=SHARES)
def test_the_same_seed_gives_the_same_bytes_in_the_same_order(
    seed: int, messages: int, duplicates: float, shuffle: float
) -> None:
    one, other = (plan(messages, seed, duplicates=duplicates, shuffle=shuffle) for _ in range(2))
    assert bodies(one.deliveries) == bodies(other.deliveries)


@given(seed=SEEDS, messages=st.integers(1, 5), duplicates=SHARES, shuffle=SHARES)
def test_another_order_more_duplicates_and_more_messages_contradict_nothing_told_before(
    seed: int, messages: int, duplicates: float, shuffle: float
) -> None:
    before = plan(messages, seed)
    after = plan(messages + 3, seed, duplicates=duplicates, shuffle=shuffle)
    known = {callback.message_id for callback in before.callbacks}
    assert len(known) == messages
    again = [callback for callback in after.callbacks if callback.message_id in known]
    assert bodies(tuple(again)) == bodies(before.callbacks)
    assert set(bodies(after.deliveries)) == set(bodies(after.callbacks))


def test_another_seed_or_another_end_is_about_other_messages() -> None:
    plans = plan(2, seed=1), plan(2, seed=2), plan(2, seed=1, until=UNTIL - timedelta(days=1))
    ids = [callback.message_id for planned in plans for callback in planned.callbacks]
    assert len(set(ids)) == 6


@given(seed=SEEDS)
def test_the_service_reads_in_each_body_the_fact_that_was_meant(seed: int) -> None:
    for callback in plan(2, seed).callbacks:
        (event,) = read(callback.body, received_at=UNTIL, max_items=1)
        fact = callback.fact
        assert event.digest == callback.digest
        assert event.effective_at == fact.at <= UNTIL
        assert event.message_id == callback.message_id
        assert event.message_reference == callback.message_reference
        for name in MEANT:
            assert getattr(event, name) == getattr(fact, name)
        code = fact.failure.code if fact.failure else None
        assert (event.message_failure_code or event.channel_failure_code) == code


def test_bodies_are_compact_and_unescaped_and_their_signatures_verify() -> None:
    secrets = SigningSecrets("APPLICATION.key")
    for callback in MANY.callbacks:
        assert orjson.dumps(orjson.loads(callback.body)) == callback.body
        assert secrets.verify(callback.body, secrets.sign(callback.body)) is not None
    assert any("’".encode() in callback.body for callback in MANY.callbacks)


def test_names_look_like_notifys() -> None:
    for callback in MANY.callbacks:
        assert re.fullmatch("[0-9A-Za-z]{27}", callback.message_id)
        assert uuid.UUID(callback.message_reference).version == 4
        assert re.fullmatch("[0-9a-f]{64}", key_of(callback))


def test_a_ksuid_is_that_of_the_published_example() -> None:
    moment = datetime.fromtimestamp(1_400_000_000 + 107_608_047, UTC)
    payload = bytes.fromhex("B5A1CD34B5F99D1154FB6853345C9735")
    assert ksuid(moment, payload) == "0ujtsYcgvSTl8PAuAdqWYSMnLOv"
    assert ksuid(datetime.fromtimestamp(1_400_000_000, UTC), bytes(16)) == "0" * 27


def test_callbacks_share_a_key_exactly_where_they_differ_in_the_timestamp_alone() -> None:
    by_key, by_content = defaultdict(set), defaultdict(set)
    for callback in MANY.callbacks:
        (item,) = orjson.loads(callback.body)["data"]
        del item["attributes"]["timestamp"]
        by_key[item["meta"].pop("idempotencyKey")].add(orjson.dumps(item))
        by_content[orjson.dumps(item)].add(callback.fact.at)
    assert len(by_key) == len(by_content)
    assert all(len(contents) == 1 for contents in by_key.values())


def test_some_statuses_come_back_after_another_one() -> None:
    """A → B → A: who takes an idempotency key for the whole identity of an event would lose the last A."""
    told = defaultdict(list)
    for callback in MANY.callbacks:
        told[callback.message_id, callback.fact.channel].append(callback.fact._replace(at=UNTIL))
    came_back = [
        facts
        for facts in told.values()
        if any(before == after != between for before, between, after in windows(facts))
    ]
    assert len(came_back) > 40


def test_days_pass_and_some_lives_are_still_under_way_at_their_end() -> None:
    last = {callback.message_id: callback.fact for callback in MANY.callbacks}
    assert len({fact.at.date() for fact in last.values()}) >= DAYS
    under_way = [fact for fact in last.values() if fact.message_status not in ("delivered", "failed")]
    assert 10 < len(under_way) < 100
    assert {fact.at > UNTIL for fact in last.values()} == {False}


def test_every_kind_of_life_is_led() -> None:
    assert sum(life.share for life in LIVES) == 100
    facts = [callback.fact for callback in MANY.callbacks]
    told = {(fact.channel, fact.channel_status, fact.supplier_status) for fact in facts}
    for life in LIVES:
        for attempt in life.attempts:
            steps = {(attempt.channel, step.channel_status, step.supplier_status) for step in attempt.steps}
            assert steps <= told
    assert {fact.retry_count for fact in facts} == {None, 0, 1, 2}


def test_delivered_by_the_apps_supplier_is_no_delivery() -> None:
    on_app = [callback.fact for callback in MANY.callbacks if callback.fact.channel == "nhsapp"]
    assert {fact.channel_status for fact in on_app if fact.supplier_status == "delivered"} == {"sending"}
    assert {fact.supplier_status for fact in on_app if fact.channel_status == "delivered"} == {"read"}
