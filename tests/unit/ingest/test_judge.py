"""What a refusal comes to is a function of what is kept of it, today's rules and its time of receipt."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from ingest import vocabulary
from ingest.refusals import Kept, Refusal
from ingest.replay import Rules, judge, replaying_entry_id
from ingest.settlement import Fate, fate_of_discard
from ingest.signature import SigningSecrets, secret_id
from tests.support.supplier import body, delivered

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECRETS = SigningSecrets("today", "before")
RULES = Rules(SECRETS, max_items=2, supplier="notify")
GOOD = body(delivered(timestamp=None))


def refusal(
    content: bytes | None = GOOD,
    *,
    answer: int = 403,
    state: str = "waiting",
    signature: bytes | None = None,
    replayed_by: UUID | None = None,
    number: int = 1,
) -> Kept:
    told = Refusal(UUID(int=number), NOON, answer, None, len(content or b""), None, state, None)
    signed = SECRETS.sign(content or b"").encode() if signature is None else signature
    return Kept(told, NOON, None, signed, content, replayed_by)


def test_what_a_secret_of_today_signed_and_the_rules_allow_would_be_recorded() -> None:
    judgement = judge(refusal(), RULES)
    assert (judgement.fate, judgement.secret_id) == (Fate.RECORDED, secret_id("today"))
    assert [event.effective_at for event in judgement.events] == [NOON], "its original receipt"


def test_a_secret_that_was_replaced_still_proves_it() -> None:
    old = SigningSecrets("before").sign(GOOD).encode()
    assert judge(refusal(signature=old), RULES).secret_id == secret_id("before")


@pytest.mark.parametrize("signature", [b"", b"nonsense", b"\xe9", SigningSecrets("else").sign(GOOD).encode()])
def test_what_no_secret_signed_stays_unproven(signature: bytes) -> None:
    assert judge(refusal(signature=signature), RULES).fate is Fate.SIGNATURE_WRONG


def test_a_signature_comes_before_the_rules() -> None:
    assert judge(refusal(b"nonsense", signature=b"nonsense"), RULES).fate is Fate.SIGNATURE_WRONG


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"nonsense", "body: not strict JSON"),
        (body(*[delivered()] * 3), "data: at most 2 items"),
        (body(delivered(supplierStatus="teleported")), "data[0].attributes.supplierStatus: 'teleported'"),
    ],
)
def test_what_the_rules_still_refuse_is_told_with_the_reason(content: bytes, reason: str) -> None:
    judgement = judge(refusal(content), RULES)
    assert judgement.fate is Fate.STILL_REFUSED
    assert judgement.reason.startswith(reason)


def test_values_that_became_known_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vocabulary, "SUPPLIER_STATUSES", ("teleported",))
    found = refusal(body(delivered(supplierStatus="teleported")), answer=422)
    assert judge(found, RULES).fate is Fate.RECORDED


@pytest.mark.parametrize(
    ("found", "fate"),
    [
        (refusal(replayed_by=UUID(int=2)), Fate.ALREADY_REPLAYED),
        (refusal(None, state="replayed", replayed_by=UUID(int=2)), Fate.ALREADY_REPLAYED),
        (refusal(None, state="discarded"), Fate.ALREADY_DISCARDED),
        (refusal(None, state="erased", answer=422), Fate.ERASED),
    ],
)
def test_what_is_settled_is_not_judged_again(found: Kept, fate: Fate) -> None:
    assert judge(found, RULES) == (fate, "", None, ())


@pytest.mark.parametrize(
    ("found", "fate"),
    [
        (None, Fate.UNKNOWN),
        (refusal(), Fate.DISCARDED),
        (refusal(answer=422), Fate.AN_ENTRY),
        (refusal(answer=422, replayed_by=UUID(int=2)), Fate.AN_ENTRY),
        (refusal(replayed_by=UUID(int=2)), Fate.ALREADY_REPLAYED),
        (refusal(None, state="discarded"), Fate.ALREADY_DISCARDED),
    ],
)
def test_only_what_waits_in_quarantine_is_discarded(found: Kept | None, fate: Fate) -> None:
    assert fate_of_discard(found) is fate


def test_the_id_of_a_replay_follows_from_what_it_replays_and_bears_its_time() -> None:
    one, another = refusal(), refusal(number=2)
    later = one._replace(refusal=one.refusal._replace(received_at=NOON + timedelta(milliseconds=1)))
    ids = [replaying_entry_id(found) for found in (one, another, later)]
    assert replaying_entry_id(refusal()) == ids[0]
    assert len({*ids, one.refusal.refusal_id}) == 4
    assert {made.version for made in ids} == {7}
    assert [made.int >> 80 for made in ids] == [
        *[int(NOON.timestamp() * 1000)] * 2,
        int(NOON.timestamp() * 1000) + 1,
    ]
