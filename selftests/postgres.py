"""A real PostgreSQL of this test session's own: unprivileged, on a Unix socket, in a directory
that goes with it."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path

from harness.wait import Deadline, NotYet, wait_for

STARTING = timedelta(seconds=60)
_USER = "xenflight"


def find_programs() -> Path | None:
    """The directory of the newest server's programs; Debian keeps them out of the PATH."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3])
    )
    if found:
        return found[-1].parent
    program = shutil.which("initdb")
    return Path(program).resolve().parent if program else None


@dataclass(kw_only=True)
class PostgresServer:
    """A server that runs."""

    programs: Path
    folder: Path
    process: subprocess.Popen[bytes]
    _numbers: Iterator[int] = field(default_factory=count)

    def url(self, database: str) -> str:
        """For the store."""
        return f"postgresql://{_USER}@/{database}?host={self.folder}"

    def new_database(self, template: str = "template1") -> str:
        """The URL of a fresh database, as *template* is."""
        name = f"store{next(self._numbers)}"
        self.tell(f'CREATE DATABASE {name} TEMPLATE "{template}"')
        return self.url(name)

    def tell(self, statement: str, database: str = "postgres") -> str:
        """Have psql run a statement; what it prints."""
        words = ["-h", str(self.folder), "-U", _USER, "-d", database]
        done = subprocess.run(
            [self.programs / "psql", *words, "-XAtqv", "ON_ERROR_STOP=1", "-c", statement],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return str(done.stdout).strip()

    def stop(self) -> None:
        """As when its machine goes: all connections end at once."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(timeout=30)

    def start(self) -> None:
        """Let it run again."""
        self.process = _serve(self.programs, self.folder)
        self.await_ready()

    def await_ready(self) -> None:
        """Until it answers."""

        def ready() -> None:
            words = ["-h", str(self.folder), "-U", _USER]
            program = self.programs / "pg_isready"
            done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
            if done.returncode:
                log = (self.folder / "log").read_text(errors="replace")[-500:]
                msg = f"{done.stdout.strip()}; {log}"
                raise NotYet(msg)

        deadline = Deadline.after(STARTING)
        wait_for(ready, what="PostgreSQL", deadline=deadline, interval=timedelta(milliseconds=50))


@contextmanager
def running_postgres(programs: Path) -> Iterator[PostgresServer]:
    """Start a server with databases of its own, and end it."""
    # Not below pytest's own directory: nobody but its owner gets into that, and the server is
    # another user when the tests are root. A socket's path must be short, too.
    folder = Path(tempfile.mkdtemp(prefix="xenflight-pg-"))
    try:
        _give_away(folder)
        words = ["-U", _USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        made = subprocess.run(
            [*_as_nobody(), programs / "initdb", "-D", folder / "data", *words],
            capture_output=True,
            text=True,
            cwd=folder,
            check=False,
        )
        assert made.returncode == 0, made.stdout + made.stderr
        process = _serve(programs, folder)
        server = PostgresServer(programs=programs, folder=folder, process=process)
        try:
            server.await_ready()
            yield server
        finally:
            if server.process.poll() is None:
                server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _serve(programs: Path, folder: Path) -> subprocess.Popen[bytes]:
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": str(folder),
        "unix_socket_permissions": "0777",
        "fsync": "off",
        "max_connections": "50",
        "shared_buffers": "32MB",
    }
    words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            # One whose tests were killed goes with them.
            [
                *_as_nobody("--pdeathsig", "QUIT"),
                programs / "postgres",
                "-D",
                folder / "data",
                *words,
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
            start_new_session=True,
        )


def _unprivileged() -> pwd.struct_passwd:
    """Debian's package makes a user for it; anybody else without rights does as well."""
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise AssertionError


def _as_nobody(*options: str) -> list[str]:
    """A server refuses to run as root. setpriv becomes the server: its pid is the server's."""
    if os.geteuid():
        return ["setpriv", *options, "--"]
    user = _unprivileged()
    ids = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    return ["setpriv", *ids, *options, "--"]


def _give_away(folder: Path) -> None:
    if os.geteuid() == 0:
        user = _unprivileged()
        os.chown(folder, user.pw_uid, user.pw_gid)
