"""The summary names everything that went wrong."""

from collections import Counter

import pytest
from rich.console import Console

from ledger.simulator.comparison import Difference
from ledger.simulator.patience import Patience
from ledger.simulator.plan import plan
from ledger.simulator.sender import Refused, Sent
from ledger.simulator.simulation import Report
from ledger.simulator.summary import summary

PLAN = plan(3, seed=1, duplicates=0.5)
TOLD = list(PLAN.deliveries)
DIFFERENCE = Difference("message", "sms", "readAt", None, TOLD[0].fact.at)


def report(sent: Sent, *differences: Difference) -> Report:
    patience = Patience()
    patience.answers = Counter({"200": len(sent.told), "429": 2})
    patience.retries = 2
    return Report(PLAN, sent, patience, differences)


def shown(told: Report) -> str:
    console = Console(width=160)
    with console.capture() as captured:
        console.print(summary(told))
    return captured.get()


def test_what_agrees_is_figures_alone() -> None:
    agreed = report(Sent(TOLD, [], 0, seconds=2))
    assert agreed.agrees
    lines = [line.strip("│ \n").split("│") for line in shown(agreed).splitlines() if "│" in line]
    assert {name.strip(): figure.strip() for name, figure in lines} == {
        "messages": "3",
        "callbacks": str(len(PLAN.callbacks)),
        "told again": str(len(TOLD) - len(PLAN.callbacks)),
        "answers": f"200: {len(TOLD)}, 429: 2",
        "retries": "2",
        "rate": f"{len(TOLD) / 2:,.0f} callbacks a second",
        "given up": "0",
        "differences": "0",
    }


@pytest.mark.parametrize(
    ("told", "names"),
    [
        (report(Sent(TOLD, [], 0, 1), DIFFERENCE), ["message", "sms", "readAt", "None"]),
        (report(Sent([], [Refused(TOLD[0], "422 [why]")], 0, 1)), [TOLD[0].message_id, "422 [why]"]),
        (report(Sent([], [], 1234, 1)), ["1,234 callbacks were not sent"]),
    ],
    ids=["difference", "given up", "unsent"],
)
def test_what_does_not_agree_is_named(told: Report, names: list[str]) -> None:
    assert not told.agrees
    for name in names:
        assert name in shown(told)
