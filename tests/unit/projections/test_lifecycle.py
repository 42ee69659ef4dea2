"""The ranks are those of the contract (§3), and every known status has one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import vocabulary
from projections import lifecycle
from projections.lifecycle import lifecycle_rank, rank

CONTRACT = {
    "MESSAGE": "created, pending_enrichment, enriched, sending, failed, delivered",
    "CHANNEL": "created, assigning_batch, stale_pds, retry, sending, received, notification_attempted,"
    " notified, unnotified, temporary_failure, technical_failure, rejected, permanent_failure, skipped,"
    " failed, delivered, read",
    "SUPPLIER": "unknown, created, pending, pending_virus_check, accepted, sending, sent, forwarded, printed,"
    " enclosed, dispatched, notification_attempted, notified, unnotified, temporary_failure,"
    " technical_failure, validation_failed, virus_scan_failed, returned, cancelled, rejected,"
    " permanent_failure, failed, received, delivered, read",
}

KNOWN = {
    "MESSAGE": vocabulary.MESSAGE_STATUSES,
    "CHANNEL": vocabulary.CHANNEL_STATUSES,
    "SUPPLIER": vocabulary.SUPPLIER_STATUSES,
}


def statuses(values: tuple[str, ...]) -> st.SearchStrategy[str | None]:
    return st.none() | st.sampled_from(values)


@pytest.mark.parametrize("name", CONTRACT)
def test_ranks_stand_in_the_order_of_the_contract(name: str) -> None:
    assert getattr(lifecycle, name) == tuple(CONTRACT[name].split(", "))


@pytest.mark.parametrize("name", KNOWN)
def test_every_known_status_has_a_rank_and_every_rank_a_known_status(name: str) -> None:
    assert sorted(getattr(lifecycle, name)) == sorted(KNOWN[name])


@pytest.mark.parametrize("name", CONTRACT)
def test_ranks_count_from_1_and_what_is_absent_or_unknown_is_0(name: str) -> None:
    ranks = getattr(lifecycle, name)
    assert [rank(ranks, status) for status in ranks] == list(range(1, len(ranks) + 1))
    assert rank(ranks, None) == 0
    assert rank(ranks, "deliverd") == 0


TRIPLES = st.tuples(statuses(lifecycle.MESSAGE), statuses(lifecycle.CHANNEL), statuses(lifecycle.SUPPLIER))


@given(TRIPLES, TRIPLES)
def test_an_event_ranks_by_its_messages_status_then_its_channels_then_its_suppliers(
    one: tuple[str | None, str | None, str | None], other: tuple[str | None, str | None, str | None]
) -> None:
    def apart(event: tuple[str | None, str | None, str | None]) -> tuple[int, ...]:
        lifecycles = (lifecycle.MESSAGE, lifecycle.CHANNEL, lifecycle.SUPPLIER)
        return tuple(rank(ranks, status) for ranks, status in zip(lifecycles, event, strict=True))

    assert (lifecycle_rank(*one) < lifecycle_rank(*other)) == (apart(one) < apart(other))
