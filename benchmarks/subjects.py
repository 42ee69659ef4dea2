"""Everything that can be measured, in the order in which a round measures it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from benchmarks import footprint, intake, large, limits, peering, reads, sealing
from benchmarks.ground import Ground
from benchmarks.readiness import ready


@dataclass(frozen=True)
class Subject:
    """One measurement and the names of the figures that it gives."""

    gives: tuple[str, ...]
    measure: Callable[[Ground], tuple[float, ...]]
    once: bool = False
    """Whether it is measured in the last round alone, for it needs a state that takes long to make."""


def subjects(workers: Sequence[int]) -> list[Subject]:
    """Return the subjects, those of a service once for each number of workers."""
    found = [
        Subject(("insert",), limits.inserts),
        Subject(("copy", "copy-kept"), limits.copied),
        *(Subject((f"constant-{n}",), partial(limits.constants, workers=n)) for n in workers),
        Subject(("eventsourcing-one", "eventsourcing-8", "eventsourcing-hundred"), peering.eventsourcing),
        Subject(("emmett-one", "emmett-8", "emmett-32", "emmett-hundred"), peering.emmett),
        Subject(("ready",), ready),
    ]
    for n in workers:
        found += [
            Subject((f"callbacks-{n}", f"callbacks-p99-{n}"), partial(intake.callbacks, workers=n)),
            Subject((f"callbacks-few-{n}",), partial(intake.callbacks_of_few, workers=n)),
            Subject((f"p99-{n}", f"p50-{n}", f"half-{n}"), partial(intake.at_half, workers=n)),
            Subject((f"slow-{n}",), partial(intake.slow_commits, workers=n)),
            Subject((f"events-{n}",), partial(intake.delivered, workers=n)),
            Subject((f"lookups-{n}",), partial(reads.lookups, workers=n)),
            Subject((f"health-{n}",), partial(reads.health, workers=n)),
            Subject((f"sealed-{n}", f"cost-sealed-{n}"), partial(sealing.sealed, workers=n)),
            Subject((f"unsealed-{n}", f"cost-unsealed-{n}"), partial(sealing.unsealed, workers=n)),
            Subject((f"lag-{n}",), partial(sealing.lag, workers=n)),
        ]
    return [
        *found,
        Subject(("page-cpu",), reads.page_cpu),
        Subject(("proof-p99", "proof-most"), sealing.proof, once=True),
        *(
            Subject((f"large-callbacks-{n}", f"large-p99-{n}"), partial(_large, intake.callbacks, workers=n))
            for n in workers
        ),
        *(Subject((f"large-events-{n}",), partial(_large, intake.delivered, workers=n)) for n in workers),
        Subject(("rebuild", "pause-swap", "pause-ever"), large.rebuilt),
        Subject(("disk", "bytes-event"), footprint.disk, once=True),
        Subject(("rss", "pss", "growth"), footprint.memory, once=True),
    ]


def _large(
    measure: Callable[[Ground, int, str], tuple[float, ...]], ground: Ground, workers: int
) -> tuple[float, ...]:
    """Measure on the large ledger."""
    return measure(ground, workers, large.in_use(ground, workers))


def needed(figures: set[str], all_: Sequence[Subject]) -> list[Subject]:
    """Return the subjects that give the figures, in order; raises `KeyError` for a figure that none gives."""
    if unknown := figures - {name for one in all_ for name in one.gives}:
        raise KeyError(", ".join(sorted(unknown)))
    return [one for one in all_ if figures & set(one.gives)]


def measure(
    ground: Ground, wanted: Sequence[Subject], rounds: int, advance: Callable[[str], None]
) -> dict[str, list[float]]:
    """Measure all in turn, round after round; return each figure's values. `advance` is told what is next.

    Every other round goes backwards: what comes first in one comes last in the next, and a service that was
    started serves twice.
    """
    figures: dict[str, list[float]] = {}
    for number in range(1, rounds + 1):
        for subject in wanted if number % 2 else reversed(wanted):
            advance(f"round {number} of {rounds}: {subject.gives[0]}")
            if subject.once and number < rounds:
                continue
            for name, value in zip(subject.gives, subject.measure(ground), strict=True):
                figures.setdefault(name, []).append(value)
    return figures
