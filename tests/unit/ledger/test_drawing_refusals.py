"""What operators see of a refusal is plain, and holds nothing that could play tricks on a terminal."""

import io
from datetime import UTC, datetime
from uuid import UUID

import pytest
from rich.console import Console

from eventstore.acts import ActDone
from ingest.quarantine import Caps
from ingest.refusals import Kept, Refusal, Usage
from ingest.replay import Judgement, Rules, judge
from ingest.settlement import Fate, Settled, Tally
from ledger.drawing import escaped, shown_body
from ledger.drawing_refusals import drawn_refusal, drawn_refusals, told_tally, told_usage
from tests.support.supplier import SECRETS, body, delivered

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def printed(drawing: object, width: int = 200) -> str:
    file = io.StringIO()
    Console(file=file, width=width, force_terminal=False).print(drawing, soft_wrap=True)
    return file.getvalue()


def refusal(answer: int, reason: str | None = None, state: str = "waiting") -> Refusal:
    return Refusal(UUID(int=answer), NOON, answer, None, 1234, reason, state, None)


def test_a_list_shows_a_line_a_refusal_and_takes_no_markup_from_a_reason() -> None:
    drawn = printed(drawn_refusals([refusal(403), refusal(422, "[red]data[0].type: required")]))
    assert "00000000-0000-0000-0000-000000000193" in drawn
    assert "2026-11-23 12:00:00.000" in drawn
    assert "1.2 kB" in drawn
    assert "[red]data[0].type: required" in drawn


def test_a_narrow_list_still_shows_whole_ids_and_a_long_reason_is_shortened() -> None:
    drawn = printed(drawn_refusals([refusal(422, "x" * 200)]), width=80)
    assert "00000000-0000-0000-0000-0000000001a6" in drawn
    assert drawn.count("x") == 97


@pytest.mark.parametrize(
    ("usage", "full"),
    [(Usage(0, 0), False), (Usage(9, 999), False), (Usage(10, 0), True), (Usage(1, 1000), True)],
)
def test_how_full_the_quarantine_is_is_told_in_a_sentence(usage: Usage, full: bool) -> None:
    told = told_usage(usage, Caps(10, 1000))
    assert told.startswith(f"The quarantine holds {usage.requests} of 10 requests, ")
    assert ("It is full" in told) == full


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (b'{"a":["\xe2\x80\x99",1]}', '{\n  "a": [\n    "\\u2019",\n    1\n  ]\n}'),
        (b'{"a":"\\u001b[31m\x7f"}', '{\n  "a": "\\u001b[31m\\u007f"\n}'),
        (b'{"a":1,"a":2}', '{"a":1,"a":2}'),
        (b"\x1b[31mred\r\nline\xff", "\\x1b[31mred\\r\nline\\xff"),
        (b'it\'s "both" \\', 'it\\\'s "both" \\\\'),
        (b"", ""),
    ],
)
def test_a_body_is_shown_in_printable_ascii(content: bytes, shown: str) -> None:
    assert shown_body(content) == shown
    assert all(character == "\n" or " " <= character <= "~" for character in shown_body(content))


def test_one_refusal_is_shown_with_what_it_would_come_to_and_what_was_done_to_it() -> None:
    content = body(*[delivered(f"m-\x1b{number}", key=str(number)) for number in range(12)])
    found = Kept(refusal(403), NOON, None, SECRETS.sign(content).encode(), content, None)
    act = ActDone(
        NOON, UUID(int=1), "alice (root)", "login", "quarantine.discard", "s", "discarded", "a drill", {}
    )
    drawn = printed(drawn_refusal(found, judge(found, Rules(SECRETS, 100, "notify")), [act]))
    for seen in (
        "a replay would record it",
        r"message m-\x1b0: channel sms, channelStatus delivered, supplierStatus delivered",
        "and 2 more",
        "none: its signature was wrong",
        "2026-11-23 12:00:00.000 quarantine.discard by alice (root): discarded, because a drill",
        '"idempotencyKey": "11"',
    ):
        assert seen in drawn
    assert "\x1b" not in drawn


@pytest.mark.parametrize(
    ("today", "seen"),
    [
        (Judgement(Fate.STILL_REFUSED, "data: required"), "still refused: data: required"),
        (Judgement(Fate.SIGNATURE_WRONG), "signature still wrong"),
    ],
)
def test_what_would_not_pass_is_told(today: Judgement, seen: str) -> None:
    found = Kept(refusal(403), NOON, None, None, b"\x1bnonsense", None)
    drawn = printed(drawn_refusal(found, today, []))
    assert seen in drawn
    assert "missing or repeated" in drawn
    assert r"\x1bnonsense" in drawn


def test_a_discarded_one_says_that_nothing_is_kept() -> None:
    settled = refusal(403, state="discarded")._replace(settled_at=NOON)
    drawn = printed(
        drawn_refusal(Kept(settled, NOON, None, None, None, None), Judgement(Fate.ALREADY_DISCARDED), [])
    )
    assert "(no bytes are kept)" in drawn
    assert "today" not in drawn
    assert "SHA-256" not in drawn


def test_a_tally_is_told_a_line_a_fate_with_the_commonest_reasons() -> None:
    tally = Tally()
    assert list(told_tally(tally)) == []
    tally.add(Settled(UUID(int=n), Fate.STILL_REFUSED, f"reason {n % 12 // 2}") for n in range(24))
    tally.add([Settled(UUID(int=99), Fate.SIGNATURE_WRONG)])
    told = list(told_tally(tally))
    assert told[0].split() == ["24", "still", "refused"]
    assert len(told) == 1 + 6 + 1
    assert told[-1].split() == ["1", "signature", "still", "wrong"]


def test_line_ends_stay_line_ends() -> None:
    assert escaped(b"a\nb\r\n") == "a\nb\\r\n"
