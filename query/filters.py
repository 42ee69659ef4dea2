"""What a client may ask of the statuses: filters, times and paging, read strictly. Pure.

A misspelt, repeated or malformed parameter is refused and named, for it must not return everything; a
value that no record has is no error. Messages name parameters, never their values: one of them may be an
NHS number. That number itself goes no further than to the tokens that are made of it.
"""

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from typing import Annotated, Any, NamedTuple, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel

from eventstore.errors import LedgerError
from eventstore.recipients import RecipientKeys, ten_digits
from query.cursors import MalformedCursor, Position, decode

MOST_RECORDS = 10_000
"""How many records a page may hold, and holds unless the client asks for fewer."""


class InvalidQuery(LedgerError):
    """The query cannot be answered as it was asked."""


class Period(NamedTuple):
    """A half-open period of time, as precise as it was written: a day, a second, a microsecond."""

    start: datetime
    end: datetime


_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)"
    r"(?:[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:([Zz])|([+ -])(\d\d):([0-5]\d))?)?",
    re.ASCII,
)


def period(text: str) -> Period:
    """Return the period that a date or a time stands for; no offset means UTC.

    A space before the offset is a `+` that was not escaped in a URL. A period that reaches past the year
    9999 ends at its last microsecond. Raises `ValueError`, and `OverflowError` where it starts beyond time.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError("neither a date nor a time")
    year, month, day, hour, minute, second, fraction, _, sign, ahead_hours, ahead_minutes = match.groups()
    if hour is None:
        start = datetime(int(year), int(month), int(day), tzinfo=UTC)
        return _lasting(start, timedelta(days=1))
    offset = timedelta(hours=int(ahead_hours or 0), minutes=int(ahead_minutes or 0))
    start = datetime(
        int(year),
        int(month),
        int(day),
        int(hour),
        int(minute),
        int(second),
        int((fraction or "").ljust(6, "0")[:6]),
        tzinfo=timezone(-offset if sign == "-" else offset),
    ).astimezone(UTC)
    digits = min(len(fraction or ""), 6)
    return _lasting(start, timedelta(microseconds=10 ** (6 - digits)))


def _lasting(start: datetime, duration: timedelta) -> Period:
    last = datetime.max.replace(tzinfo=UTC)
    return Period(start, start + duration if start <= last - duration else last)


def _period(value: object) -> Period | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError("not text")  # noqa: TRY004 - pydantic reports a ValueError, and no TypeError
    try:
        return period(value)
    except OverflowError as error:
        raise ValueError("out of range") from error


def _limit(value: object) -> object:
    if isinstance(value, str) and WHOLE_NUMBER.fullmatch(value) is None:
        raise ValueError("not a whole number")  # int() reads more: signs, underscores, white space, `1.0`
    if isinstance(value, float) and value.is_integer():
        return int(value)  # in JSON, and in the API's description, 1.0 is the number 1
    return value


WHOLE_NUMBER = re.compile(r"\d{1,9}", re.ASCII)

Limit = Annotated[int, BeforeValidator(_limit)]

When = Annotated[
    Period | None,
    PlainValidator(_period),
    WithJsonSchema({"type": "string", "examples": ["2026-11-23", "2026-11-23T09:15:02Z"]}),
]


@cache
def names_of(filters: type[BaseModel]) -> tuple[str, ...]:
    """Return the names of filters, as clients write them."""
    return tuple(field.alias or name for name, field in filters.model_fields.items())


class Filters(BaseModel):
    """The filters of `GET /api/statuses` and `POST /api/statuses/search`, combined with AND."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True, extra="forbid")

    channel: str | None = Field(None, description="one record for each message with a status on this channel")
    supplier_status: str | None = Field(None, description="the channel's supplier status")
    channel_status: str | None = Field(None, description="the channel's status")
    message_status: str | None = Field(None, description="the message's status")
    message_id: str | None = Field(None, description="the supplier's id of the message")
    message_reference: str | None = Field(None, description="the client's reference of the message")
    batch_reference: str | None = Field(None, description="messages registered in this batch")
    nhs_number: str | None = Field(
        None,
        repr=False,
        description="messages registered for this recipient, spaces tolerated; better asked with POST",
    )
    created_at: When = Field(
        None,
        alias="created_at",
        description="a date: that UTC day; a time: that second, or fraction of one, as precise as given",
    )
    created_after: When = Field(None, description="created later than this time; a date is its midnight, UTC")
    created_before: When = Field(
        None, description="created earlier than this time; a date is its midnight, UTC"
    )
    limit: Limit = Field(MOST_RECORDS, ge=1, le=MOST_RECORDS, description="records on a page")
    cursor: str | None = Field(None, description="where the page before this one ended: from its `links`")


ALLOWED = names_of(Filters)
"""The names of the parameters, as clients write them."""


