"""Turns the bytes of a callback into the events that it states, or names the first rule it breaks.

Two sets of rules stand apart. *Structure* (what fields must be there, of what type and length) decides
whether and how events are extracted, for ever the same. *Acceptance* (the known values, how many items)
decides only whether a new callback is taken, and may grow.
"""

from datetime import datetime
from typing import Annotated, Any, Required

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from eventstore.errors import LedgerError
from eventstore.events import Event, effective_at
from ingest import vocabulary
from ingest.canonical import hashes
from ingest.strict_json import NotStrictJson, parse
from ingest.timestamps import parse_timestamp

RULES = 1
"""Version of this parser; it grows when `extract` begins to read the same bytes differently."""

LONGEST = {"messageId": 64, "messageReference": 255, "idempotencyKey": 255}  # characters; the least is 1
_TIMESTAMP = "must be an RFC 3339 time with an offset"
_LEAST = {"cascadeOrder": 1, "retryCount": 0}
LARGEST_INTEGER = 2**31 - 1  # of PostgreSQL's `integer`
_LONGEST_QUOTE = 64  # characters of an answer that repeat what the body says, quotation marks included


class Unprocessable(LedgerError):
    """The callback breaks a rule of the contract."""

    @property
    def status(self) -> str:
        """The place and the rule, in ASCII: the `status` of the 422 answer."""
        return self.detail


def read(body: bytes, received_at: datetime, max_items: int) -> tuple[Event, ...]:
    """Return the events of a new callback of at most `max_items` items, received at `received_at` (UTC).

    Raises `Unprocessable` for the first rule that it breaks, of structure or of acceptance.
    """
    items = _items(body)
    if len(items) > max_items:
        raise Unprocessable(f"data: at most {max_items} items are allowed")
    events = _events(body, items, received_at)
    for event in events:
        _check_acceptance(event)
    return events


def extract(body: bytes, received_at: datetime) -> tuple[Event, ...]:
    """Return the events of a callback that was accepted before, whatever values are known today.

    Raises `Unprocessable` where the body breaks a rule of structure, which no accepted one does.
    """
    return _events(body, _items(body), received_at)


# Typed dictionaries, because pydantic checks them in half the time that it takes to build models. Names
# are Notify's, types are never coerced, fields unknown to us are passed over. A null in an optional
# field counts as absent, an empty text does not. That no text holds NUL is seen to afterwards: a pattern for
# each of them is a quarter of the time that pydantic takes.
_AS_SENT = ConfigDict(strict=True, extra="ignore")


@with_config(_AS_SENT)
class _Attributes(TypedDict, total=False):
    messageId: Required[Annotated[str, Field(min_length=1, max_length=LONGEST["messageId"])]]
    messageReference: Required[Annotated[str, Field(min_length=1, max_length=LONGEST["messageReference"])]]
    messageStatus: str | None
    messageStatusDescription: str | None
    messageFailureReasonCode: str | None
    channel: str | None
    channelStatus: str | None
    channelStatusDescription: str | None
    channelFailureReasonCode: str | None
    supplierStatus: str | None
    cascadeType: str | None
    cascadeOrder: Annotated[int, Field(ge=_LEAST["cascadeOrder"], le=LARGEST_INTEGER)] | None
    retryCount: Annotated[int, Field(ge=_LEAST["retryCount"], le=LARGEST_INTEGER)] | None
    timestamp: str | None


@with_config(_AS_SENT)
class _Meta(TypedDict):
    idempotencyKey: Annotated[str, Field(min_length=1, max_length=LONGEST["idempotencyKey"])]


@with_config(_AS_SENT)
class _Item(TypedDict):
    type: str
    attributes: _Attributes
    meta: _Meta


_ITEM = TypeAdapter(_Item).validator  # itself: the adapter's own method asks of options that we have not


def _items(body: bytes) -> list[Any]:
    try:
        callback = parse(body)
    except NotStrictJson as error:
        raise Unprocessable(f"body: not strict JSON: {error.detail}") from None
    if not isinstance(callback, dict):
        raise Unprocessable("body: must be an object")
    if "data" not in callback:
        raise Unprocessable("data: required")
    items = callback["data"]
    if not isinstance(items, list):
        raise Unprocessable("data: must be a list")
    if not items:
        raise Unprocessable("data: at least one item is required")
    return items


def _events(body: bytes, items: list[Any], received_at: datetime) -> tuple[Event, ...]:
    events = tuple([_event(position, item, received_at) for position, item in enumerate(items)])
    if b"\\u0000" in body:  # JSON writes it in no other way
        for event in events:
            _check_has_no_nul(event)
    return events


