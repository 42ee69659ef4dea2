"""The statement of a page: where it is composed once, it is the one that would be composed each time."""

import re

import pytest

from eventstore.recipients import RecipientKeys
from query.composed import composed
from query.filters import from_parameters
from query.page import page_of, statement_of

RECIPIENTS = RecipientKeys("test-recipient-key")


@pytest.mark.parametrize("client", [None, "alice", "O'Neill"])
@pytest.mark.parametrize("limit", ["1", "100"])
@pytest.mark.parametrize("batch", ["b", "%(batch)s", "\u2019; --"])
def test_a_batchs_first_page_is_asked_for_as_any_page_is(client: str | None, limit: str, batch: str) -> None:
    query = from_parameters([("batchReference", batch), ("limit", limit)], RECIPIENTS, client)
    text, parameters = statement_of(query)
    anew, values = composed(page_of(query))
    batches = {name for name, value in values.items() if value == batch}
    assert re.sub(rf"%\(({'|'.join(batches)})\)s", "%(batch)s", anew) == text
    assert parameters == {name: value for name, value in values.items() if name not in batches} | {
        "batch": batch
    }


@pytest.mark.parametrize("other", [("messageStatus", "failed"), ("nhsNumber", "9990000018")])
def test_what_asks_for_more_is_composed_each_time(other: tuple[str, str]) -> None:
    query = from_parameters([("batchReference", "b"), other], RECIPIENTS, None)
    assert statement_of(query) == composed(page_of(query))


def test_a_value_that_no_record_can_have_finds_nothing() -> None:
    query = from_parameters([("batchReference", "\0")], RECIPIENTS, None)
    assert statement_of(query) == composed(page_of(query))
