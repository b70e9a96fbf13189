"""A caching proxy for Debian packages: apt-cacher-ng, as the current user, on loopback.

As packaged, apt-cacher-ng maps Debian's well-known host names to its own list of back ends. This
one gets a configuration of its own, with nothing but the mirror in use (`Remap-` and
``ForceManaged``), so it is not an open proxy either.

It is started when it is first needed and goes on running, so that the next run finds it warm;
`AptCache.stop` ends it. There is one for each user and mirror.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from harness.cache import cache_root, exclusive
from harness.errors import LabError
from harness.mirror.mirror import Mirror
from harness.mirror.release import fetch
from harness.remote.command import Command
from harness.wait import Deadline, NotYet, wait_for

LOOPBACK = "127.0.0.1"
SLIRP_HOST = "10.0.2.2"
"""How a machine behind QEMU's user-mode network reaches this machine's loopback."""

PROGRAM = "/usr/sbin/apt-cacher-ng"
# apt-cacher-ng 3.7 takes ports for signed 16-bit numbers, its own and those of back ends.
PORTS = range(20000, 32768)
_TRIES = 5
_START_TIMEOUT = timedelta(seconds=15)
_ANSWER_TIMEOUT = timedelta(seconds=2)
_STOP_TIMEOUT = timedelta(seconds=10)
_LOCK_TIMEOUT = timedelta(seconds=60)


class Spawner(Protocol):
    """Starts a program that outlives us (`harness.remote.local.LocalRunner` does)."""

    def spawn_detached(self, command: Command, log: Path) -> int:
        """Start *command* in a session of its own, its output in *log*; its process id."""
        ...


@dataclass(frozen=True, kw_only=True)
class Running:
    """An apt-cacher-ng that answers."""

    pid: int
    port: int

    def url(self, host: str = LOOPBACK) -> str:
        """Where it is, seen from a machine that reaches our loopback as *host*."""
        return f"http://{host}:{self.port}"


class AptCache:
    """The cache in front of one *mirror*."""

    def __init__(
        self,
        mirror: Mirror,
        spawner: Spawner,
        *,
        base: Path | None = None,
        program: str = PROGRAM,
        ports: Callable[[], Iterator[int]] | None = None,
    ) -> None:
        key = hashlib.sha256(f"{mirror.main} {mirror.security}".encode()).hexdigest()[:12]
        self.mirror = mirror
        self.directory = (base or cache_root()) / "apt" / key
        self._spawner = spawner
        self._program = program
        self._ports = ports or free_ports

    @property
    def config_file(self) -> Path:
        """Its configuration, written anew at each start."""
        return self.directory / "conf" / "acng.conf"

    @property
    def _state_file(self) -> Path:
        return self.directory / "running.json"

    def ensure(self) -> Running:
        """The cache, started if it does not run. `LabError` when it cannot be."""
        _check_port(self.mirror.main)
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._lock():
            return self.running() or self._start()

    def running(self) -> Running | None:
        """The cache, if it runs, is ours and answers an actual request; else None."""
        found = self._recorded()
        return found if found and self._is_ours(found.pid) and _answers(found.port) else None

    def stop(self) -> bool:
        """End it if it runs; whether it did. Nothing that is not ours is ever signalled."""
        if not self.directory.is_dir():
            return False
        with self._lock():
            found = self._recorded()
            stopped = found is not None and self._signal(found.pid)
            if found and stopped:
                self._wait_until_gone(found.pid)
            self._state_file.unlink(missing_ok=True)
            return stopped

    def through(self, running: Running, host: str = LOOPBACK) -> Mirror:
        """The mirror as seen through the cache by a machine that reaches us as *host*."""
        base = running.url(host)
        security = f"{base}/security" if self.mirror.security else None
        return Mirror(main=f"{base}/main", security=security)

    def _lock(self) -> AbstractContextManager[None]:
        return exclusive(self.directory / "lock", what="the package cache", timeout=_LOCK_TIMEOUT)

    def _recorded(self) -> Running | None:
        try:
            state = json.loads(self._state_file.read_text())
            return Running(pid=int(state["pid"]), port=int(state["port"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _is_ours(self, pid: int) -> bool:
        """Process ids are used again: look at what runs under this one now."""
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
        return os.fsencode(self.config_file.parent) in words

    def _start(self) -> Running:
        if not os.access(self._program, os.X_OK):
            msg = f"the package cache {self._program} is not installed"
            raise LabError(msg, hint="install Debian's apt-cacher-ng")
        last: LabError | None = None
        for port in islice(self._ports(), _TRIES):
            try:
                return self._start_on(port)
            except LabError as error:
                last = error
        msg = f"apt-cacher-ng did not start, tried on {_TRIES} free ports: {last}"
        raise LabError(msg) from last

    def _start_on(self, port: int) -> Running:
        self.config_file.parent.mkdir(parents=True, exist_ok=True)
        self.config_file.write_text(configuration(self.mirror, self.directory, port))
        for name in ("cache", "log"):
            (self.directory / name).mkdir(exist_ok=True)
        command = Command.of(self._program, "-c", self.config_file.parent)
        pid = self._spawner.spawn_detached(command, self.directory / "log" / "output.log")
        running = Running(pid=pid, port=port)
        self._state_file.write_text(json.dumps({"pid": pid, "port": port}))

        def check() -> Running:
            if _is_gone(pid):
                msg = f"it ended at once, on port {port}; its log: {self._log()}"
                raise LabError(msg)
            if "bind" in self._log():
                # It goes on running without a port, for ever.
                msg = f"it cannot have port {port}; its log: {self._log()}"
                raise LabError(msg)
            # In the middle of its exec a process has no command line: not ours, and not gone.
            if not self._is_ours(pid) or not _answers(port):
                msg = f"no answer on port {port}; its log: {self._log()}"
                raise NotYet(msg)
            return running

        try:
            return wait_for(
                check, what="apt-cacher-ng to answer", deadline=Deadline.after(_START_TIMEOUT)
            )
        except LabError:
            if self._signal(pid):
                self._wait_until_gone(pid)
            raise

    def _signal(self, pid: int) -> bool:
        """Ask it to end, if it is ours; whether it was."""
        if not self._is_ours(pid):
            return False
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        return True

    def _wait_until_gone(self, pid: int) -> None:
        def check() -> None:
            if not _is_gone(pid):
                msg = f"process {pid} is still there"
                raise NotYet(msg)

        wait_for(check, what="apt-cacher-ng to end", deadline=Deadline.after(_STOP_TIMEOUT))

    def _log(self) -> str:
        try:
            text = (self.directory / "log" / "output.log").read_text(errors="replace")
        except OSError:
            return "(none)"
        return "; ".join(text.split("\n")[-4:]).strip("; ") or "(empty)"


def configuration(mirror: Mirror, directory: Path, port: int) -> str:
    """The text of acng.conf: loopback only, our directories, our back ends and no others."""
    lines = [
        "# Written by xenflight at each start; changes are lost.",
        "ForeGround: 1",
        f"BindAddress: {LOOPBACK}",
        f"Port: {port}",
        f"CacheDir: {directory}/cache",
        f"LogDir: {directory}/log",
        f"PidFile: {directory}/pid",
        f"SocketPath: {directory}/socket",
        "SupportDir: /usr/lib/apt-cacher-ng",
        "ForceManaged: 1",
        "VerboseLog: 1",
        f"Remap-main: /main ; {mirror.main}",
    ]
    if mirror.security:
        lines.append(f"Remap-security: /security ; {mirror.security}")
    return "\n".join(lines) + "\n"


def _check_port(url: str) -> None:
    port = urlsplit(url).port
    if port and port not in range(PORTS.stop):
        msg = f"apt-cacher-ng cannot use the mirror {url}: it knows no port above {PORTS.stop - 1}"
        raise LabError(msg, hint="serve the mirror on a lower port")


def free_ports() -> Iterator[int]:
    """Ports that nobody listens on just now, in no order, so that two users do not collide."""
    for port in random.sample(PORTS, k=len(PORTS)):
        with socket.socket() as trial:
            try:
                trial.bind((LOOPBACK, port))
            except OSError:
                continue
        yield port


def _is_gone(pid: int) -> bool:
    """Whether the process has ended; a zombie has."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True
    return status.rpartition(")")[2].split()[0] == "Z"


def _answers(port: int) -> bool:
    """Whether an apt-cacher-ng is there: it answers 406 with a page of its own to ``/``."""
    try:
        fetch(f"http://{LOOPBACK}:{port}/", timeout=_ANSWER_TIMEOUT)
    except LabError as error:
        # Not just "406": a port may be called so, too.
        return "answers 406 " in error.message
    return False
