"""The known values are those of the contract."""

import pytest

from ingest import vocabulary

CONTRACT = {
    "EVENT_TYPES": "MessageStatus ChannelStatus",
    "CHANNELS": "nhsapp email sms letter",
    "CASCADE_TYPES": "primary secondary",
    "MESSAGE_STATUSES": "created pending_enrichment enriched sending delivered failed",
    "CHANNEL_STATUSES": "created sending delivered failed skipped assigning_batch retry stale_pds"
    " notification_attempted notified permanent_failure read received rejected technical_failure"
    " temporary_failure unnotified",
    "SUPPLIER_STATUSES": "delivered read notification_attempted unnotified rejected notified received"
    " permanent_failure temporary_failure technical_failure accepted cancelled pending_virus_check"
    " validation_failed unknown virus_scan_failed created dispatched enclosed failed forwarded pending"
    " printed returned sending sent",
}


@pytest.mark.parametrize("name", CONTRACT)
def test_known_values_stand_as_in_the_contract(name: str) -> None:
    assert getattr(vocabulary, name) == tuple(CONTRACT[name].split())


@pytest.mark.parametrize("name", CONTRACT)
def test_no_value_is_listed_twice(name: str) -> None:
    values = getattr(vocabulary, name)
    assert len(set(values)) == len(values)
