"""The disk fails under PostgreSQL: it is full, or `fsync` is an error."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from ledger.embedded import EmbeddedPostgres
from tests.end_to_end.chaos.scene import Scene, lasting
from tests.end_to_end.chaos.server import Server
from tests.support.database import at, binaries, make_template
from tests.support.processes import children

pytestmark = pytest.mark.slow

SMALL = 400 * 1024 * 1024
"""Bytes of the small disk: a new cluster, its template, its WAL, and some room."""


class NoSmallDisk(Exception):
    """This machine mounts none."""


@contextmanager
def small_disk() -> Iterator[Path]:
    """Mount a small disk where this machine lets us; raises `NoSmallDisk` where not."""
    with tempfile.TemporaryDirectory(prefix="status-ledger-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # for root's server runs as another user
        mount = ["mount", "-t", "tmpfs", "-o", f"size={SMALL},mode=711", "tmpfs", str(folder)]
        done = subprocess.run(mount, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
        if done.returncode != 0:
            raise NoSmallDisk(done.stderr.strip())
        try:
            yield folder
        finally:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)  # noqa: S603, S607


def fill(ballast: Path) -> None:
    """Write until there is no room."""
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while file.write(bytes(65_536)):
            pass


@contextmanager
def own_server(folder: Path, found: Path, scene: Scene) -> Iterator[Server]:
    """Move a scene to a server of its own."""
    own = Server(EmbeddedPostgres(folder, found))
    try:
        make_template(own.url)
        scene.url = at(own.url, "migrated")
        yield own
    finally:
        own.remove()


def test_a_disk_that_is_full(scene: Scene, request: pytest.FixtureRequest) -> None:
    found = binaries(request.config.getoption("--postgres"))
    with ExitStack() as stack:
        try:
            disk = stack.enter_context(small_disk())
        except NoSmallDisk as why:
            scene.not_run(19, "Disk full", str(why))
        own = stack.enter_context(own_server(disk / "data", found, scene))
        ballast = disk / "ballast"
        with scene.service() as service, scene.load(service) as load:
            fill(ballast)
            while load.codes <= {0, 200}:
                load.go_on(0.1)
            load.go_on(lasting(10, 3))  # a callback may still find room, where a failed one has left it
            assert 500 in load.codes
            ballast.unlink()
            own.start()  # where it has given up
            scene.heal()
            load.go_on(lasting(5, 1), at_least=50)
        scene.conclude(19, "Disk full", load)


def test_fsync_that_fails(scene: Scene, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if shutil.which("strace") is None:
        scene.not_run(20, "`fsync` fails", "strace is not installed")
    found = binaries(request.config.getoption("--postgres"))
    with own_server(tmp_path / "own", found, scene) as own:
        with scene.service() as service, scene.load(service) as load:
            tracer = _failing_syncs(own.pid)
            try:
                load.go_on(lasting(15, 6))
            finally:
                tracer.send_signal(signal.SIGINT)
                tracer.wait(30)
            own.start()  # where it has given up
            scene.heal()
            load.go_on(lasting(5, 1), at_least=50)
        logs = (own.holder.cluster / name for name in ("server.log", "server.old.log"))
        panics = sum(log.read_text(errors="replace").count("PANIC") for log in logs if log.exists())
        assert panics, "no sync has failed"
        scene.conclude(20, "`fsync` fails (by strace)", load, note=f"{panics} panics of PostgreSQL")


def _failing_syncs(postmaster: int) -> "subprocess.Popen[bytes]":
    """Let every process of a server fail at its 40th sync of the log."""
    inject = "inject=fsync,fdatasync:error=EIO:when=40"
    own_words = ["-e", "trace=fsync,fdatasync", "-e", inject, "-o", os.devnull]
    traced = [word for pid in (postmaster, *children(postmaster)) for word in ("-p", str(pid))]
    command = ["strace", "-f", "-qq", *traced, *own_words]
    return subprocess.Popen(command)  # noqa: S603 - as it says
