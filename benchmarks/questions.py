"""What the filters are measured with: rare, common and absent values of each, drawn from a ledger."""

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import psycopg

from benchmarks.population import SIZES, nhs_numbers

MANY = 200
"""Distinct values of a filter that are asked for in turn, where there are as many."""

Filters = dict[str, str]


class Question(NamedTuple):
    """One row of the outcome: a filter with one kind of value."""

    name: str
    asked: Sequence[Filters]
    """What is asked in turn, each with a value of its own."""


def questions(connection: psycopg.Connection, messages: int) -> Iterator[Question]:
    """Yield every filter of `GET /api/statuses` on its own, with each kind of value."""
    yield Question("(none)", [{}])
    yield from _ids(connection, messages)
    yield from _registered(connection)
    yield from _statuses()
    yield from _times(connection)


def _ids(connection: psycopg.Connection, messages: int) -> Iterator[Question]:
    chance = random.Random(messages)  # noqa: S311 - a reproducible choice, no secret
    numbers = [chance.randrange(messages) for _ in range(MANY)]
    found = connection.execute(
        "SELECT message_id, message_reference FROM message_status"
        " WHERE message_reference IN"
        " (SELECT md5('reference ' || n)::uuid::text FROM unnest(%s::bigint[]) AS n)",
        [numbers],
    ).fetchall()
    yield Question("messageId", [{"messageId": one} for one, _ in found])
    yield Question("messageId, absent", [{"messageId": f"{number:027d}"} for number in numbers])
    yield Question("messageReference", [{"messageReference": one} for _, one in found])
    yield Question("messageReference, absent", [{"messageReference": f"none-{number}"} for number in numbers])


def _registered(connection: psycopg.Connection) -> Iterator[Question]:
    for size, _ in reversed(SIZES):
        found = connection.execute(
            "SELECT reference FROM benchmark.batches"
            " WHERE size = %s AND client_id IS NOT NULL ORDER BY md5(reference) LIMIT %s",
            [size, MANY],
        ).fetchall()
        yield Question(f"batchReference of {size:,}", [{"batchReference": one} for (one,) in found])
    yield Question("batchReference, absent", [{"batchReference": f"none-{n}"} for n in range(MANY)])
    usual = list(nhs_numbers(MANY + 1))
    yield Question("nhsNumber", [{"nhsNumber": one} for one in usual[1:]])
    yield Question("nhsNumber of a tester", [{"nhsNumber": usual[0]}])
    yield Question("nhsNumber, absent", [{"nhsNumber": "9999999999"}, {"nhsNumber": "9000000009"}])


def _statuses() -> Iterator[Question]:
    for name, values in (
        ("channel", ("nhsapp", "sms", "email", "letter", "fax")),
        ("messageStatus", ("delivered", "failed", "sending", "created", "enriched")),
        ("channelStatus", ("delivered", "sending", "failed", "skipped")),
        (
            "supplierStatus",
            ("read", "received", "permanent_failure", "returned", "virus_scan_failed", "cancelled"),
        ),
    ):
        for value in values:
            yield Question(f"{name}={value}", [{name: value}])


def _times(connection: psycopg.Connection) -> Iterator[Question]:
    ((first, last),) = connection.execute(
        "SELECT min(recorded_at), max(recorded_at) FROM message_status"
    ).fetchall()
    days = max(1, (last - first).days)
    moments = [first + timedelta(days=number * days / MANY) for number in range(MANY)]
    chosen = connection.execute(
        "SELECT (SELECT recorded_at FROM message_status WHERE recorded_at >= at ORDER BY recorded_at LIMIT 1)"
        " FROM unnest(%s::timestamptz[]) AS at",
        [moments],
    ).fetchall()
    yield Question("created_at, a day", [{"created_at": f"{at:%Y-%m-%d}"} for at in moments])
    yield Question(
        "created_at, a second",
        [{"created_at": f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"} for (at,) in chosen],
    )
    yield Question("created_at, absent", [{"created_at": "2001-01-01"}])
    yield Question("createdAfter", [{"createdAfter": f"{at:%Y-%m-%d}"} for at in moments])
    yield Question(
        "createdAfter, absent", [{"createdAfter": f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%d}"}]
    )
    yield Question("createdBefore", [{"createdBefore": f"{at:%Y-%m-%d}"} for at in moments])
    yield Question("createdBefore, absent", [{"createdBefore": "2001-01-01"}])
