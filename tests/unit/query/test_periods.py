"""A date or a time stands for a period, as long as it is written precisely; anything else is refused."""

import json
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from query.filters import period
from tests.unit.query.test_filters import (
    NHS_NUMBER,
    TIME_FILTERS,
    asked,
    from_json,
    from_parameters,
    refusal,
    utc,
)

# Dates and times


@pytest.mark.parametrize(
    ("text", "start", "duration"),
    [
        ("2026-11-23", utc(2026, 11, 23), timedelta(days=1)),
        ("2028-02-29", utc(2028, 2, 29), timedelta(days=1)),
        ("2026-11-23T09:15:02Z", utc(2026, 11, 23, 9, 15, 2), timedelta(seconds=1)),
        ("2026-11-23t09:15:02z", utc(2026, 11, 23, 9, 15, 2), timedelta(seconds=1)),
        ("2026-11-23T09:15:02.4Z", utc(2026, 11, 23, 9, 15, 2, 400_000), timedelta(milliseconds=100)),
        ("2026-11-23T09:15:02.413Z", utc(2026, 11, 23, 9, 15, 2, 413_000), timedelta(milliseconds=1)),
        ("2026-11-23T09:15:02.413052Z", utc(2026, 11, 23, 9, 15, 2, 413_052), timedelta(microseconds=1)),
        ("2026-11-23T09:15:02.4130529Z", utc(2026, 11, 23, 9, 15, 2, 413_052), timedelta(microseconds=1)),
        ("2026-11-23T09:15:02.413052999Z", utc(2026, 11, 23, 9, 15, 2, 413_052), timedelta(microseconds=1)),
        ("0001-01-01", utc(1, 1, 1), timedelta(days=1)),
    ],
)
def test_a_period_is_as_long_as_it_is_written_precisely(
    text: str, start: datetime, duration: timedelta
) -> None:
    assert period(text) == (start, start + duration)


def test_no_offset_means_utc() -> None:
    assert period("2026-11-23T09:15:02") == period("2026-11-23T09:15:02Z")


@pytest.mark.parametrize(
    ("offset", "hour", "minute"),
    [("Z", 9, 15), ("+00:00", 9, 15), ("-00:00", 9, 15), ("+01:00", 8, 15), ("-05:30", 14, 45)],
)
def test_an_offset_is_taken_into_account(offset: str, hour: int, minute: int) -> None:
    assert period(f"2026-11-23T09:15:02{offset}").start == utc(2026, 11, 23, hour, minute, 2)


def test_a_plus_that_was_decoded_as_a_space_is_still_an_offset() -> None:
    unescaped, escaped = (
        asked("created_at=2026-11-23T09:15:02+01:00"),
        asked("created_at=2026-11-23T09:15:02%2B01:00"),
    )
    assert unescaped.filters == escaped.filters
    assert unescaped.filters.created_at is not None
    assert unescaped.filters.created_at.start == utc(2026, 11, 23, 8, 15, 2)


@given(
    st.datetimes(timezones=st.just(UTC)).filter(lambda moment: moment.date() < date.max), st.integers(0, 6)
)
def test_a_time_lies_in_the_period_that_it_is_written_as(moment: datetime, digits: int) -> None:
    fraction = f".{moment.microsecond:06d}"[: digits + 1] if digits else ""
    start, end = period(f"{moment.replace(tzinfo=None).isoformat(timespec='seconds')}{fraction}Z")
    assert start <= moment < end
    assert end - start == timedelta(microseconds=10 ** (6 - digits))


@pytest.mark.parametrize("text", ["9999-12-31", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59.999999Z"])
def test_the_last_period_of_all_ends_with_time_itself(text: str) -> None:
    start, end = period(text)
    assert start.year == 9999
    assert end == datetime.max.replace(tzinfo=UTC)


@pytest.mark.parametrize("name", TIME_FILTERS)
@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026",
        "2026-11",
        "2026-1-3",
        "20261123",
        "2026-W48-1",
        "2026-13-01",
        "2026-00-01",
        "2026-11-31",
        "2026-02-29",
        "0000-01-01",
        "10000-01-01",
        "2026-11-23T",
        "2026-11-23T09",
        "2026-11-23T09:15",
        "2026-11-23 09:15:02Z",
        "2026-11-23T25:00:00Z",
        "2026-11-23T24:00:00Z",
        "2026-11-23T09:60:00Z",
        "2026-11-23T09:15:60Z",
        "2026-11-23T09:15:02.",
        "2026-11-23T09:15:02,5Z",
        "2026-11-23T09:15:02.0123456789Z",
        "2026-11-23T09:15:02+24:00",
        "2026-11-23T09:15:02+01:60",
        "2026-11-23T09:15:02+0100",
        "2026-11-23T09:15:02+01",
        "2026-11-23T09:15:02 GMT",
        "2026-11-23Z",
        " 2026-11-23",
        "2026-11-23\n",
        "\uff12\uff10\uff12\uff16-11-23",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "1763889302",
        "now",
        "a\0b",
        NHS_NUMBER,
    ],
)
def test_a_malformed_time_is_refused_and_its_parameter_named(name: str, text: str) -> None:
    rule = f"{name}: must be a date (2026-11-23) or a time (2026-11-23T09:15:02Z)"
    assert refusal(from_parameters, [(name, text)]) == rule
    assert refusal(from_json, json.dumps({name: text}).encode()) == rule
