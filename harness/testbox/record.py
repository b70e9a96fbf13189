"""What is written down about a running testbox, and whether it really runs."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

from harness.errors import LabError
from harness.testbox.accel import Accel
from harness.wait import Deadline, NotYet, wait_for

GRACE = timedelta(seconds=10)


@dataclass(frozen=True, kw_only=True)
class InstanceRecord:
    """One running QEMU. *marker* stands on its command line, so that a recycled pid is not
    mistaken for it."""

    pid: int
    ssh_port: int
    accel: Accel
    marker: str
    started: float
    """Seconds since the epoch."""
    how: str
    """``resumed`` or ``booted``, and from what: for people."""

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
            return cls(**{**fields, "accel": Accel(fields["accel"])})
        except (OSError, ValueError, KeyError, TypeError):
            return None

    @property
    def alive(self) -> bool:
        """Whether that very process runs."""
        try:
            words = Path(f"/proc/{self.pid}/cmdline").read_bytes()
        except OSError:
            return False
        return self.marker.encode() in words

    def wait_gone(self, deadline: Deadline) -> None:
        """Wait until the process is gone."""

        def gone() -> None:
            if self.alive:
                msg = f"pid {self.pid} still runs"
                raise NotYet(msg)

        wait_for(gone, what="QEMU to end", deadline=deadline, interval=timedelta(milliseconds=50))

    def end(self) -> None:
        """End the process: asked first, then made to. `DeadlineExceeded` if it won't go."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if not self.alive:
                return
            os.kill(self.pid, number)
            try:
                self.wait_gone(Deadline.after(GRACE))
            except LabError:
                if number is signal.SIGKILL:
                    raise
