"""Reads over HTTP: one message's status again and again, and pages of a thousand."""

import http.client

from benchmarks.bodies import LIFECYCLE
from benchmarks.ground import Ground
from benchmarks.intake import have_events
from benchmarks.load import get
from benchmarks.service import CLIENT_KEY

CONNECTIONS = 64
"""As many as the constant beside it is asked by."""
PAGE = 1_000
PAGES = 40
"""Pages at least, of which the processor time is the mean."""
MESSAGES = 4_000
"""At least so many messages are in the ledger that is read."""


def lookups(ground: Ground, workers: int) -> tuple[float]:
    """Return how many times a second the status of one message, by its id, is answered."""
    ids = _messages(ground, workers)
    port = ground.service(workers).port
    paths = [f"/api/statuses?messageId={one}" for one in ids]
    ground.settle()
    return (get(port, paths, ground.requests, CLIENT_KEY, ground.seconds, CONNECTIONS).rate,)


def health(ground: Ground, workers: int) -> tuple[float]:
    """Return how many times a second the service's own emptiest route is answered."""
    port = ground.service(workers).port
    ground.settle()
    return (get(port, ["/api/healthcheck"], ground.requests, "", ground.seconds, CONNECTIONS).rate,)


def page_cpu(ground: Ground) -> tuple[float]:
    """Return the processor time in ms that the service takes for a page of a thousand records."""
    _messages(ground, workers=1)
    service = ground.service(workers=1)
    client = http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)
    ground.settle()
    pages = max(PAGES, int(PAGES * ground.seconds))
    _page(client)
    before = service.cpu_seconds()
    for _ in range(pages):
        _page(client)
    took = service.cpu_seconds() - before
    client.close()
    return (took / pages * 1000,)


def _page(client: http.client.HTTPConnection) -> None:
    client.request("GET", f"/api/statuses?limit={PAGE}", headers={"x-api-key": CLIENT_KEY})
    answer = client.getresponse()
    body = answer.read()
    if answer.status != 200 or body.count(b'"message_id"') != PAGE:
        raise RuntimeError(f"{answer.status}, {len(body)} bytes for a page of {PAGE}")


def _messages(ground: Ground, workers: int) -> list[str]:
    """Return the ids of many messages of the ledger, after telling it of them where it has too few."""
    question = "SELECT message_id FROM message_status ORDER BY md5(message_id) LIMIT 20000"
    have_events(ground, MESSAGES * len(LIFECYCLE), workers)
    with ground.connect() as connection:
        return [message_id for (message_id,) in connection.execute(question).fetchall()]
