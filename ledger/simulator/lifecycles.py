"""The lives that messages lead at NHS Notify, as its callbacks tell them. Pure: chance is an argument.

A life is drawn from `LIVES`. First the recipient's details are looked up, then channel after channel is
tried, each the fallback of the one before, until one delivers or none is left. The statuses and what
follows what are those of NHS Notify's page on message, channel and supplier statuses, with the ones that
its producer says besides. NHS App's supplier status `delivered` is no delivery: only `read` is.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random
from typing import NamedTuple


class Failure(NamedTuple):
    """Why something failed. Only MFR_PDSV_0005 is a code that Notify published; the others have its form."""

    code: str
    description: str


class Fact(NamedTuple):
    """One thing that Notify tells of a message, of itself or of one of its channels."""

    at: datetime
    message_status: str | None = None
    channel: str | None = None
    channel_status: str | None = None
    supplier_status: str | None = None
    failure: Failure | None = None
    cascade_order: int | None = None
    """The channel's place among those of the routing plan, from 1."""
    retry_count: int | None = None
    ended: tuple[tuple[str, str], ...] = ()
    """The channels that delivered or failed so far, where the fact is of the message itself."""


class Step(NamedTuple):
    """What a channel comes to next, at most so many hours after the step before."""

    hours: float
    channel_status: str
    supplier_status: str | None = None
    failure: Failure | None = None
    retry_count: int = 0


class Attempt(NamedTuple):
    """One channel, tried."""

    channel: str
    steps: tuple[Step, ...]

    @property
    def outcome(self) -> str:
        """The last channel status."""
        return self.steps[-1].channel_status


class Life(NamedTuple):
    """What becomes of one message in `share` of a hundred."""

    share: int
    attempts: tuple[Attempt, ...]
    failure: Failure | None = None
    """Why the message failed, where it did."""


_UNNOTIFIED = Failure("CFR_APP_0001", "Failed reason: The recipient’s device could not be notified")
_UNREAD = Failure("CFR_APP_0002", "Failed reason: The recipient hasn’t read the message in time")
_REJECTED = Failure("CFR_APP_0003", "Failed reason: NHS number not found")
_NO_EMAIL = Failure("CFR_PDS_0001", "Failed reason: Contact detail is missing")
_INBOX_FULL = Failure("CFR_EML_0002", "Failed reason: The recipient’s inbox is full")
_WRONG_NUMBER = Failure("CFR_SMS_0001", "Failed reason: The phone number does not exist")
_PHONE_OFF = Failure("CFR_SMS_0002", "Failed reason: The recipient’s phone is off or has no signal")
_NO_PROVIDER = Failure("CFR_SMS_0003", "Failed reason: The provider could not be reached")
_RETURNED = Failure("CFR_LTR_0001", "Failed reason: The letter was returned to the sender")
_OUTSIDE = Failure("CFR_LTR_0002", "Failed reason: Content lies outside the letter’s printable area")
_VIRUS = Failure("CFR_LTR_0003", "Failed reason: The letter’s file may hold a virus")

_INVALIDATED = Failure("MFR_PDSV_0005", "Failed reason: Patient record invalidated")
_UNREACHABLE = Failure("MFR_CHNL_0001", "Failed reason: No reachable communication channels")

_APP_SENT = (
    Step(0, "created"),
    Step(0.1, "sending", "received"),
    Step(0.3, "sending", "delivered"),
)
_APP_READ = Attempt("nhsapp", (*_APP_SENT, Step(0.1, "sending", "notified"), Step(20, "delivered", "read")))
_APP_READ_AFTER_DOUBT = Attempt(
    "nhsapp",
    (
        *_APP_SENT,
        Step(0.1, "sending", "notification_attempted"),
        Step(1, "sending", "unnotified"),
        Step(4, "sending", "notification_attempted"),  # what it said before, later: the same key again
        Step(18, "delivered", "read"),
    ),
)
_APP_UNNOTIFIED = Attempt(
    "nhsapp",
    (
        *_APP_SENT,
        Step(0.1, "sending", "notification_attempted"),
        Step(1, "sending", "unnotified"),
        Step(4, "failed", "unnotified", _UNNOTIFIED),
    ),
)
_APP_UNREAD = Attempt(
    "nhsapp", (*_APP_SENT, Step(0.1, "sending", "notified"), Step(24, "failed", "notified", _UNREAD))
)
_APP_REJECTED = Attempt("nhsapp", (Step(0, "created"), Step(0.2, "failed", "rejected", _REJECTED)))

_SENT = (Step(0, "created"), Step(0.1, "sending", "created"), Step(0.1, "sending", "sending"))
_EMAIL_DELIVERED = Attempt("email", (*_SENT, Step(0.5, "delivered", "delivered")))
_EMAIL_SKIPPED = Attempt("email", (Step(0, "created"), Step(0.1, "skipped", None, _NO_EMAIL)))
_EMAIL_FAILED = Attempt("email", (*_SENT, Step(72, "failed", "temporary_failure", _INBOX_FULL)))