class Query(NamedTuple):
    """A question, ready to be asked."""

    filters: Filters
    given: dict[str, str]
    """What is asked, but for `limit` and `cursor`: what a cursor is made for. A token is the NHS number's."""
    tokens: dict[str, bytes]
    """The tokens of the recipient who is asked for, by the id of their key; none finds nothing."""
    after: Position | None
    client: str | None = None
    """Whose registered messages alone are asked for; None asks for every client's."""

    @property
    def made_for(self) -> dict[str, str]:
        """What a cursor of the answer is good for: the filters, and the client that asks."""
        return _made_for(self.given, self.client)

    @property
    def unmatchable(self) -> bool:
        """Whether no record can match: NUL or half a surrogate pair in a value, a recipient without token."""
        return (self.filters.nhs_number is not None and not self.tokens) or any(
            "\0" in value or not is_unicode(value) for value in self.given.values()
        )


def from_parameters(
    parameters: Iterable[tuple[str, str]], recipients: RecipientKeys, client: str | None = None
) -> Query:
    """Return the question that the parameters of a URL ask of a client's messages; raises `InvalidQuery`."""
    return _query(unique(parameters), recipients, client, strict=False)


def from_json(body: bytes, recipients: RecipientKeys, client: str | None = None) -> Query:
    """Return the question that a JSON object asks of a client's messages; raises `InvalidQuery`."""
    try:
        value = json.loads(body, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise InvalidQuery("body: not JSON") from error
    if not isinstance(value, dict):
        raise InvalidQuery("body: must be an object")
    return _query(value, recipients, client, strict=True)


def _made_for(given: dict[str, str], client: str | None) -> dict[str, str]:
    return given if client is None else given | {"for client": client}  # no parameter's name


def unique(parameters: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Return the parameters by name; raises `InvalidQuery` naming one that is given more than once."""
    unique: dict[str, Any] = {}
    for name, value in parameters:
        if name in unique:
            raise InvalidQuery(f"{quoted(name)}: given more than once")
        unique[name] = value
    return unique


def refuse_unknown(parameters: Iterable[str], allowed: Iterable[str]) -> None:
    """Raise `InvalidQuery` naming a parameter that is not allowed, and those that are."""
    for name in parameters:
        if name not in allowed:
            raise InvalidQuery(f"{quoted(name)}: unknown parameter; allowed are {', '.join(allowed)}")


def _query(
    parameters: dict[str, Any], recipients: RecipientKeys, client: str | None, *, strict: bool
) -> Query:
    filters = validated(Filters, parameters, strict=strict)
    given = given_of(parameters)
    tokens = {}
    if filters.nhs_number is not None:
        digits = ten_digits(filters.nhs_number)
        tokens = recipients.tokens(digits) if digits is not None else {}
        given["nhsNumber"] = next((token.hex() for token in tokens.values()), "")
    if filters.cursor is None:
        return Query(filters, given, tokens, None, client)
    try:
        after = decode(filters.cursor, _made_for(given, client))
        return Query(filters, given, tokens, after, client)
    except MalformedCursor as error:
        raise InvalidQuery("cursor: not one that this service gave for these filters") from error


def given_of(parameters: dict[str, Any]) -> dict[str, str]:
    """Return the parameters that the next page repeats: those given, but for `limit` and `cursor`."""
    return {
        name: str(value)
        for name, value in parameters.items()
        if value is not None and name not in ("limit", "cursor")
    }


Asked = TypeVar("Asked", bound=BaseModel)


def validated(model: type[Asked], parameters: dict[str, Any], *, strict: bool) -> Asked:
    """Return the filters that parameters ask for; raises `InvalidQuery` naming the first that is wrong."""
    refuse_unknown(parameters, names_of(model))
    parameters = {name: value for name, value in parameters.items() if value is not None}
    try:
        return model.model_validate(parameters, strict=strict)
    except ValidationError as error:
        raise _invalid(error) from None


def _invalid(error: ValidationError) -> InvalidQuery:
    first = error.errors(include_url=False, include_input=False)[0]
    name = str(first["loc"][0])
    match first["type"]:
        case _ if name == "limit":
            rule = f"must be a whole number from 1 to {MOST_RECORDS}"
        case "missing":
            rule = "is required"
        case "value_error":
            rule = "must be a date (2026-11-23) or a time (2026-11-23T09:15:02Z)"
        case _:
            rule = "must be text"
    return InvalidQuery(f"{name}: {rule}")


def quoted(name: str) -> str:
    """Return a parameter's name in ASCII, at most 64 characters of it."""
    quoted = ascii(name)
    return quoted if len(quoted) <= 64 else f"{quoted[:60]}...'"


def is_unicode(value: str) -> bool:
    """Whether text can be written as UTF-8: it holds no half of a surrogate pair."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
