"""RFC 3339 times against the arithmetic of datetime."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.timestamps import parse_timestamp

offset_minutes = st.integers(-(23 * 60 + 59), 23 * 60 + 59)
digits = st.text("0123456789", min_size=1, max_size=30)


def written_offset(minutes: int) -> str:
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


@settings(deadline=None, max_examples=500)
@given(
    st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31)),  # noqa: DTZ001 - the text adds the offset
    offset_minutes,
    digits,
    st.sampled_from("Tt"),
)
def test_offset_and_fraction_are_what_datetime_makes_of_them(
    local: datetime, minutes: int, fraction: str, t: str
) -> None:
    text = f"{local:%Y-%m-%d}".rjust(10, "0") + f"{t}{local:%H:%M:%S}.{fraction}{written_offset(minutes)}"
    microseconds = int(fraction[:6].ljust(6, "0"))
    expected = local.replace(microsecond=microseconds, tzinfo=UTC) - timedelta(minutes=minutes)
    parsed = parse_timestamp(text)
    assert parsed == expected
    assert parsed.tzinfo is UTC


@settings(deadline=None)
@given(st.datetimes(timezones=st.just(UTC)))
def test_what_isoformat_writes_is_read_back(moment: datetime) -> None:
    assert parse_timestamp(moment.isoformat()) == moment
    assert parse_timestamp(moment.isoformat().replace("+00:00", "Z")) == moment


@settings(deadline=None, max_examples=500)
@given(st.text(max_size=30) | st.text("0123456789-:+.TtZz ", max_size=30))
def test_arbitrary_text_raises_nothing_but_value_error(text: str) -> None:
    try:
        parsed = parse_timestamp(text)
    except ValueError as error:
        refused = error
    else:
        assert parsed.tzinfo is UTC
        return
    assert type(refused) is ValueError
    assert str(refused).isascii()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-23T09:15:02Z", datetime(2026, 11, 23, 9, 15, 2, tzinfo=UTC)),
        ("2026-11-23t09:15:02z", datetime(2026, 11, 23, 9, 15, 2, tzinfo=UTC)),
        ("2026-11-23T09:15:02.5Z", datetime(2026, 11, 23, 9, 15, 2, 500_000, tzinfo=UTC)),
        ("2026-11-23T09:15:02.413Z", datetime(2026, 11, 23, 9, 15, 2, 413_000, tzinfo=UTC)),
        ("2026-11-23T09:15:02.999999999Z", datetime(2026, 11, 23, 9, 15, 2, 999_999, tzinfo=UTC)),
        ("1969-12-31T23:59:59.9999999Z", datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
        ("2026-11-23T00:15:02+01:00", datetime(2026, 11, 22, 23, 15, 2, tzinfo=UTC)),
        ("2026-11-23T09:15:02-00:00", datetime(2026, 11, 23, 9, 15, 2, tzinfo=UTC)),
        ("2026-11-23T09:15:02+23:59", datetime(2026, 11, 22, 9, 16, 2, tzinfo=UTC)),
        ("2024-02-29T12:00:00Z", datetime(2024, 2, 29, 12, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59.999999Z", datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
    ],
)
def test_rfc3339_is_read(text: str, expected: datetime) -> None:
    assert parse_timestamp(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
        ("2016-12-31T15:59:60-08:00", datetime(2017, 1, 1, tzinfo=UTC)),
        ("2026-11-23T09:15:60.25Z", datetime(2026, 11, 23, 9, 16, 0, 250_000, tzinfo=UTC)),
    ],
)
def test_a_leap_second_is_the_first_of_the_next_minute(text: str, expected: datetime) -> None:
    assert parse_timestamp(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-23",
        "2026-11-23T09:15:02",
        "2026-11-23T09:15Z",
        "2026-11-23T09Z",
        "2026-11-23 09:15:02Z",
        "2026-11-23T09:15:02 Z",
        " 2026-11-23T09:15:02Z",
        "2026-11-23T09:15:02Z\n",
        "2026-11-23T09:15:02Z ",
        "2026-11-23T09:15:02.Z",
        "2026-11-23T09:15:02,5Z",
        "2026-11-23T09:15:02+0100",
        "2026-11-23T09:15:02+01",
        "2026-11-23T09:15:02+01:00:00",
        "2026-11-23T09:15:02+24:00",
        "2026-11-23T09:15:02+01:60",
        "2026-11-23T09:15:02\u221201:00",
        "2026-11-23T24:00:00Z",
        "2026-11-23T09:60:00Z",
        "2026-11-23T09:15:61Z",
        "2026-13-01T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "2026-11-00T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "20261123T091502Z",
        "2026-W48-1T09:15:02Z",
        "26-11-23T09:15:02Z",
        "+2026-11-23T09:15:02Z",
        "12026-11-23T09:15:02Z",
        "\u0662\u0660\u0662\u0666-11-23T09:15:02Z",
        "2026-11-23T09:15:0\uff12Z",
        "2026-11-23T09:15:02.\u0665Z",
        "2026-11-23T09:15:02.123456\u0665Z",
        "1795425302",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^(not an RFC 3339 time|no such day)"):
        parse_timestamp(text)


@pytest.mark.parametrize(
    "text",
    [
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "9999-12-31T23:59:60Z",
        "0001-01-01T12:00:00+23:59",
    ],
)
def test_instants_outside_the_years_1_to_9999_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="outside the years 1 to 9999"):
        parse_timestamp(text)


def test_a_mebibyte_of_fraction_is_read_quickly() -> None:
    assert parse_timestamp(f"2026-11-23T09:15:02.1{'9' * 2**20}Z").microsecond == 199_999
    with pytest.raises(ValueError, match="RFC 3339"):
        parse_timestamp(f"2026-11-23T09:15:02.{'9' * 2**20}")