_SMS_DELIVERED = Attempt("sms", (*_SENT, Step(0.5, "delivered", "delivered")))
_SMS_RETRIED = Attempt(
    "sms",
    (
        *_SENT,
        Step(3, "retry", "temporary_failure", _PHONE_OFF),
        Step(0.1, "sending", "sending", retry_count=1),
        Step(3, "retry", "temporary_failure", _PHONE_OFF, retry_count=1),
        Step(0.1, "sending", "pending", retry_count=2),
        Step(2, "delivered", "delivered", retry_count=2),
    ),
)
_SMS_WRONG_NUMBER = Attempt("sms", (*_SENT, Step(0.5, "failed", "permanent_failure", _WRONG_NUMBER)))
_SMS_UNSENT = Attempt(
    "sms", (Step(0, "created"), Step(0.1, "sending"), Step(1, "failed", "technical_failure", _NO_PROVIDER))
)

_LETTER_CHECKED = (
    Step(0, "created"),
    Step(6, "assigning_batch"),
    Step(1, "sending", "pending_virus_check"),
)
_LETTER_POSTED = (
    *_LETTER_CHECKED,
    Step(2, "sending", "accepted"),
    Step(24, "sending", "printed"),
    Step(4, "sending", "enclosed"),
    Step(20, "sending", "dispatched"),
)
_LETTER_DELIVERED = Attempt("letter", (*_LETTER_POSTED, Step(24, "delivered", "received")))
_LETTER_RETURNED = Attempt("letter", (*_LETTER_POSTED, Step(96, "failed", "returned", _RETURNED)))
_LETTER_INVALID = Attempt("letter", (*_LETTER_CHECKED, Step(2, "failed", "validation_failed", _OUTSIDE)))
_LETTER_INFECTED = Attempt("letter", (*_LETTER_CHECKED, Step(2, "failed", "virus_scan_failed", _VIRUS)))

LIVES = (
    Life(38, (_APP_READ,)),
    Life(8, (_APP_READ_AFTER_DOUBT,)),
    Life(12, (_APP_UNNOTIFIED, _SMS_DELIVERED)),
    Life(8, (_APP_UNREAD, _EMAIL_DELIVERED)),
    Life(6, (_APP_REJECTED, _EMAIL_SKIPPED, _SMS_RETRIED)),
    Life(6, (_APP_UNNOTIFIED, _SMS_WRONG_NUMBER, _LETTER_DELIVERED)),
    Life(4, (_APP_UNREAD, _EMAIL_FAILED, _LETTER_DELIVERED)),
    Life(3, (_APP_REJECTED, _SMS_UNSENT, _LETTER_RETURNED), _UNREACHABLE),
    Life(5, (_LETTER_DELIVERED,)),
    Life(1, (_LETTER_INVALID,), _UNREACHABLE),
    Life(1, (_LETTER_INFECTED,), _UNREACHABLE),
    Life(4, (_SMS_WRONG_NUMBER,), _UNREACHABLE),
    Life(4, (), _INVALIDATED),
)
"""The lives, and how common each is."""

_NOT_ENRICHED = (("created", 0.0), ("pending_enrichment", 0.01))
_ENRICHED = (*_NOT_ENRICHED, ("enriched", 0.1))
_ENRICHED_AGAIN = (*_ENRICHED, ("pending_enrichment", 12.0), ("enriched", 0.1))
# Statuses of the message and hours. The second enrichment says nothing new: the same keys, newer timestamps.

_STALE = (Step(0, "created"), Step(2, "stale_pds"), Step(0.2, "created"))
# How a channel begins whose details had to be looked up anew: `created` twice, likewise.


def facts(life: Life, chance: Random, born_at: datetime) -> Iterator[Fact]:
    """Yield what is told of a message of this life, in the order of its times; `born_at` in UTC.

    Times have milliseconds. Some facts share one, as Notify's do, so that their ranks decide.
    """
    at = born_at
    for status, hours in _looked_up(life, chance):
        at += _wait(chance, hours)
        yield Fact(at, message_status=status)
    ended: tuple[tuple[str, str], ...] = ()
    for order, attempt in enumerate(life.attempts, start=1):
        at += _wait(chance, 0.02 if order > 1 else 0)
        for step in (*_STALE, *attempt.steps[1:]) if chance.random() < 0.1 else attempt.steps:
            at += _wait(chance, step.hours)
            yield Fact(
                at,
                channel=attempt.channel,
                channel_status=step.channel_status,
                supplier_status=step.supplier_status,
                failure=step.failure,
                cascade_order=order,
                retry_count=step.retry_count,
            )
        if attempt.outcome in ("delivered", "failed"):
            ended += ((attempt.channel, attempt.outcome),)
    outcome = "failed" if life.failure else "delivered"
    yield Fact(at, message_status=outcome, failure=life.failure, ended=ended)


def _looked_up(life: Life, chance: Random) -> tuple[tuple[str, float], ...]:
    if not life.attempts:
        return _NOT_ENRICHED
    return (*(_ENRICHED_AGAIN if chance.random() < 0.15 else _ENRICHED), ("sending", 1.0))


def draw(chance: Random) -> Life:
    """Return one of `LIVES`, each as often as its share."""
    return chance.choices(LIVES, [life.share for life in LIVES])[0]


def _wait(chance: Random, hours: float) -> timedelta:
    return timedelta(milliseconds=int(hours * 3_600_000 * chance.uniform(0.05, 1)))
