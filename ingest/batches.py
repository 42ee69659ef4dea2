"""Reads the batch of messages that a client sends to Notify's `/v1/message-batches`. Pure.

Of all that the body says only the references, the routing plan and the NHS numbers are looked at. The first
broken rule is named by its place, never by a value: a value may be an NHS number.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from eventstore.errors import LedgerError
from eventstore.recipients import ten_digits
from ingest.strict_json import NotStrictJson, parse

MOST_MESSAGES = 45_000
"""How many messages Notify takes in one batch."""

MOST_BRACKETS = 50 * MOST_MESSAGES
"""How many objects and lists a body may hold: a message has eight or so. Bounds what it takes to read one."""

LONGEST = 255
"""Characters that a reference or the id of a routing plan may have; the least is 1."""


class InvalidBatch(LedgerError):
    """The batch cannot be registered as it was sent."""


class Message(NamedTuple):
    """A message of a batch: the client's reference, and whom it is for."""

    reference: str
    nhs_number: str
    """Ten digits; they go no further than to the token that is made of them."""

    def __repr__(self) -> str:
        return f"Message({self.reference!r})"


def place_of(number: int) -> str:
    """Return the place in the body of a message, counted from 0."""
    return f"data.attributes.messages[{number}]"


class Batch(NamedTuple):
    """What a client says that it sends."""

    reference: str
    routing_plan_id: str
    messages: tuple[Message, ...]
    """In the order of the body, no reference twice."""
    place: Callable[[int], str] = place_of
    """Where the body states a message, counted from 0."""


def read(body: bytes) -> Batch:
    """Return the batch that a body states; raises `InvalidBatch` for the first rule that it breaks."""
    data = _member(_parsed(body), "", "data")
    if _member(data, "data", "type") != "MessageBatch":
        raise InvalidBatch("data.type: must be MessageBatch")
    place = "data.attributes"
    attributes = _member(data, "data", "attributes")
    routing_plan_id = text_of(attributes, place, "routingPlanId")
    reference = text_of(attributes, place, "messageBatchReference")
    messages = _member(attributes, place, "messages")
    if not isinstance(messages, list):
        raise InvalidBatch(f"{place}.messages: must be a list")
    if not 1 <= len(messages) <= MOST_MESSAGES:
        raise InvalidBatch(f"{place}.messages: must be 1 to {MOST_MESSAGES} messages")
    read_messages = tuple(_message(message, place_of(number)) for number, message in enumerate(messages))
    refuse_one_reference_twice(read_messages, place_of)
    return Batch(reference, routing_plan_id, read_messages)


def _parsed(body: bytes) -> Any:
    if body.count(b"{") + body.count(b"[") > MOST_BRACKETS:
        raise InvalidBatch(f"body: more than {MOST_BRACKETS} objects and lists")
    try:
        return parse(body)
    except NotStrictJson as error:
        raise InvalidBatch(f"body: not strict JSON: {error.detail}") from None


def _member(holder: Any, place: str, name: str) -> Any:
    if not isinstance(holder, dict):
        raise InvalidBatch(f"{place or 'body'}: must be an object")
    if name not in holder:
        raise InvalidBatch(f"{place}.{name}: required".removeprefix("."))
    return holder[name]


def text_of(holder: Any, place: str, name: str) -> str:
    """Return the text that an object at a place has under a name; raises `InvalidBatch` where it is none."""
    value = _member(holder, place, name)
    if not isinstance(value, str):
        raise InvalidBatch(f"{place}.{name}: must be text")
    if not 1 <= len(value) <= LONGEST:
        raise InvalidBatch(f"{place}.{name}: must be 1 to {LONGEST} characters")
    if "\0" in value:
        raise InvalidBatch(f"{place}.{name}: must not contain NUL")
    return value


def _message(message: Any, place: str) -> Message:
    reference = text_of(message, place, "messageReference")
    recipient = _member(message, place, "recipient")
    place = f"{place}.recipient"
    written = _member(recipient, place, "nhsNumber")
    return Message(reference, digits_of(written, place))


def digits_of(written: Any, place: str) -> str:
    """Return the digits of an NHS number that stands at a place; raises `InvalidBatch` where it is none."""
    digits = ten_digits(written) if isinstance(written, str) else None
    if digits is None:
        raise InvalidBatch(f"{place}.nhsNumber: must be text, 10 digits of which the last is the check digit")
    return digits


def refuse_one_reference_twice(messages: tuple[Message, ...], place: Callable[[int], str]) -> None:
    """Raise `InvalidBatch` for the first message that has the reference of an earlier one."""
    first: dict[str, int] = {}
    for number, message in enumerate(messages):
        if first.setdefault(message.reference, number) != number:
            earlier = place(first[message.reference]).removeprefix("data.attributes.")
            raise InvalidBatch(f"{place(number)}.messageReference: the same as that of {earlier}")
