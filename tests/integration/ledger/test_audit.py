"""What is done behind the ledger's back is named exactly by the verifier; a clean ledger gives no finding."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from typer.testing import CliRunner

from eventstore.database import Database
from eventstore.erasure import Outcome, Request, erase
from eventstore.proofs import proof_of
from eventstore.sealing import Sealing
from ledger.audit import leaves as leaves_of
from ledger.audit.findings import Erased, Finding
from ledger.audit.notes import Key, NotProven, read_key
from ledger.audit.proofs import verify_proof
from ledger.bundling import BundleExists
from ledger.cli import app as command_line
from ledger.preflight import SERVICE_ROLE
from tests.support.client import BATCH, KEY, batch, message, nhs_numbers
from tests.support.database import execute
from tests.support.sealing import Clock, leaves, seals_in
from tests.support.supplier import body, delivered, item, signed
from tests.support.tampering import (
    ENTRY_2,
    Ledger,
    Tampering,
    adds_an_event,
    blanks_without_saying_so,
    changes_a_byte,
    changes_a_byte_and_its_leaf,
    changes_a_registration,
    changes_a_time,
    changes_an_event,
    changes_what_stands_beside,
    cuts_the_tail_off,
    deletes_a_row,
    deletes_a_row_and_its_leaf,
    deletes_an_event,
    deletes_an_event_that_was_told_again,
    forges_a_signature,
    grants_too_much,
    replaces_a_checkpoint,
    swaps_two_rows,
    switches_a_guard_off,
)


@pytest.fixture
async def ledger(client: httpx.AsyncClient, database_url: str, tmp_path: Path) -> AsyncIterator[Ledger]:
    async with Database(database_url, role=SERVICE_ROLE, connections=1) as database:
        seals = seals_in(tmp_path / "anchors", Clock())
        sealing = Sealing(database, seals)
        contents = [
            (body(delivered(), delivered("another", key="key-2", channelStatus="sending")), 200),
            (body(delivered()), 200),
            (body(delivered(channel="pigeon")), 422),
            (body(item(key="key-3", kind="MessageStatus", messageStatus="failed", timestamp=None)), 200),
            (body(delivered(key="key-4", big=10**19, real=1.5, timestamp="2026-11-23T23:59:60Z")), 200),
            (body(delivered(key="key-5", text="’\u0001😀", timestamp="2999-01-01T00:00:00+01:00")), 200),
        ]  # fmt: skip
        for place, (content, status) in enumerate(contents):
            answer = await client.post("/api/status/create", content=content, headers=signed(content))
            assert answer.status_code == status, answer.text
            if place == 3:
                numbers = nhs_numbers(2)
                registered = batch(message("r-1", numbers[0]), message("r-2", numbers[1]))
                assert (await client.post(BATCH, content=registered, headers=KEY)).status_code == 201
            if place % 2:
                await sealing.once(now=True)
        yield Ledger(database_url, tmp_path, seals)


@pytest.fixture
def service_settings(service_settings: Any) -> Any:
    """The settings of a service that seals nothing: the test does."""
    return service_settings.model_copy(update={"seal_every": 0})


async def test_a_clean_ledger_gives_no_finding(ledger: Ledger) -> None:
    assert len(leaves(ledger.url)) == 7
    assert await ledger.found() == []


TAMPERINGS: list[tuple[Tampering, list[tuple[str, str]]]] = [
    (changes_a_byte, [ENTRY_2]),
    (changes_a_byte_and_its_leaf, [("root.differs", "indexes 2 to 4")]),
    (changes_a_time, [ENTRY_2]),
    (changes_what_stands_beside, [ENTRY_2]),
    (deletes_a_row, [("entry.gone", "index 2")]),
    (deletes_a_row_and_its_leaf, [("leaf.gone", "index 2")]),
    (swaps_two_rows, [("leaves.swapped", "indexes 2 and 3")]),
    (cuts_the_tail_off, [("checkpoint.gone", "7 entries"), ("log.shorter", "7 entries")]),
    (replaces_a_checkpoint, [("checkpoint.replaced", "7 entries"), ("checkpoint.gone", "7 entries")]),
    (forges_a_signature, [("checkpoint.invalid", "7 entries")]),
    (changes_an_event, [("event.changed", "item 1")]),
    (deletes_an_event, [("event.gone", "item 1")]),
    (deletes_an_event_that_was_told_again, [("event.gone", "item 0"), ("event.gone", "item 0")]),
    (adds_an_event, [("event.surplus", "item 7")]),
    (changes_a_registration, [("registration.changed", "r-2")]),
    (blanks_without_saying_so, [("entry.blanked", "entry")]),
    (switches_a_guard_off, [("guard.off", "table events")]),
    (grants_too_much, [("grant.surplus", "table entries")]),
]


@pytest.mark.parametrize(("tampering", "expected"), TAMPERINGS, ids=lambda one: getattr(one, "__name__", ""))
async def test_tampering_is_named(
    ledger: Ledger, tampering: Tampering, expected: list[tuple[str, str]]
) -> None:
    tampering(ledger)
    found = await ledger.found()
    told = [(one.what, one.where) for one in found if isinstance(one, Finding)]
    for what, where in expected:
        assert any(what == kind and where in place for kind, place in told), found
    if len(expected) == 1 and expected[0][0] != "leaf.gone":
        assert len(told) == 1, found


async def test_the_entry_that_was_changed_is_named_by_its_id(ledger: Ledger) -> None:
    changes_a_byte(ledger)
    (found,) = await ledger.found()
    assert isinstance(found, Finding)
    assert found.where == f"entry {ledger.entry(2)} (index 2)"
    assert found.told == "its body, salt, signature or rejection is not what was sealed"


async def test_a_backdated_row_is_named_whether_it_is_sealed_or_not(ledger: Ledger) -> None:
    execute(
        ledger.url,
        "INSERT INTO entries (entry_id, kind, client_id, received_at, recorded_at, rules, rejection, body)"
        " SELECT gen_random_uuid(), 'callback', 'notify', now() - interval '1 hour',"
        " now() - interval '1 hour', 1, 'refused', '{}'",
    )
    for _ in range(2):
        (found,) = await ledger.found()
        assert isinstance(found, Finding)
        assert found.what == "entry.backdated"
        await ledger.seal()
    assert len(leaves(ledger.url)) == 8


async def test_a_replay_keeps_its_time_of_receipt_and_is_no_finding(ledger: Ledger) -> None:
    execute(
        ledger.url,
        "INSERT INTO entries (entry_id, kind, client_id, received_at, rules, rejection, body, replays)"
        " SELECT gen_random_uuid(), 'callback', 'notify', now() - interval '1 hour', 1, 'refused', '{}',"
        " gen_random_uuid()",
    )
    await ledger.seal()
    assert await ledger.found() == []


async def test_yesterdays_dump_is_named_also_when_it_was_sealed_on(ledger: Ledger) -> None:
    cuts_the_tail_off(ledger)
    execute(
        ledger.url,
        "INSERT INTO entries (entry_id, kind, client_id, received_at, rules, rejection, body)"
        " SELECT gen_random_uuid(), 'callback', 'notify', now(), 1, 'refused', '{}'"
        " FROM generate_series(1, 2)",
    )
    ignorant = seals_in(ledger.folder / "other-anchors", Clock())
    for path in sorted(ledger.anchors.glob("*/*/*"))[:2]:
        note = path.read_text(encoding="utf-8")
        ignorant.anchors.publish(note.partition("\n")[0], int(path.name), note)
    async with Database(ledger.url, role=SERVICE_ROLE, connections=1) as database:
        await Sealing(database, ignorant).once(now=True)
    found = [(one.what, one.where) for one in await ledger.found() if isinstance(one, Finding)]
    assert ("checkpoint.replaced", "checkpoint of 7 entries") in found
    assert ("root.differs", "indexes 5 to 6") in found


async def test_an_anchor_that_is_gone_or_changed_is_named(ledger: Ledger) -> None:
    newest = max(ledger.anchors.glob("*/*/*"))
    await asyncio.to_thread(newest.unlink)
    (found,) = await ledger.found()
    assert isinstance(found, Finding)
    assert (found.what, found.where) == ("anchor.gone", "checkpoint of 7 entries")


async def test_an_erasure_that_is_named_by_an_entry_is_no_finding(ledger: Ledger) -> None:
    blanked = ledger.entry(2)
    ledger.tamper(
        "INSERT INTO entries (entry_id, kind, client_id, received_at, rules, body) SELECT gen_random_uuid(),"
        f" 'erasure', 'eraser', now(), 1, convert_to('{{\"entries\": [\"{blanked}\"]}}', 'UTF8')"
    )
    blanks_without_saying_so(ledger)
    await ledger.seal()
    (found,) = await ledger.found()
    assert isinstance(found, Erased)
    assert found.entry_id == str(blanked)


async def test_an_erasure_is_told_as_one_also_when_callbacks_of_the_message_come_after_it(
    ledger: Ledger, client: httpx.AsyncClient
) -> None:
    ((blanked, message_id),) = execute(
        ledger.url, "SELECT entry_id, message_id FROM events ORDER BY recorded_at LIMIT 1"
    )
    async with Database(ledger.url, role="ledger_eraser", connections=1) as eraser:
        told = await erase(eraser, Request(str(message_id), "alice", "asked", "art. 17", whole_entry=True))
    assert told.outcome is Outcome.ERASED
    late = body(delivered(str(message_id), key="late"))
    answer = await client.post("/api/status/create", content=late, headers=signed(late))
    assert answer.json() == {"status": "success"}
    await ledger.seal()
    found = await ledger.found()
    assert {one.entry_id for one in found if isinstance(one, Erased)} == set(map(str, told.entries))
    assert str(blanked) in map(str, told.entries)
    assert len(found) == len(told.entries)  # the late one was blank from the start, and is as it was sealed


# Proofs


async def proven_by(database: Database, entry_id: UUID) -> str | None:
    async with database.snapshot() as connection:
        return await proof_of(connection, entry_id)


async def proof(ledger: Ledger, index: int) -> str:
    async with Database(ledger.url, role=SERVICE_ROLE, connections=1) as database:
        text = await proven_by(database, ledger.entry(index))
    assert text is not None
    return text


@pytest.mark.parametrize("index", range(7))
async def test_every_entry_is_proven_offline(ledger: Ledger, index: int) -> None:
    proven = verify_proof(await proof(ledger, index), [ledger.key])
    assert (UUID(proven.entry["entry_id"]), proven.place, proven.head.size) == (ledger.entry(index), index, 7)
    ((content,),) = execute(ledger.url, f"SELECT body FROM entries WHERE entry_id = '{ledger.entry(index)}'")  # noqa: S608
    assert proven.body == content


async def test_an_erased_entry_is_still_proven_without_what_it_said(ledger: Ledger) -> None:
    before = verify_proof(await proof(ledger, 2), [ledger.key])
    blanks_without_saying_so(ledger)
    after = verify_proof(await proof(ledger, 2), [ledger.key])
    assert after.body is None
    assert after.entry == before.entry


async def test_a_proof_with_any_line_changed_proves_nothing(ledger: Ledger) -> None:
    text = await proof(ledger, 3)
    lines = text.splitlines(keepends=True)
    for place, line in enumerate(lines):
        if not line.strip() or line.strip() in "{}" or '": {' in line or line.strip() == "},":
            continue
        at_end = len(line.rstrip('\n,"')) - 1
        character = line[at_end - 2]
        changed = line[: at_end - 2] + ("B" if character not in "Bb" else "C") + line[at_end - 1 :]
        forged = "".join([*lines[:place], changed, *lines[place + 1 :]])
        with pytest.raises(NotProven):
            verify_proof(forged, [ledger.key])


def test_base64_has_one_way_to_be_written() -> None:
    assert leaves_of.bytes_of("AA==") == b"\0"
    with pytest.raises(ValueError, match="as it is written"):
        leaves_of.bytes_of("AB==")


async def test_a_proof_proves_nothing_by_another_key(ledger: Ledger) -> None:
    other = Key(ledger.key.name, b"x" * 32)
    with pytest.raises(NotProven, match="not signed by the key given"):
        verify_proof(await proof(ledger, 3), [other])


def test_a_mistyped_key_is_noticed() -> None:
    with pytest.raises(NotProven, match="mistyped"):
        read_key("PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    with pytest.raises(NotProven, match="is not name"):
        read_key("nonsense")


# Commands


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(command_line, list(arguments))
    return done.exit_code, done.stdout


async def test_the_commands_prove_check_and_find(ledger: Ledger) -> None:
    key = str(ledger.seals.key.verifying(ledger.key.name))
    anchors = str(ledger.anchors)

    def commands() -> None:
        code, text = run("audit", "proof", str(ledger.entry(1)))
        assert code == 0
        file = ledger.folder / "entry.proof"
        file.write_text(text, encoding="utf-8")
        assert run("audit", "verify-proof", str(file), "--key", key)[0] == 0
        file.write_text(text.replace("index 1\n", "index 2\n"), encoding="utf-8")
        assert run("audit", "verify-proof", str(file), "--key", key)[0] == 1

        assert run("audit", "verify", "--key", key, "--anchors", anchors) == (0, "")
        bundle = str(ledger.folder / "bundle")
        assert run("audit", "export-bundle", bundle)[0] == 0
        assert run("audit", "export-bundle", bundle)[0] == 1
        execute(
            ledger.url, "UPDATE message_status SET channel_status = 'failed' WHERE message_id = 'another'"
        )
        assert run("audit", "verify", "--key", key, "--anchors", anchors, "--bundle", bundle)[0] == 0
        code, told = run("audit", "verify", "--key", key, "--anchors", anchors, "--json")
        assert code == 1
        assert [json.loads(line)["what"] for line in told.splitlines()] == ["status.differs"]

    await asyncio.to_thread(commands)


async def test_a_bundle_is_written_to_an_empty_folder(ledger: Ledger) -> None:
    (await asyncio.to_thread(ledger.folder.joinpath, "bundle-1")).mkdir()
    (ledger.folder / "bundle-1" / "something").touch()
    with pytest.raises(BundleExists):
        await ledger.bundle()
