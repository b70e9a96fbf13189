"""A real sshd on the loopback address: an ordinary process with keys and settings of its own."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from harness.remote.keys import make_keypair
from harness.remote.ssh import SshEndpoint, SshRunner
from harness.wait import Deadline, NotYet, wait_for

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")

_CONFIG = """
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin yes
"""


@dataclass(frozen=True, kw_only=True)
class Sshd:
    """A running server."""

    process: subprocess.Popen[bytes]
    endpoint: SshEndpoint
    log: Path

    def kill_sessions(self) -> None:
        """Kill the server's side of every connection, as a host that crashes does."""
        self._signal_sessions(signal.SIGKILL)

    def freeze_sessions(self) -> None:
        """Stop the server's side of every connection, as a host that hangs does."""
        self._signal_sessions(signal.SIGSTOP)

    def _signal_sessions(self, number: signal.Signals) -> None:
        # Never the command itself: the server would still report how that ended.
        for pid in children(self.process.pid):
            for server in (pid, *filter(_is_sshd, children(pid))):
                with suppress(ProcessLookupError):
                    os.kill(server, number)


def _is_sshd(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/comm").read_text().startswith("sshd")
    except (FileNotFoundError, ProcessLookupError):
        return False


def children(pid: int) -> list[int]:
    """The processes that *pid* started."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [int(word) for word in text.split()]


def free_port() -> int:
    """A TCP port of the loopback address that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@contextmanager
def running_sshd(folder: Path) -> Iterator[Sshd]:
    """A server that takes the key ``folder/user_key`` for the user who runs the tests."""
    assert SSHD is not None, "sshd is not installed (Debian: openssh-server)"
    port = free_port()
    host_key = make_keypair(folder / "host_key")
    (folder / "authorized_keys").write_text(make_keypair(folder / "user_key") + "\n")
    (folder / "sshd_config").write_text(_CONFIG.format(port=port, folder=folder))
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    log = folder / "sshd.log"
    command = [SSHD, "-D", "-f", str(folder / "sshd_config"), "-E", str(log)]
    with subprocess.Popen(command, start_new_session=True) as process:
        try:
            _wait_for_listener(port, log)
            yield Sshd(
                process=process,
                endpoint=SshEndpoint(
                    name="loopback",
                    address="127.0.0.1",
                    port=port,
                    user=getpass.getuser(),
                    key_file=folder / "user_key",
                    host_key=host_key,
                ),
                log=log,
            )
        finally:
            process.terminate()


def log_in(sshd: Sshd, seconds: float = 20) -> SshRunner:
    """A connection to the server."""
    return SshRunner.connect(sshd.endpoint, Deadline.after(timedelta(seconds=seconds)))


def _wait_for_listener(port: int, log: Path) -> None:
    def listening() -> None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError as error:
            msg = f"{error}; {log.read_text() if log.exists() else 'no log'}"
            raise NotYet(msg) from error

    deadline = Deadline.after(timedelta(seconds=10))
    wait_for(listening, what="sshd", deadline=deadline, interval=timedelta(milliseconds=20))
