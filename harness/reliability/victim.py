"""A flight in a process of its own, to be killed."""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from harness.remote.command import Command, CommandResult
from harness.remote.local import LocalRunner
from harness.store.url import VARIABLE
from harness.wait import Deadline, NotYet, wait_for

FLIGHT_TIMEOUT = timedelta(minutes=30)
_GONE = timedelta(seconds=30)


class Aim(StrEnum):
    """What is killed."""

    CONTROLLER = "controller"
    """The process alone: what it started has to notice."""
    GROUP = "group"
    """It and its workers at once, as the kernel does to a container that is ended."""


@dataclass(frozen=True)
class Place:
    """A folder in which flights run, with nothing of the user's in it."""

    folder: Path

    def command(self, *argv: str) -> Command:
        """``xenflight ARGV`` there."""
        script = 'cd "$1"; shift; exec "$@"'
        words = ("sh", "-ec", script, "sh", str(self.folder), sys.executable, "-m", "harness.cli")
        root = Path(__file__).parents[2]
        # Its own history, too: killed flights are no part of the user's.
        env = {"PYTHONPATH": str(root), "COLUMNS": "100", VARIABLE: str(self.folder / "history.db")}
        return Command((*words, *argv), env=env)

    def xenflight(self, *argv: str) -> CommandResult:
        """Run it to its end, whatever that is."""
        return LocalRunner().run(self.command(*argv), timeout=FLIGHT_TIMEOUT, check=False)

    def start(self, *argv: str) -> Victim:
        """Start it; nobody waits for it."""
        log = self.folder / "victim.log"
        return Victim(LocalRunner().spawn_detached(self.command(*argv), log), log)

    def flights(self) -> set[str]:
        """The ids of all flights that were started here."""
        found = self.folder.glob("reports/runs/*")
        return {path.name for path in found if not path.is_symlink()}

    def doing(self) -> str:
        """What the newest flight did last, as far as it wrote that down: job and step."""
        logs = [self.folder / "reports/runs" / name / "events.jsonl" for name in self.flights()]
        newest = max(filter(Path.is_file, logs), default=None, key=_changed)
        said = "nothing yet"
        for line in newest.read_text("utf-8").splitlines() if newest else ():
            with suppress(ValueError):
                said = _named(json.loads(line)) or said
        return said


@dataclass(frozen=True)
class Victim:
    """A flight that runs. *pid* leads no group; its group is the one that it was started in."""

    pid: int
    log: Path

    @property
    def alive(self) -> bool:
        """Whether it runs yet."""
        # No child of ours, and so never a zombie of ours; init may take its time to bury it.
        with suppress(OSError):
            stat = Path(f"/proc/{self.pid}/stat").read_text("utf-8", errors="replace")
            return stat.rpartition(")")[2].split()[0] != "Z"
        return False

    def kill(self, aim: Aim) -> None:
        """End it with SIGKILL, and see that it is gone; well if it is gone already."""
        with suppress(ProcessLookupError):
            if aim is Aim.GROUP:
                os.killpg(os.getpgid(self.pid), signal.SIGKILL)
            else:
                os.kill(self.pid, signal.SIGKILL)
        self.wait(_GONE)

    def wait(self, timeout: timedelta) -> None:
        """Until it has ended; `DeadlineExceeded` when it does not."""

        def ended() -> None:
            if self.alive:
                msg = f"process {self.pid} is there"
                raise NotYet(msg)

        wait_for(ended, what="the end of a flight", deadline=Deadline.after(timeout))


@contextmanager
def place(flights: Path) -> Iterator[Place]:
    """A folder that goes away afterwards, with the folder *flights* in it."""
    with tempfile.TemporaryDirectory(prefix="xenflight-reliability-") as folder:
        (Path(folder) / "flights").symlink_to(flights.resolve())
        yield Place(Path(folder))


def _named(event: object) -> str:
    if not isinstance(event, dict):
        return ""
    match event.get("event"):
        case "step-started":
            return f"{event.get('job')} {event.get('testid')}"
        case "step-finished":
            return f"{event.get('job')} after {(event.get('step') or {}).get('testid')}"
        case "flight-started" | "host-known" | "image-ready" | "flight-ended":
            return str(event["event"])
        case _:
            return ""


def _changed(path: Path) -> float:
    return path.stat().st_mtime
