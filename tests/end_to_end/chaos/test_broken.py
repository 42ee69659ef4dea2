"""The checker finds what it is there to find: services that are broken on purpose do not pass."""

import os
import signal

import pytest

from tests.end_to_end.chaos.scene import Scene
from tests.end_to_end.chaos.server import Server
from tests.end_to_end.chaos.test_crashes import workers_of
from tests.support.database import execute

pytestmark = pytest.mark.slow


def test_a_service_that_acknowledges_before_the_commit_is_found(scene: Scene, server: Server) -> None:
    with scene.service(workers=2, **scene.variant("hasty")) as service, scene.load(service) as load:
        server.kill()
        load.go_on(1)
        server.start()
    assert scene.verdict(load).lost


def test_a_service_that_writes_no_entry_for_a_duplicate_is_found(scene: Scene) -> None:
    with scene.service(workers=2, **scene.variant("thrifty")) as service, scene.load(service) as load:
        os.kill(workers_of(service.pid)[0], signal.SIGKILL)
        load.go_on(1, at_least=100)
    assert scene.verdict(load).lost


def test_sealers_without_fencing_are_found(scene: Scene) -> None:
    keys = execute(
        scene.url,
        "SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) FROM pg_constraint"
        " WHERE conrelid IN ('leaves'::regclass, 'tiles'::regclass, 'checkpoints'::regclass)"
        " AND contype IN ('p', 'u')",
    )
    execute(scene.url, *(str(drop) for (drop,) in keys))
    unfenced = scene.variant("unfenced", SEAL_EVERY="0.01")
    with (
        scene.service(workers=2, **unfenced) as service,
        scene.service(workers=2, **unfenced),
        scene.load(service) as load,
    ):
        load.go_on(3, at_least=200)
    assert scene.verdict(load).wrong
