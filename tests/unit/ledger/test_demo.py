"""What the demo shows is chosen by the seed alone, is worth seeing, and is what the README says."""

from datetime import datetime
from pathlib import Path

import pytest

from ledger.commands.options import percentage
from ledger.demo import DUPLICATES, MESSAGES, SHOWN, SHUFFLE, most_eventful, one_of_each
from ledger.simulator.expected import View, expected
from ledger.simulator.plan import UNTIL, Plan, plan

README = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")


def planned(seed: int) -> Plan:
    return plan(MESSAGES, seed, duplicates=percentage(DUPLICATES), shuffle=percentage(SHUFFLE))


@pytest.mark.parametrize("seed", [1, 2, 3, 7])
def test_the_message_with_the_most_to_see_has_everything(seed: int) -> None:
    story = planned(seed)
    chosen = most_eventful(story)
    facts = [one.fact for one in story.callbacks if one.message_id == chosen]
    assert sum(one.message_id == chosen for one in story.deliveries) > len(facts)
    assert len({fact._replace(at=UNTIL) for fact in facts}) < len(facts)
    assert len({fact.channel for fact in facts if fact.channel}) > 1
    assert facts[-1].message_status in ("delivered", "failed")


@pytest.mark.parametrize("seed", [1, 2, 3, 7])
def test_the_messages_shown_all_differ(seed: int) -> None:
    records = expected(planned(seed).callbacks)
    shown = [records[View(message_id, None)] for message_id in one_of_each(planned(seed))]
    names = ("messageStatus", "channel", "channelStatus", "supplierStatus")
    assert len({tuple(record[name] for name in names) for record in shown}) == len(shown) == SHOWN


def test_the_demo_in_the_readme_is_that_of_its_seed() -> None:
    records = expected(planned(7).callbacks)
    rows = [
        [cell.strip() for cell in line.strip("│").split("│")]
        for line in README.splitlines()
        if line.startswith("│ 35")
    ]
    assert [row[0] for row in rows] == one_of_each(planned(7))[: len(rows)]
    for message_id, status, channel, channel_status, supplier_status, occurred_at in rows:
        record = records[View(message_id, None)]
        assert record["messageStatus"] == status
        assert (record["channel"] or "") == channel
        assert (record["channelStatus"] or "") == channel_status
        assert (record["supplierStatus"] or "") == supplier_status
        assert record["occurredAt"] == datetime.fromisoformat(occurred_at)
    assert f"$ status-ledger timeline {most_eventful(planned(7))}\n" in README
    told, distinct = len(planned(7).deliveries), len(planned(7).callbacks)
    for name, figure in (("callbacks", distinct), ("told again", told - distinct), ("differences", 0)):
        assert f"│ {name:<11} │ {figure:<22,} │" in README
