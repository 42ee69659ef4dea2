"""Every benchmark runs, very small, and says of what it measured that it is right; how fast is not judged."""

import os
import shutil
from collections.abc import Iterator

import pytest

from benchmarks.bodies import bodies
from benchmarks.ground import Ground, Scale, lent
from benchmarks.intake import callbacks
from benchmarks.load import post
from benchmarks.marks import Row, rows
from benchmarks.outcome import names, ratios
from benchmarks.subjects import measure, needed, subjects

ROWS = rows([1], full=True)
TINY = Scale(stored=1_200, callbacks=1_200, proven=2_000, messages=2_000, warm_up=0)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ground() -> Iterator[Ground]:
    for tool in ("wrk", "npm", "node"):
        if shutil.which(tool) is None and not os.environ.get("CI"):
            pytest.skip(f"{tool} is not installed")
    with lent(1, TINY) as made:
        yield made


@pytest.fixture(scope="module")
def figures(ground: Ground) -> dict[str, list[float]]:
    """Every subject, measured once; each looks itself whether what it measured is right."""
    wanted = set().union(*(names(row) for row in ROWS))
    return measure(ground, needed(wanted, subjects([1])), 1, lambda _: None)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_is_measured(figures: dict[str, list[float]], row: Row) -> None:
    for line in row.lines:
        (value,) = ratios(line, figures)
        assert value > 0 or line.figure.startswith(("growth", "lag"))


def test_two_workers_are_measured(ground: Ground) -> None:
    rate, p99 = callbacks(ground, 2)
    assert rate > 0
    assert p99 > 0


def test_a_load_that_is_refused_is_no_measurement(ground: Ground) -> None:
    broken = (body.replace(b"nhsapp", b"pigeon") for body in bodies(10_000, ground.seed()))
    with pytest.raises(RuntimeError, match="requests failed"):
        post(ground.service(1).port, broken, ground.requests, 1, 4)


def test_a_load_with_too_few_bodies_is_no_measurement(ground: Ground) -> None:
    with pytest.raises(RuntimeError, match="sent again"):
        post(ground.service(1).port, bodies(10, ground.seed()), ground.requests, 1, 4)


def test_what_is_answered_but_not_folded_is_no_measurement(ground: Ground) -> None:
    with lent(1, TINY) as apart, apart.connect() as connection:
        connection.execute(
            "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
            "CREATE TRIGGER lost BEFORE INSERT ON message_status FOR EACH ROW"
            " WHEN (right(NEW.message_id, 1) > 'a') EXECUTE FUNCTION lose()"
        )
        with pytest.raises(RuntimeError, match="without a status"):
            callbacks(apart, 1)
