"""Judges, after a fault, what the supplier knows against what the ledger holds."""

import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import Container, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import psycopg
from pydantic import SecretStr

from eventstore.anchors import Folder
from eventstore.checkpoints import Seals
from eventstore.database import Database
from eventstore.sealing import Sealing
from ingest.signature import SigningSecrets
from ledger.audit.bundles import Bundle, read_anchors
from ledger.audit.findings import Erased, Finding
from ledger.audit.notes import read_key
from ledger.audit.verify import verify as verify_seals
from ledger.bundling import export
from ledger.preflight import SERVICE_ROLE
from ledger.seals import signing_key
from projections.projection import PROJECTIONS
from projections.verify import verify as verify_read_model
from tests.end_to_end.chaos.load import Load, Outcome
from tests.support.database import execute
from tests.support.supplier import HMAC_SECRET, SEALING_KEY

LEDGER = "localhost/status-ledger"

PUBLISHED_WITHIN = 60.0
"""Seconds after healing in which every acknowledged entry has to be in a signed, published checkpoint."""

_NAMED = 3
"""How many of one kind are named."""


class Verdict(NamedTuple):
    """What a fault has done."""

    lost: list[str]
    """Acknowledged requests whose entries are not there, or not byte for byte."""
    wrong: list[str]
    """Whatever else is not as it should be."""


class Kept(NamedTuple):
    """A row of `entries`, as far as a supplier can judge it."""

    body: bytes
    signature: bytes
    rejection: str | None


def judge(
    load: Load,
    url: str,
    anchors: Path,
    *,
    besides: Container[bytes] = (),
    known: str = "",
) -> Verdict:
    """Hold the ledger at `url` against what the supplier of `load` knows; `besides` are bodies of others.

    The ledger is sealed to its end. `known` is a kind of the auditor's findings that there must be.
    """
    kept = {
        str(entry_id): Kept(bytes(body), bytes(signature), rejection)  # type: ignore[call-overload, arg-type]
        for entry_id, body, signature, rejection in execute(
            url, "SELECT entry_id, body, signature, rejection FROM entries"
        )
        if bytes(body) not in besides  # type: ignore[call-overload]
    }
    lost = sorted(
        attempt.entry_id
        for attempt in load.attempts
        if attempt.outcome is Outcome.OK
        and (attempt.entry_id not in kept or kept[attempt.entry_id].body != attempt.told.body)
    )
    wrong = [
        *_entries(load, kept),
        *_events(load, kept, url),
        *_some("went backwards", load.backwards),
        *_read_model(url),
        *_sealed(load, url, anchors, known),
    ]
    return Verdict(lost, wrong)


def _some(what: str, found: Iterable[object]) -> Iterator[str]:
    listed = list(found)
    if listed:
        yield f"{len(listed)} {what}: {'; '.join(map(str, listed[:_NAMED]))}"


def _entries(load: Load, kept: dict[str, Kept]) -> Iterator[str]:
    attempted = Counter(attempt.told.body for attempt in load.attempts)
    bodies = Counter(entry.body for entry in kept.values())
    refused = {attempt.entry_id for attempt in load.attempts if attempt.outcome is Outcome.FAILED}
    secrets = SigningSecrets(HMAC_SECRET)
    yield from _some("entries that nobody sent", bodies.keys() - attempted.keys())
    yield from _some(
        "bodies kept more often than sent", (body for body in bodies if bodies[body] > attempted[body])
    )
    yield from _some("requests refused and kept all the same", refused & kept.keys())
    yield from _some("callbacks rejected", (entry.rejection for entry in kept.values() if entry.rejection))
    yield from _some(
        "signatures that do not verify",
        (
            entry_id
            for entry_id, entry in kept.items()
            if secrets.verify(entry.body, entry.signature.hex().encode()) is None
        ),
    )


def _events(load: Load, kept: dict[str, Kept], url: str) -> Iterator[str]:
    rows = execute(url, "SELECT entry_id, idempotency_key FROM events")
    told = Counter(str(key) for entry_id, key in rows if str(entry_id) in kept)
    attempted = {key for attempt in load.attempts for key in attempt.told.keys}
    acknowledged = {
        key for attempt in load.attempts if attempt.outcome is Outcome.OK for key in attempt.told.keys
    }
    yield from _some("events that nobody sent", told.keys() - attempted)
    yield from _some("events acknowledged and not there", acknowledged - told.keys())
    yield from _some("events there more than once", (key for key, times in told.items() if times > 1))


def _read_model(url: str) -> Iterator[str]:
    with psycopg.connect(url, autocommit=True, options="-c timezone=UTC") as connection:
        yield from _some("rows of the read model that differ", verify_read_model(connection, PROJECTIONS))


def _sealed(load: Load, url: str, anchors: Path, known: str) -> Iterator[str]:
    try:
        found = asyncio.run(_verified(url, anchors))
    except Exception as error:  # whatever it is, the ledger should not have come to it
        yield f"it can be sealed and verified no more: {error!r}"
        return
    unknown = [one for one in found if not (isinstance(one, Finding) and one.what == known)]
    if known and len(unknown) == len(found):
        yield f"the auditor's verifier does not find {known}"
    yield from _some("findings of the auditor's verifier", unknown)
    yield from _some("not sealed", _not_yet(load.acknowledged_entries, url))


async def _verified(url: str, anchors: Path) -> list[Finding | Erased]:
    """Seal to the end, and return what the auditor's verifier finds."""
    seals = Seals(LEDGER, signing_key(SecretStr(SEALING_KEY)), (), Folder(anchors))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with Database(url, role=SERVICE_ROLE, connections=1) as database:
            await Sealing(database, seals).once(now=True)
            await export(database, folder)
        ((incarnation,),) = execute(url, "SELECT incarnation FROM sealer")
        key = read_key(str(seals.key.verifying(seals.origin(str(incarnation)))))
        return list(verify_seals(Bundle(folder), read_anchors(anchors), [key]))


def _not_yet(acknowledged: set[str], url: str) -> set[str]:
    """Return the entries that no published checkpoint covers."""
    query = "SELECT entry_id FROM leaves WHERE index < (SELECT published_size FROM sealer)"
    return acknowledged - {str(entry_id) for (entry_id,) in execute(url, query)}


def unpublished(load: Load, url: str) -> set[str]:
    """Wait for the service to publish what it acknowledged; return what it has not."""
    acknowledged, until = load.acknowledged_entries, time.monotonic() + PUBLISHED_WITHIN
    while (missing := _not_yet(acknowledged, url)) and time.monotonic() < until:
        time.sleep(0.5)  # nothing tells of it
    return missing
