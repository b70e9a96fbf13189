"""What is written down about a running testbox, and whether it really runs.

The record is written before QEMU is started, and QEMU is known by a word on its command
line. So there is no moment in which one runs that nobody can find again.
"""

from __future__ import annotations

import json
import os
import signal
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from harness.errors import DeadlineExceeded, LabError
from harness.testbox.accel import Accel
from harness.wait import Deadline, NotYet, wait_for

GRACE = timedelta(seconds=10)
EXEC_TIMEOUT = timedelta(seconds=5)
TICK = timedelta(milliseconds=5)
PROC = Path("/proc")


class Stage(StrEnum):
    """How far the start of a testbox got."""

    STARTING = "starting"
    """Of no use to anyone but the process that starts it."""
    RESUMED = "resumed"
    """It runs from a saved state; whoever comes next may go on with it."""
    READY = "ready"


@dataclass(frozen=True, kw_only=True)
class InstanceRecord:
    """One QEMU. *marker*, the path of its QMP socket, stands on its command line, so that a
    recycled pid is not mistaken for it."""

    marker: str
    ssh_port: int
    accel: Accel
    started: float
    """Seconds since the epoch."""
    how: str
    """``resumed`` or ``booted``, and from what: for people."""
    pid: int = 0
    """0: not known yet."""
    stage: Stage = Stage.READY
    image: str = ""
    """The name of its dom0 image's directory."""
    key: str = ""
    """Of the warm state it belongs to (`SavedState.key`)."""
    mended: bool = False
    """Whether it is a QEMU of `xenflight testbox mend`."""

    def write(self, path: Path) -> None:
        """Save it; whole or not at all."""
        temporary = path.with_suffix(".new")
        temporary.write_text(json.dumps(asdict(self)), encoding="utf-8")
        temporary.replace(path)

    @classmethod
    def read(cls, path: Path) -> InstanceRecord | None:
        """The record in *path*; None when there is none or it makes no sense."""
        try:
            fields = json.loads(path.read_text(encoding="utf-8"))
            record = cls(**fields)
            return replace(
                record,
                pid=int(record.pid),
                accel=Accel(record.accel),
                stage=Stage(record.stage),
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None

    @property
    def alive(self) -> bool:
        """Whether that very process runs."""
        return bool(self._pids())

    def wait_gone(self, deadline: Deadline) -> None:
        """Wait until the process is gone."""

        def gone() -> None:
            if pids := self._pids():
                msg = f"pid {pids[0]} still runs"
                raise NotYet(msg)

        wait_for(gone, what="QEMU to end", deadline=deadline, interval=timedelta(milliseconds=50))

    def end(self) -> None:
        """End the process: asked first, then made to. `DeadlineExceeded` if it won't go."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in self._pids():
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
            try:
                self.wait_gone(Deadline.after(GRACE))
            except LabError:
                if number is signal.SIGKILL:
                    raise

    def _pids(self) -> list[int]:
        if self.pid:
            return [self.pid] if runs_with(self.pid, self.marker) else []
        return processes_with(self.marker)


def runs_with(pid: int, marker: str) -> bool:
    """Whether *pid* is a QEMU whose QMP socket is *marker*, or the shell about to be one."""
    return f"unix:{marker},server=on,wait=off".encode() in _command_line(pid)


def _command_line(pid: int) -> list[bytes]:
    """The words that *pid* was started with; none for what is gone, dead or the kernel's own."""
    directory = PROC / str(pid)

    def read() -> list[bytes]:
        try:
            words = (directory / "cmdline").read_bytes()
            if words:
                return words.split(b"\0")
            (directory / "exe").readlink()
        except OSError:
            return []
        # In the middle of execve(2) a process has no words but, unlike a dead one, a program.
        msg = "it is being started"
        raise NotYet(msg)

    try:
        return wait_for(
            read, what=f"pid {pid}", deadline=Deadline.after(EXEC_TIMEOUT), interval=TICK
        )
    except DeadlineExceeded:
        return []


def processes_with(marker: str) -> list[int]:
    """The pids of all such processes."""
    pids = (int(path.name) for path in PROC.iterdir() if path.name.isdigit())
    return [pid for pid in pids if runs_with(pid, marker)]
