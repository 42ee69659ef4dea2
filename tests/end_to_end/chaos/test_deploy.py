"""Deployments under load: a migration, and two versions of the service that serve at once."""

import os
import shutil
import signal
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import NullPool, create_engine

from projections.projection import CURRENT_STATUS
from projections.rebuild import rebuild
from tests.end_to_end.chaos.scene import Scene, lasting
from tests.end_to_end.chaos.test_crashes import workers_of
from tests.support.database import execute
from tests.support.processes import wait_until
from tests.support.service import ROOT, Service
from tests.support.supplier import body, delivered

pytestmark = pytest.mark.slow

NEXT = '''
from alembic import op

revision, down_revision, branch_labels, depends_on = "9999", "{head}", None, None


def upgrade() -> None:
    op.execute("ALTER TABLE events ADD COLUMN remark text")
    op.execute("ALTER TABLE message_status ADD COLUMN remark text")
    with op.get_context().autocommit_block():
        op.execute("CREATE INDEX CONCURRENTLY events_remark_idx ON events (remark) WHERE remark IS NOT NULL")
    op.execute("""{function}""")
'''
"""A migration as a next version might bring it: columns, an index, a status with a rank of its own."""


def migrate_further(url: str, folder: Path) -> None:
    """Migrate the database to a version that does not exist yet."""
    scripts = folder / "migrations"
    shutil.copytree(ROOT / "migrations", scripts, ignore=shutil.ignore_patterns("__pycache__"))
    ((function,),) = execute(url, "SELECT pg_get_functiondef('channel_status_rank'::regproc)")
    ranked = str(function).replace("ELSE '00'::text", "WHEN 'bounced'::text THEN '18'::text ELSE '00'::text")
    assert "bounced" in ranked
    ((head,),) = execute(url, "SELECT version_num FROM alembic_version")
    (scripts / "versions" / "9999_next.py").write_text(NEXT.format(head=head, function=ranked))
    config = Config()
    config.set_main_option("script_location", str(scripts))
    config.set_main_option("path_separator", "os")
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(url), poolclass=NullPool)
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()


def kill_a_worker(service: Service) -> None:
    """End one worker, and wait until another has taken its place."""
    first, *_ = workers_of(service.pid)
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: first not in (now := workers_of(service.pid)) and len(now) == 2)


def test_a_migration_while_the_service_serves(scene: Scene) -> None:
    with scene.service() as service, scene.load(service) as load:
        migrate_further(scene.url, scene.folder)
        scene.heal()
        load.go_on(lasting(5, 1), at_least=50)
        kill_a_worker(service)  # what comes up now finds a schema that it does not know
        load.go_on(lasting(6, 2), at_least=50)
        assert service.client.get("/api/healthcheck/ready").status_code == 200
        assert not load.codes - {0, 200}
    scene.conclude(17, "Migration while serving; then a worker of the old version dies", load)


def test_two_versions_that_serve_at_once(scene: Scene) -> None:
    with scene.service() as old, ExitStack() as versions, scene.load(old) as load:
        migrate_further(scene.url, scene.folder)
        new = versions.enter_context(scene.service(workers=2, **scene.variant("next")))
        load.ports.append(new.port)
        load.go_on(lasting(8, 2), at_least=100)
        bounced = delivered("bounced", key="bounced", channelStatus="bounced")
        assert scene.post_besides(old, body(bounced)) == 422, "kept, to be replayed"
        assert scene.post_besides(new, body(bounced)) == 200
        for service in (old, new):
            (record,) = service.statuses(messageId="bounced")
            assert record["channelStatus"] == "bounced"
        load.ports.remove(old.port)
        assert old.stop() == 0
        scene.heal()
        load.go_on(lasting(4, 1), at_least=50)
        with psycopg.connect(scene.url, autocommit=True, options="-c timezone=UTC") as owner:
            rebuild(owner, CURRENT_STATUS)
        load.go_on(lasting(4, 1), at_least=50)
    scene.conclude(18, "Two versions at once, ranks and parser changed; then a rebuild", load)
