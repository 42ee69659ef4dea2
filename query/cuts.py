"""Cuts: which part of a message's history is asked for, and which page of it, read strictly. Pure.

`known_at` asks what the ledger knew at a time (recorded by then) or, exactly, what the first so many entries
of the sealed ledger say; `as_of` what was true at a time (effective by then); both at once, what the ledger
knew at the one of what was true at the other.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from query.cursors import MalformedCursor, Place, decode_place
from query.filters import WHOLE_NUMBER, InvalidQuery, period, refuse_unknown, unique

MOST_STEPS = 1_000
"""How many lines a page of a timeline may hold, and holds unless fewer are asked for."""

ALLOWED = ("known_at", "as_of", "limit", "cursor")
"""The names of the parameters of a timeline."""


class Cut(NamedTuple):
    """What of a history counts; without either time, all of it."""

    known_at: datetime | None = None
    """Recorded at this time or earlier."""
    as_of: datetime | None = None
    """Effective at this time or earlier."""
    first: int | None = None
    """Stated by the sealed ledger's first so many entries: `known_at` where it is a number."""


class Question(NamedTuple):
    """Which page of whose timeline is asked for."""

    message_id: str
    cut: Cut = Cut()
    limit: int = MOST_STEPS
    after: Place | None = None

    @property
    def made_for(self) -> dict[str, str]:
        """What a cursor of the answer is good for: the message and the cut."""
        cut = self.cut
        times = {"known_at": cut.known_at, "as_of": cut.as_of}
        made_for = {name: moment.isoformat() for name, moment in times.items() if moment is not None}
        first = {} if cut.first is None else {"known_at": str(cut.first)}
        return {"messageId": self.message_id, **made_for, **first}

    @property
    def unmatchable(self) -> bool:
        """Whether no message can have this id, which PostgreSQL could not hold."""
        try:
            self.message_id.encode()
        except UnicodeEncodeError:
            return True
        return "\0" in self.message_id


def question(message_id: str, parameters: Iterable[tuple[str, str]]) -> Question:
    """Return what the parameters of a URL ask of a message's timeline; raises `InvalidQuery`."""
    given = unique(parameters)
    refuse_unknown(given, ALLOWED)
    as_of, known_at = _moment("as_of", given.get("as_of")), given.get("known_at")
    if known_at is not None and WHOLE_NUMBER.fullmatch(known_at):
        cut = Cut(None, as_of, int(known_at))
    else:
        cut = Cut(_moment("known_at", known_at), as_of)
    asked = Question(message_id, cut, _limit(given.get("limit")))
    cursor = given.get("cursor")
    if cursor is None:
        return asked
    try:
        return asked._replace(after=decode_place(cursor, asked.made_for))
    except MalformedCursor as error:
        raise InvalidQuery("cursor: not one that this service gave for this timeline") from error


def _moment(name: str, text: str | None) -> datetime | None:
    """Return the very moment that a time names, of a date its midnight, UTC."""
    if text is None:
        return None
    try:
        return period(text).start.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        rule = "must be a date (2026-11-23) or a time (2026-11-23T09:15:02.123456Z)"
        raise InvalidQuery(f"{name}: {rule}") from error


def _limit(text: str | None) -> int:
    if text is None:
        return MOST_STEPS
    if WHOLE_NUMBER.fullmatch(text) is None or not 1 <= int(text) <= MOST_STEPS:
        raise InvalidQuery(f"limit: must be a whole number from 1 to {MOST_STEPS}")
    return int(text)
