"""Counts where messages stand, by channel and status, and what that means for who waits for one."""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import NamedTuple

from psycopg.rows import args_row

from eventstore.database import Database
from eventstore.statements import statement
from query.filters import InvalidQuery

LONGEST = "10s"
"""How long the database may count before it is stopped."""

SHOWN_DAYS = 30
"""Days that are counted unless others are asked for."""


class Outcome(StrEnum):
    """What a channel's status means to who waits for the message."""

    DELIVERED = "delivered"
    UNDER_WAY = "under way"
    FAILED = "failed"
    SKIPPED = "skipped"


_OUTCOMES = {
    "delivered": Outcome.DELIVERED,
    "read": Outcome.DELIVERED,
    "failed": Outcome.FAILED,
    "permanent_failure": Outcome.FAILED,
    "technical_failure": Outcome.FAILED,
    "temporary_failure": Outcome.FAILED,
    "rejected": Outcome.FAILED,
    "skipped": Outcome.SKIPPED,
}


class Period(NamedTuple):
    """Days, the first and the last one included."""

    first: date
    last: date

    @property
    def since(self) -> datetime:
        """The moment at which the first day begins."""
        return datetime.combine(self.first, time(), UTC)

    @property
    def until(self) -> datetime:
        """The moment at which the last day has ended; the last of all days ends a microsecond early."""
        if self.last == date.max:
            return datetime.max.replace(tzinfo=UTC)
        return datetime.combine(self.last + timedelta(days=1), time(), UTC)


class Standing(NamedTuple):
    """How many messages stand at a status; fields stand in the order of the columns of `sql/overview.sql`."""

    channel: str | None
    """None where the message's own status is meant."""
    status: str | None
    messages: int

    @property
    def outcome(self) -> Outcome:
        """What the status means."""
        return _OUTCOMES.get(self.status or "", Outcome.UNDER_WAY)


class Overview(NamedTuple):
    """Where the messages stand whose latest event was recorded in a period."""

    messages: list[Standing]
    channels: list[Standing]

    @property
    def outcomes(self) -> dict[str, dict[Outcome, int]]:
        """How many messages have each outcome, by channel."""
        return {channel: dict(_summed(channel, self.channels)) for channel in self._names}

    @property
    def _names(self) -> list[str]:
        return list(dict.fromkeys(one.channel for one in self.channels if one.channel is not None))


def _summed(channel: str, standings: Iterable[Standing]) -> Iterator[tuple[Outcome, int]]:
    of_channel = [one for one in standings if one.channel == channel]
    for outcome in Outcome:
        yield outcome, sum(one.messages for one in of_channel if one.outcome is outcome)


def asked_period(first: str, last: str, today: date) -> Period:
    """Return the days that are asked for; empty text means the usual ones. Raises `InvalidQuery`."""
    ends = _day("to", last) if last else today
    begins = _day("from", first) if first else _before(ends)
    if begins > ends:
        raise InvalidQuery("from: must not be after the last day")
    return Period(begins, ends)


def _day(name: str, text: str) -> date:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError as error:
        raise InvalidQuery(f"{name}: must be a date, for example 2026-11-23") from error


def _before(last: date) -> date:
    return last - min(timedelta(days=SHOWN_DAYS - 1), last - date.min)


async def overview(database: Database, period: Period) -> Overview:
    """Return where the messages of a period stand."""
    async with (
        database.snapshot() as connection,
        connection.cursor(row_factory=args_row(Standing)) as cursor,
    ):
        await cursor.execute(f"SET LOCAL statement_timeout = '{LONGEST}'")
        await cursor.execute(statement("query", "overview"), {"since": period.since, "until": period.until})
        rows = await cursor.fetchall()
    return Overview(
        [one for one in rows if one.channel is None], [one for one in rows if one.channel is not None]
    )
