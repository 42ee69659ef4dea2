"""What docs/operations.md says brings a ledger back does so: its very commands, beside a running service."""

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from ledger.embedded import EmbeddedPostgres
from ledger.migration import migrate
from tests.support.database import at, binaries, execute
from tests.support.processes import wait_until
from tests.support.runbook import Runbook, blocks, server_user
from tests.support.service import ENVIRONMENT, Service, command_environment, running
from tests.support.supplier import body, delivered

AFTERWARDS = "After a restore, a promotion, a copy"

EXECUTED = {
    "Archive the write-ahead log",
    "Take a base backup",
    "Restore to a moment",
    "Take a dump",
    "Restore a dump",
    "Set up a standby",
    "Promote the standby",
    AFTERWARDS,
}

pytestmark = pytest.mark.slow


class Place:
    """A primary with its ledger, room for what comes of it, and the document to do it by."""

    def __init__(self, folder: Path, programs: Path) -> None:
        """Make the primary, in a folder that PostgreSQL's user may enter."""
        self.folder = folder
        self.programs = programs
        self.holder = EmbeddedPostgres(folder / "old", programs)
        self.url = self.holder.acquire()
        migrate(self.url)
        room = folder / "room"
        for one in (room, room / "wal", room / "socket"):
            one.mkdir()
            self._give(one)
        self.new = room / "new"
        self.restored = f"postgresql://postgres@/ledger?host={room / 'socket'}&port=5432"
        self._copies_listen_apart(room / "socket")
        self._admit_replication()
        self.environment = ENVIRONMENT | {
            "ANCHORS": str(folder / "anchors"),
            "SEAL_EVERY": "0",  # a test says when
            "COLUMNS": "160",
        }
        self.variables = {
            "PRIMARY": self.url,
            "OLD": str(self.holder.cluster),
            "SERVER": at(self.restored, "postgres"),
            "RESTORED": self.restored,
            "NEW": str(self.new),
            "BASE": str(room / "base"),
            "WAL": str(room / "wal"),
            "DUMP": str(room / "dump"),
            "MOMENT": "latest",
            "KEY": str(folder / "ledger.pub"),
        }

    def run(self, heading: str, *, code: int = 0) -> str:
        """Do what stands under a heading; the service's settings name the new server by then."""
        settings = command_environment(**self.environment | {"DATABASE_URL": self.variables["RESTORED"]})
        runbook = Runbook(self.programs / "bin", self.folder, self.variables, settings)
        return runbook.run(heading, code=code)

    def command(self, *words: str, url: str) -> str:
        """Run a command of the service; return what it told, whatever the exit code."""
        done = subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "ledger", *words],
            cwd=self.folder,
            env=command_environment(**self.environment, DATABASE_URL=url),
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout

    def serving(self, url: str, **settings: str) -> AbstractContextManager[Service]:
        """Run the service on a database."""
        every = self.environment | {"DATABASE_URL": url} | settings
        return running(self.folder, workers=1, **every)

    def crash(self) -> None:
        """End the primary at once, as a crash does."""
        pid_file = self.holder.cluster / "postmaster.pid"
        os.kill(int(pid_file.read_text().split()[0]), signal.SIGQUIT)
        wait_until(lambda: not pid_file.exists())

    def remove(self) -> None:
        """Stop every server."""
        if (self.new / "postmaster.pid").exists():
            os.kill(int((self.new / "postmaster.pid").read_text().split()[0]), signal.SIGQUIT)
            wait_until(lambda: not (self.new / "postmaster.pid").exists())
        self.holder.remove()

    def _copies_listen_apart(self, socket: Path) -> None:
        """Give copies of the data a socket of their own; the primary has its own on its command line."""
        execute(
            self.url,
            f"ALTER SYSTEM SET unix_socket_directories = '{socket}'",
            "ALTER SYSTEM SET listen_addresses = ''",
            "ALTER SYSTEM SET wal_receiver_status_interval = '1s'",
        )

    def _admit_replication(self) -> None:
        with (self.holder.cluster / "pg_hba.conf").open("a") as file:
            file.write("local replication all peer map=holders\n")
        execute(self.url, "SELECT pg_reload_conf()")

    def _give(self, path: Path) -> None:
        if (user := server_user()) is not None:
            shutil.chown(path, user)


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with tempfile.TemporaryDirectory(prefix="status-ledger-") as folder:
        Path(folder).chmod(0o711)  # where we are root, PostgreSQL's user must pass; pytest's folders are shut
        made = Place(Path(folder), binaries(request.config.getoption("--postgres")))
        try:
            yield made
        finally:
            made.remove()


class Told:
    """The keys of callbacks that were acknowledged."""

    def __init__(self, service: Service) -> None:
        self.keys: set[str] = set()
        self._service = service

    def tell(self, number: int, what: str) -> None:
        """Post so many callbacks, each of which must be acknowledged."""
        for one in range(number):
            key = f"{what}-{one}"
            assert self._service.post(body(delivered(f"message-{key}", key=key))).status_code == 200
            self.keys.add(key)

    @contextmanager
    def going_on(self, what: str) -> Iterator[None]:
        """Post callbacks while the block lasts."""
        stopping = threading.Event()
        failed: list[BaseException] = []

        def go_on() -> None:
            try:
                for number in range(1_000_000):
                    if stopping.is_set():
                        return
                    self.tell(1, f"{what}-{number}")
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=go_on)
        thread.start()
        try:
            yield
        finally:
            stopping.set()
            thread.join(60)
        assert failed == []


