"""Ids that sort by time are UUIDs of version 7 (RFC 9562)."""

from datetime import UTC, datetime, timedelta
from uuid import RFC_4122, UUID

from hypothesis import assume, given
from hypothesis import strategies as st

from eventstore.identifiers import time_ordered_uuid

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

MOMENTS = st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds UTC
RANDOMNESS = st.binary(min_size=10, max_size=10)


def milliseconds(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(milliseconds=1)


@given(MOMENTS, RANDOMNESS)
def test_version_and_variant_are_those_of_a_uuid_7(moment: datetime, randomness: bytes) -> None:
    made = time_ordered_uuid(moment, randomness)
    assert (made.version, made.variant) == (7, RFC_4122)


@given(MOMENTS, RANDOMNESS)
def test_the_first_48_bits_are_the_milliseconds(moment: datetime, randomness: bytes) -> None:
    assert time_ordered_uuid(moment, randomness).int >> 80 == milliseconds(moment)


@given(MOMENTS, RANDOMNESS)
def test_the_other_bits_are_the_randomness(moment: datetime, randomness: bytes) -> None:
    made = time_ordered_uuid(moment, randomness).int
    fixed = (0xF << 76) | (0x3 << 62)
    assert made & ~fixed & (2**80 - 1) == int.from_bytes(randomness, "big") & ~fixed


@given(MOMENTS, MOMENTS, RANDOMNESS, RANDOMNESS)
def test_ids_sort_by_the_millisecond_as_numbers_text_and_bytes(
    one: datetime, other: datetime, first: bytes, second: bytes
) -> None:
    assume(milliseconds(one) != milliseconds(other))
    earlier, later = sorted([(one, time_ordered_uuid(one, first)), (other, time_ordered_uuid(other, second))])
    assert earlier[1] < later[1]
    assert str(earlier[1]) < str(later[1])
    assert earlier[1].bytes < later[1].bytes


@given(MOMENTS, RANDOMNESS, RANDOMNESS)
def test_a_millisecond_later_is_later_whatever_the_randomness(
    moment: datetime, first: bytes, second: bytes
) -> None:
    assume(moment.year < 9999)
    later = moment + timedelta(milliseconds=1)
    assert time_ordered_uuid(moment, first) < time_ordered_uuid(later, second)


def test_an_example_of_the_standard() -> None:
    # RFC 9562, appendix A.6
    moment = datetime(2022, 2, 22, 19, 22, 22, tzinfo=UTC)
    randomness = bytes.fromhex("0CC318C4DC0C0C07398F")
    assert time_ordered_uuid(moment, randomness) == UUID("017F22E2-79B0-7CC3-98C4-DC0C0C07398F")
