"""When a fact counts from: the supplier's claim, unless it is missing or far ahead."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.events import CLOCK_TOLERANCE, effective_at

RECEIVED = datetime(2026, 11, 23, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)

MOMENTS = st.datetimes(max_value=datetime(9999, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds UTC


@pytest.mark.parametrize(
    ("claimed", "counts"),
    [
        (None, RECEIVED),
        (RECEIVED, RECEIVED),
        (RECEIVED - timedelta(days=400), RECEIVED - timedelta(days=400)),
        (RECEIVED + timedelta(minutes=5) - TICK, RECEIVED + timedelta(minutes=5) - TICK),
        (RECEIVED + timedelta(minutes=5), RECEIVED + timedelta(minutes=5)),
        (RECEIVED + timedelta(minutes=5) + TICK, RECEIVED + timedelta(minutes=5)),
        (RECEIVED + timedelta(days=400), RECEIVED + timedelta(minutes=5)),
        (datetime.min.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)),
        (datetime.max.replace(tzinfo=UTC), RECEIVED + timedelta(minutes=5)),
    ],
)
def test_a_claim_counts_unless_it_is_missing_or_more_than_5_minutes_ahead(
    claimed: datetime | None, counts: datetime
) -> None:
    assert effective_at(claimed, RECEIVED) == counts


@given(st.none() | MOMENTS, MOMENTS)
def test_no_fact_counts_from_later_than_5_minutes_after_receipt(
    claimed: datetime | None, received: datetime
) -> None:
    assert effective_at(claimed, received) <= received + CLOCK_TOLERANCE


@given(MOMENTS, MOMENTS)
def test_a_claim_is_never_moved_but_to_that_bound(claimed: datetime, received: datetime) -> None:
    assert effective_at(claimed, received) in (claimed, received + CLOCK_TOLERANCE)


@given(MOMENTS, MOMENTS, MOMENTS)
def test_two_claims_received_together_never_change_places(
    one: datetime, other: datetime, received: datetime
) -> None:
    earlier, later = sorted((one, other))
    assert effective_at(earlier, received) <= effective_at(later, received)