def kept(url: str) -> set[object]:
    """Return the keys of the events that a ledger holds; none is there twice."""
    keys = [key for (key,) in execute(url, "SELECT idempotency_key FROM events")]
    assert len(keys) == len(set(keys))
    return set(keys)


def sealed(place: Place, url: str) -> None:
    """Seal and publish all that there is, and keep the public key outside."""
    place.command("seal", url=url)
    Path(place.variables["KEY"]).write_text(place.command("public-key", url=url))


def test_every_procedure_is_executed_here_and_says_where() -> None:
    assert {block.heading for block in blocks()} == EXECUTED
    for block in blocks():
        assert block.place.startswith("# "), block
    words = Path(__file__).read_text(encoding="utf-8")
    for heading in EXECUTED - {AFTERWARDS}:
        assert words.count(f'run("{heading}"'), heading


def test_from_base_backup_archive_and_what_was_not_archived_yet_nothing_is_lost(place: Place) -> None:
    place.run("Archive the write-ahead log")
    with place.serving(place.url) as service:
        told = Told(service)
        told.tell(20, "before")
        with told.going_on("meanwhile"):
            place.run("Take a base backup")
        told.tell(20, "archived")
        execute(place.url, "SELECT pg_switch_wal()")
        told.tell(20, "not archived")
        sealed(place, place.url)
        told.tell(20, "not sealed")
        place.crash()

    place.run("Restore to a moment")
    assert "goes on" in (afterwards := place.run(AFTERWARDS))
    assert "The read model is what the ledger says." in afterwards
    assert "The ledger is what was sealed." in afterwards
    assert kept(place.restored) == told.keys
    with place.serving(place.restored) as service:
        Told(service).tell(5, "after")


def test_a_ledger_that_was_put_back_to_a_moment_begins_another_log_and_says_so(place: Place) -> None:
    place.run("Archive the write-ahead log")
    with place.serving(place.url) as service:
        before, after = Told(service), Told(service)
        before.tell(20, "before")
        sealed(place, place.url)
        place.run("Take a base backup")
        before.tell(20, "since")
        ((moment,),) = execute(place.url, "SELECT clock_timestamp()::text")
        after.tell(20, "lost")
        sealed(place, place.url)
        followed = [json.loads(line) for line in place.command("entries", url=place.url).splitlines()]
        execute(place.url, "DROP TABLE message_status")

    place.variables["MOMENT"] = str(moment)
    place.run("Restore to a moment")
    assert kept(place.restored) == before.keys
    with place.serving(place.restored, SEAL_EVERY="0.2") as service:
        wait_until(lambda: "sealing.stopped" in service.log.read_text())
        Told(service).tell(5, "taken all the same")
    afterwards = place.run(AFTERWARDS, code=1)
    assert re.search(r"The log \w+ begins, because 60 entries are anchored, the log has \d+;", afterwards)
    assert "The read model is what the ledger says." in afterwards
    new_key = place.command("public-key", url=place.restored).strip()
    findings = place.command(
        "audit", "verify", f"--anchors={place.environment['ANCHORS']}", "--json",
        f"--key={place.variables['KEY']}", f"--key={new_key}", url=place.restored,
    )  # fmt: skip
    assert set(re.findall(r'"what": "([\w.]+)"', findings)) == {"checkpoint.gone"}, findings

    with place.serving(place.restored) as service:  # whoever followed the feed has what was lost
        for entry in followed:
            content = base64.b64decode(entry["body"])
            assert service.post(content, x_hmac_sha256_signature=entry["signature"]).status_code == 200
    assert before.keys | after.keys <= kept(place.restored)


def test_a_dump_restored_elsewhere_goes_on(place: Place, request: pytest.FixtureRequest) -> None:
    elsewhere = EmbeddedPostgres(place.folder / "elsewhere", binaries(request.config.getoption("--postgres")))
    try:
        url = elsewhere.acquire()
        execute(at(url, "postgres"), "DROP DATABASE ledger")
        with place.serving(place.url) as service:
            told = Told(service)
            told.tell(20, "sealed")
            sealed(place, place.url)
            told.tell(20, "not sealed")
            with Told(service).going_on("later"):
                place.run("Take a dump")
        place.variables |= {"SERVER": at(url, "postgres"), "RESTORED": url}
        place.run("Restore a dump")
        assert kept(url) >= told.keys
        assert "goes on" in (afterwards := place.run(AFTERWARDS))
        assert "The read model is what the ledger says." in afterwards
        assert "The ledger is what was sealed." in afterwards
        with place.serving(url) as service:
            Told(service).tell(5, "after")
    finally:
        elsewhere.remove()


def test_a_synchronous_standby_that_is_promoted_has_all_that_was_acknowledged(place: Place) -> None:
    with place.serving(place.url) as service:
        told = Told(service)
        told.tell(20, "before")
        with told.going_on("meanwhile"):
            place.run("Set up a standby")
        told.tell(50, "replicated")
        sealed(place, place.url)
        told.tell(50, "not sealed")
        place.run("Promote the standby")

    assert "goes on" in (afterwards := place.run(AFTERWARDS))
    assert "The read model is what the ledger says." in afterwards
    assert "The ledger is what was sealed." in afterwards
    assert kept(place.restored) == told.keys
    with place.serving(place.restored) as service:
        Told(service).tell(5, "after")
