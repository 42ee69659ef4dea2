"""Rebuilds the read model beside a running service, and times whoever reads and writes meanwhile."""

import http.client
import time
from collections.abc import Callable
from threading import Event, Thread
from typing import NamedTuple

import psycopg

from benchmarks.bodies import bodies
from benchmarks.service import API_KEY, SECRET
from eventstore.database import Database
from ingest.signature import SigningSecrets
from ledger.commands.progress import progress_bars
from projections.listing import Listing
from projections.projection import CURRENT_STATUS
from projections.rebuild import rebuild

EVERY = 0.01
"""Seconds between two probes of each kind."""


class Waited(NamedTuple):
    """One answer: when it was asked for, and how long it took."""

    at: float
    seconds: float


class Pauses(NamedTuple):
    """How fast the rebuild was, and the longest that anyone waited meanwhile."""

    events: int
    folding_seconds: float
    seconds: float
    """Indexes, the rest and the swap included."""
    longest_read_ms: float
    longest_callback_ms: float
    longest_swap_ms: float
    """The longest of both while the new tables took the place of the old ones."""
    reads: int
    callbacks: int

    def told(self) -> list[tuple[str, str]]:
        """Return headings and figures."""
        return [
            ("events", f"{self.events:,}"),
            ("folding, events/s", f"{self.events / self.folding_seconds:,.0f}"),
            ("all in all, s", f"{self.seconds:,.0f}"),
            ("all in all, events/s", f"{self.events / self.seconds:,.0f}"),
            (f"longest of {self.reads:,} reads, ms", f"{self.longest_read_ms:.0f}"),
            (f"longest of {self.callbacks:,} callbacks, ms", f"{self.longest_callback_ms:.0f}"),
        ]


def rebuild_beside_traffic(url: str, port: int, client_key: str) -> Pauses:
    """Rebuild; one reader and one supplier ask one request after another until it is over."""
    secrets = SigningSecrets(SECRET)
    lines = bodies(10_000_000, seed=int(time.time()))
    reads: list[Waited] = []
    callbacks: list[Waited] = []
    over = Event()

    def read(client: http.client.HTTPConnection) -> None:
        client.request("GET", "/api/statuses?limit=1", headers={"x-api-key": client_key})

    def call_back(client: http.client.HTTPConnection) -> None:
        body = next(lines)
        headers = {"x-api-key": API_KEY, "x-hmac-sha256-signature": secrets.sign(body)}
        client.request("POST", "/api/status/create", body, headers)

    probes = [
        Thread(target=_probe, args=(port, send, took, over))
        for send, took in ((read, reads), (call_back, callbacks))
    ]
    for probe in probes:
        probe.start()
    folding = _Folding()
    try:
        with psycopg.connect(url, autocommit=True) as connection, progress_bars() as begin:
            connection.execute("SET timezone TO 'UTC'")
            started = time.perf_counter()
            rebuild(
                connection,
                CURRENT_STATUS,
                begun=lambda events: folding.begin(events, begin("Rebuilding", events)),
                progress=folding.go_on,
            )
            ended = time.perf_counter()
    finally:
        over.set()
        for probe in probes:
            probe.join(60)
    return Pauses(
        folding.events,
        folding.seconds,
        ended - started,
        _longest(reads),
        _longest(callbacks),
        _longest(
            [one for one in reads + callbacks if one.at + one.seconds >= folding.told and one.at <= ended]
        ),
        len(reads),
        len(callbacks),
    )


def _longest(waited: list[Waited]) -> float:
    return max((one.seconds for one in waited), default=0.0) * 1000


async def list_registered(url: str) -> int:
    """List what a rebuild took out of the listing, as the service does; return how many registrations."""
    async with Database(url, connections=1) as database:
        return await Listing(database).once()


class _Folding:
    """Times the fold of what the ledger held when the rebuild began."""

    events = 0
    seconds = 0.0
    told = 0.0
    """When progress was told of last: then all but the swap is done."""

    def begin(self, events: int, advance: Callable[[int], None]) -> None:
        """Start the clock."""
        self.events, self._left, self._advance = events, events, advance
        self._begun = time.perf_counter()

    def go_on(self, events: int) -> None:
        """Count, and stop the clock with the last of them."""
        self._advance(events)
        self.told = time.perf_counter()
        if self._left > 0:
            self._left -= events
            self.seconds = time.perf_counter() - self._begun


def _probe(
    port: int, send: Callable[[http.client.HTTPConnection], None], took: list[Waited], over: Event
) -> None:
    """Send one request after another, and keep how long each took; any answer but 200 is an error."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    while not over.wait(EVERY):
        begun = time.perf_counter()
        send(client)
        answer = client.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{answer.status} while the read model was rebuilt")
        took.append(Waited(begun, time.perf_counter() - begun))
    client.close()