def _event(position: int, item: Any, received_at: datetime) -> Event:
    try:
        stated = _ITEM.validate_python(item)
    except ValidationError as error:
        raise _first_broken_rule(position, error) from None
    attributes = stated["attributes"]
    timestamp = attributes.get("timestamp")
    try:
        occurred_at = None if timestamp is None else parse_timestamp(timestamp)
    except ValueError:
        raise Unprocessable(f"data[{position}].attributes.timestamp: {_TIMESTAMP}") from None
    digest, content_hash = hashes(item)
    event = Event(
        item=position,
        idempotency_key=stated["meta"]["idempotencyKey"],
        digest=digest,
        content_hash=content_hash,
        event_type=stated["type"],
        message_id=attributes["messageId"],
        message_reference=attributes["messageReference"],
        channel=attributes.get("channel"),
        message_status=attributes.get("messageStatus"),
        channel_status=attributes.get("channelStatus"),
        supplier_status=attributes.get("supplierStatus"),
        message_failure_code=attributes.get("messageFailureReasonCode"),
        channel_failure_code=attributes.get("channelFailureReasonCode"),
        cascade_type=attributes.get("cascadeType"),
        cascade_order=attributes.get("cascadeOrder"),
        retry_count=attributes.get("retryCount"),
        occurred_at=occurred_at,
        effective_at=effective_at(occurred_at, received_at),
    )
    _check_says_a_status(event)
    return event


def _check_says_a_status(event: Event) -> None:
    if event.message_status is not None:
        return
    place = f"data[{event.item}].attributes"
    if event.event_type == "MessageStatus":
        raise Unprocessable(f"{place}.messageStatus: required")
    if event.event_type == "ChannelStatus" and event.channel_status is None and event.supplier_status is None:
        raise Unprocessable(f"{place}: one of messageStatus, channelStatus, supplierStatus is required")


_STORED = {
    "type": "event_type",
    "attributes.messageId": "message_id",
    "attributes.messageReference": "message_reference",
    "attributes.messageStatus": "message_status",
    "attributes.messageFailureReasonCode": "message_failure_code",
    "attributes.channel": "channel",
    "attributes.channelStatus": "channel_status",
    "attributes.channelFailureReasonCode": "channel_failure_code",
    "attributes.supplierStatus": "supplier_status",
    "attributes.cascadeType": "cascade_type",
    "meta.idempotencyKey": "idempotency_key",
}
"""The texts of an item that become columns, which cannot hold U+0000; the rest stays in the body's bytes."""


def _check_has_no_nul(event: Event) -> None:
    for place, field in _STORED.items():
        if "\0" in (getattr(event, field) or ""):
            raise Unprocessable(f"data[{event.item}].{place}: must not contain NUL")


def _check_acceptance(event: Event) -> None:
    for place, value, known in (
        ("type", event.event_type, vocabulary.EVENT_TYPES),
        ("attributes.messageStatus", event.message_status, vocabulary.MESSAGE_STATUSES),
        ("attributes.channel", event.channel, vocabulary.CHANNELS),
        ("attributes.channelStatus", event.channel_status, vocabulary.CHANNEL_STATUSES),
        ("attributes.supplierStatus", event.supplier_status, vocabulary.SUPPLIER_STATUSES),
        ("attributes.cascadeType", event.cascade_type, vocabulary.CASCADE_TYPES),
    ):
        if value is not None and value not in known:
            rule = f"{_quoted(value)} is not one of {', '.join(known)}"
            raise Unprocessable(f"data[{event.item}].{place}: {rule}")


def _quoted(value: str) -> str:
    """Return the value in quotation marks, ASCII-escaped, cut to `_LONGEST_QUOTE` characters in all."""
    kept = value[:_LONGEST_QUOTE]
    quoted = ascii(kept)
    if kept == value and len(quoted) <= _LONGEST_QUOTE:
        return quoted
    while len(quoted := ascii(f"{kept}...")) > _LONGEST_QUOTE:
        kept = kept[:-1]
    return quoted


def _first_broken_rule(position: int, error: ValidationError) -> Unprocessable:
    """Say in the contract's words what pydantic says in its own, without the input."""
    first = error.errors(include_url=False, include_input=False)[0]
    # Names come from the types above alone, since unknown fields are passed over: nothing is echoed.
    names = [str(name) for name in first["loc"]]
    place = ".".join([f"data[{position}]", *names])
    return Unprocessable(f"{place}: {_rule(first['type'], names[-1] if names else '')}")


_RULE_OF = {
    "missing": "required",
    "dict_type": "must be an object",
    "string_type": "must be text",
}
# By the type of pydantic's error.


def _rule(broken: str, field: str) -> str:
    if field in _LEAST:
        return f"must be an integer from {_LEAST[field]} to {LARGEST_INTEGER}"
    if field == "timestamp":
        return _TIMESTAMP
    if broken in ("string_too_short", "string_too_long"):
        return f"must be 1 to {LONGEST[field]} characters"
    # Were pydantic to find another word, a 422 is still better than a 500: it keeps the callback.
    return _RULE_OF.get(broken, "must be as the contract says")
