"""A page that is written straight from its rows is what pydantic makes of the models that describe it."""

from datetime import UTC
from types import NoneType
from typing import Any, get_args
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from eventstore.recipients import RecipientKeys
from query.filters import from_parameters
from query.models import Links, Record, Statuses
from query.page import page_of
from query.written import statuses_json

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
TIMES = st.datetimes(timezones=st.sampled_from([UTC, ZoneInfo("UTC")]))  # psycopg's are of the second kind
VALUES: dict[Any, st.SearchStrategy[Any]] = {str: TEXTS, NoneType: st.none()}


def values_of(annotation: Any) -> st.SearchStrategy[Any]:
    """Return what a field may hold."""
    return st.one_of([VALUES.get(one, TIMES) for one in get_args(annotation) or [annotation]])


ROWS = st.tuples(*(values_of(field.annotation) for field in Record.model_fields.values()))
LINKS = st.none() | st.builds(Links.model_construct, next=TEXTS, cursor=TEXTS)


@given(st.lists(ROWS, max_size=3), LINKS)
def test_rows_are_written_as_the_models_are(rows: list[tuple[Any, ...]], links: Links | None) -> None:
    answer = Statuses(status="success", data=[Record.of(row) for row in rows])
    if links is not None:
        answer = Statuses(status="success", data=answer.data, links=links)
    written = statuses_json(rows, links)
    assert written == answer.model_dump_json(by_alias=True, exclude_unset=True).encode()
    assert Statuses.model_validate_json(written) == answer


def test_the_columns_of_a_page_stand_in_the_order_of_the_fields() -> None:
    recipients = RecipientKeys()
    for asked in ([], [("channel", "sms")], [("batchReference", "b")], [("messageId", "\0")]):
        columns = page_of(from_parameters(asked, recipients)).selected_columns
        assert [column.name for column in columns] == list(Record.model_fields), asked
