"""A wrong secret loses nothing: what was refused is replayed beside the running service, by two at once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.end_to_end.test_cli import typed
from tests.support.database import execute
from tests.support.refused import held
from tests.support.service import ENVIRONMENT, running
from tests.support.supplier import body, delivered

CALLBACKS = 500


@pytest.mark.slow
def test_what_a_wrong_secret_refused_is_recorded_once_however_many_replay_it(
    tmp_path: Path, database_url: str
) -> None:
    contents = [body(delivered(f"m-{n}", key=f"key-{n}", timestamp=None)) for n in range(CALLBACKS)]
    with (
        running(tmp_path, DATABASE_URL=database_url, HMAC_SECRET="the wrong one") as service,
        ThreadPoolExecutor(max_workers=16) as suppliers,
    ):
        answers = [answer.status_code for answer in suppliers.map(service.post, contents)]
        assert answers == [403] * CALLBACKS
        assert service.statuses() == []
    mended_at = datetime.now(UTC)

    environment = ENVIRONMENT | {"DATABASE_URL": database_url}
    with (
        running(tmp_path, DATABASE_URL=database_url) as service,
        ThreadPoolExecutor(max_workers=8) as at_once,
    ):
        replays = [
            at_once.submit(typed, tmp_path, "quarantine", "replay", "--all", settings=environment)
            for _ in range(2)
        ]
        live = [body(delivered(f"m-{n}", key=f"live-{n}")) for n in range(CALLBACKS)]
        assert {answer.status_code for answer in at_once.map(service.post, live)} == {200}
        for replay in replays:
            code, told, complaints = replay.result()
            assert (code, complaints) == (0, ""), told

        records = service.statuses()
        assert {record["message_id"] for record in records} == {f"m-{n}" for n in range(CALLBACKS)}
    assert held(database_url) == (0, 0)
    ((replayed, recorded, latest),) = execute(
        database_url,
        "SELECT count(*), count(DISTINCT replays), max(received_at) FROM entries WHERE replays IS NOT NULL",
    )
    assert (replayed, recorded) == (CALLBACKS, CALLBACKS)
    assert isinstance(latest, datetime)
    assert latest < mended_at, "each keeps its own time of receipt"
    assert execute(database_url, "SELECT count(*), count(DISTINCT subject) FROM acts") == [
        (CALLBACKS, CALLBACKS)
    ]
