"""What a client may ask of the reports: a batch, or what is overdue, page by page, read strictly. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from query.cursors import BEGINNING, MalformedCursor, ReportPlace, decode_report_place, encode_report_place
from query.filters import MOST_RECORDS, InvalidQuery, Limit, When, given_of, is_unicode, unique, validated


class Page(BaseModel):
    """Which page of a report is asked for."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True, extra="forbid")

    limit: Limit = Field(MOST_RECORDS, ge=1, le=MOST_RECORDS, description="rows on a page")
    cursor: str | None = Field(None, description="where the page before this one ended: from its `links`")


class DeliveryFilters(Page):
    """The parameters of the delivery report."""

    batch_reference: str = Field(description="the batch, as the client registered it")


class OverdueFilters(Page):
    """The parameters of the report of overdue messages, combined with AND."""

    batch_reference: str | None = Field(None, description="messages that were registered in this batch")
    channel: str | None = Field(None, description="messages whose latest channel this is")
    as_of: When = Field(
        None, description="overdue at this time by what is known today; a date is its midnight, UTC"
    )


Asked = TypeVar("Asked", DeliveryFilters, OverdueFilters)


@dataclass(frozen=True, slots=True)
class ReportQuery(Generic[Asked]):
    """A question to a report, ready to be asked."""

    filters: Asked
    given: dict[str, str]
    """The parameters that the next page repeats."""
    after: ReportPlace
    client: str | None
    """Whose messages alone are asked for; None asks for every client's."""

    @property
    def unmatchable(self) -> bool:
        """Whether a value holds what no column can: NUL, or half a surrogate pair."""
        return any("\0" in value or not is_unicode(value) for value in self.given.values())

    def cursor(self, place: ReportPlace) -> str:
        """Return the cursor of the page that goes on after a row."""
        return encode_report_place(place, _made_for(type(self.filters), self.given, self.client))


def delivery_query(
    parameters: Iterable[tuple[str, str]], client: str | None = None
) -> ReportQuery[DeliveryFilters]:
    """Return the question that the parameters of a URL ask of a batch; raises `InvalidQuery`."""
    return _query(DeliveryFilters, unique(parameters), client)


def overdue_query(
    parameters: Iterable[tuple[str, str]], now: datetime, client: str | None = None
) -> ReportQuery[OverdueFilters]:
    """Return the question what is overdue, `now` where the parameters of a URL name no other time.

    The time is repeated by the next page, so that all pages speak of one moment. Raises `InvalidQuery`.
    """
    named = unique(parameters)
    if named.get("asOf") is None:
        named["asOf"] = f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
    return _query(OverdueFilters, named, client)


def _query(model: type[Asked], parameters: dict[str, str], client: str | None) -> ReportQuery[Asked]:
    filters = validated(model, parameters, strict=False)
    given = given_of(parameters)
    if filters.cursor is None:
        return ReportQuery(filters, given, BEGINNING, client)
    try:
        after = decode_report_place(filters.cursor, _made_for(model, given, client))
    except MalformedCursor as error:
        raise InvalidQuery("cursor: not one that this service gave for these filters") from error
    return ReportQuery(filters, given, after, client)


def _made_for(model: type[Page], given: dict[str, str], client: str | None) -> dict[str, str]:
    """Return what a cursor is good for: a report, its filters, and the client that asks."""
    of_client = {} if client is None else {"for client": client}
    return given | of_client | {"of report": model.__name__}  # no parameter's names
