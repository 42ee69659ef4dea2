"""Asks a question over HTTP again and again, and PostgreSQL how it answers."""

import http.client
import json
import statistics
import time
from typing import Any, NamedTuple
from urllib.parse import urlencode

import psycopg
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from benchmarks.questions import Filters, Question
from eventstore.recipients import RecipientKeys
from query.filters import from_parameters
from query.page import page_of

PATH = "/api/statuses"
LIMIT = 100
LATER = 3
"""The later page that is asked for."""
AT_LEAST, AT_MOST = 12, 400
"""Requests in one measurement, whatever time they take."""


class Outcome(NamedTuple):
    """One line of the table."""

    name: str
    client: str | None
    page: int
    requests: int
    records: int
    median_ms: float
    p99_ms: float
    buffers: int
    plan: list[str]


class Plan(NamedTuple):
    """How PostgreSQL answers: indexes and scans by name, and pages of 8 KiB that it touches."""

    scans: list[str]
    buffers: int


def ask(  # noqa: PLR0913, PLR0917 - what, as whom, and where
    connection: psycopg.Connection,
    port: int,
    question: Question,
    client: str | None,
    key: str,
    recipients: RecipientKeys,
    seconds: float,
) -> list[Outcome]:
    """Return the outcome of the first page and, where there is one, of a later page."""
    http_client = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    outcomes = []
    later: list[Filters] = []
    for page, asked in ((1, [one | {"limit": str(LIMIT)} for one in question.asked]), (LATER, later)):
        if not asked:
            break
        took, records = _ask(http_client, asked, key, seconds)
        plan = explain(connection, asked[len(took) % len(asked)], recipients, client)
        p99 = statistics.quantiles(took, n=100, method="inclusive")[98]
        outcomes.append(
            Outcome(
                question.name,
                client,
                page,
                len(took),
                records,
                statistics.median(took),
                p99,
                plan.buffers,
                plan.scans,
            )
        )
        if page == 1:
            later += _later(http_client, asked[:3], key)
    http_client.close()
    return outcomes


def _ask(
    client: http.client.HTTPConnection, asked: list[Filters], key: str, seconds: float
) -> tuple[list[float], int]:
    """Ask in turn; return the milliseconds of each request, and how many records one answer had, at most."""
    for filters in asked[:6]:  # from the sixth time on, PostgreSQL has the statement prepared
        _get(client, filters, key)
    took: list[float] = []
    records = 0
    ends = time.perf_counter() + seconds
    while len(took) < AT_LEAST or (time.perf_counter() < ends and len(took) < AT_MOST):
        begun = time.perf_counter()
        body = _get(client, asked[len(took) % len(asked)], key)
        took.append((time.perf_counter() - begun) * 1000)
        records = max(records, body.count(b'"created_at"'))
    return took, records


def _get(client: http.client.HTTPConnection, filters: Filters, key: str) -> bytes:
    client.request("GET", f"{PATH}?{urlencode(filters)}", headers={"x-api-key": key})
    answer = client.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"{answer.status} for {filters}: {body[:200]!r}")
    return body


def _later(client: http.client.HTTPConnection, asked: list[Filters], key: str) -> list[Filters]:
    """Return the filters with the cursor of the later page, where the answers go on so far."""
    found = []
    for filters in asked:
        following = filters
        for _ in range(1, LATER):
            links = json.loads(_get(client, following, key)).get("links")
            if links is None:
                break
            following = filters | {"cursor": links["cursor"]}
        else:
            found.append(following)
    return found


def explain(
    connection: psycopg.Connection, filters: Filters, recipients: RecipientKeys, client: str | None
) -> Plan:
    """Return how PostgreSQL answers the very statement that the service sends, under the service's role."""
    query = from_parameters(filters.items(), recipients, client)
    compiled = page_of(query).compile(
        dialect=PGDialect_psycopg(),  # type: ignore[no-untyped-call]
        compile_kwargs={"render_postcompile": True},
    )
    explaining = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {compiled}"
    with connection.transaction():
        connection.execute("SET LOCAL ROLE ledger_service")
        ((plans,),) = connection.execute(explaining.encode(), compiled.params).fetchall()
    top = plans[0]["Plan"]
    scans = dict.fromkeys(_scans(top))
    return Plan(list(scans), top["Shared Hit Blocks"] + top["Shared Read Blocks"])


def _scans(node: dict[str, Any]) -> list[str]:
    below = [scan for child in node.get("Plans", ()) for scan in _scans(child)]
    if not node["Actual Loops"]:
        return below
    if "Index Name" in node:
        return [node["Index Name"], *below]
    if node["Node Type"] in {"Seq Scan", "Hash Join", "Merge Join", "Sort"}:
        return [f"{node['Node Type']} {node.get('Relation Name', '')}".strip(), *below]
    return below
