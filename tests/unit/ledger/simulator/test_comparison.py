"""Every difference is named, and nothing else is."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from ledger.simulator.comparison import FIELDS, Difference, differences
from ledger.simulator.expected import Record, View, expected
from ledger.simulator.plan import plan

TOLD = expected(plan(3, seed=1).callbacks)
VIEW = max(view for view in TOLD if view.channel)


def changed(**fields: str | datetime | None) -> dict[View, Record]:
    return TOLD | {VIEW: {**TOLD[VIEW], **fields}}


def test_what_agrees_has_no_differences() -> None:
    said = {view: {**record, "created_at": "2026-11-23T09:15:01Z"} for view, record in TOLD.items()}
    assert list(differences(TOLD, said)) == []


@given(field=st.sampled_from(FIELDS))
def test_a_field_that_differs_is_named_with_both_values(field: str) -> None:
    other = datetime(2001, 1, 1, tzinfo=UTC)
    found = list(differences(TOLD, changed(**{field: other})))
    assert found == [Difference(*VIEW, field, TOLD[VIEW][field], other)]


def test_a_record_that_is_missing_or_one_too_many_is_named() -> None:
    without = {view: record for view, record in TOLD.items() if view != VIEW}
    assert list(differences(TOLD, without)) == [Difference(*VIEW, "record", "there", "none")]
    assert list(differences(without, TOLD)) == [Difference(*VIEW, "record", "none", "there")]


def test_every_field_of_a_record_is_compared() -> None:
    assert {frozenset(record) for record in TOLD.values()} == {frozenset(FIELDS)}
