"""Running the real command on this session's testbox, in a project folder of the test's own."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from harness.remote.command import Command, CommandResult, Runner
from harness.remote.local import LocalRunner
from harness.results.load import load_results
from harness.results.model import FlightResult, StepResult
from harness.wait import Deadline, NotYet, wait_for

BACKGROUND = "background.log"
CHECKOUT = Path(__file__).parents[2]
FLIGHT_TIMEOUT = timedelta(minutes=20)
MAY_APPEAR = re.compile(
    # A golden volume stays, and the lock under which it was made; that of canaries, too.
    r".*role=golden.*|/run/xenflight/locks/(?:golden-\w+|canary)"
    # Who held which slot: locks, which nobody holds any more, and records, which are empty.
    r"|/run/xenflight/slots/(?:gate|token|admission|\d+|\d+\.lock)"
    # Empty directories that libxl makes with a host's first domain and never removes.
    r"|/libxl|/vm"
    # How much memory dom0 has: written when libxl is first asked for a domain's (`xl list -l`).
    r"|/local/domain/0/memory"
)
INVENTORY = {
    "domains": "xl list | awk '{print $1, $2}'",
    "volumes": "lvs --noheadings -o vg_name,lv_name,lv_tags | sort",
    "xenstore": "xenstore-ls -f / | cut -d= -f1 | grep -v '/memory/\\|/data/' | sort",
    "interfaces": "ls /sys/class/net | sort",
    "run": "find /run/xenflight -type f | sort",
    "temporary": "ls -A /tmp /var/tmp",
    "processes": "ps -eo args= | grep -c '[x]enconsole ' || :",
}


@dataclass(frozen=True)
class Lab:
    """A folder with flights whose default host is this session's testbox."""

    folder: Path

    @classmethod
    def make(cls, folder: Path, host: str, *, slots: int = 1) -> Lab:
        """Copy the project's flights to *folder*, with *host* in place of its testbox.

        Where there are two processors and no KVM, two guests at once take longer than one after
        the other; so there are no more *slots* than a test needs.
        """
        shutil.copytree(CHECKOUT / "flights", folder / "flights")
        hosts = folder / "flights" / "hosts.yaml"
        inventory = yaml.safe_load(hosts.read_text(encoding="utf-8"))
        inventory["hosts"] = {host: inventory["hosts"]["testbox"] | {"slots": slots}}
        inventory["default"] = host
        hosts.write_text(yaml.safe_dump(inventory), encoding="utf-8")
        return cls(folder)

    @contextmanager
    def hosts(self) -> Iterator[dict[str, Any]]:
        """What hosts.yaml says of each host. What is changed there is written down."""
        path = self.folder / "flights" / "hosts.yaml"
        inventory = yaml.safe_load(path.read_text(encoding="utf-8"))
        yield inventory["hosts"]
        path.write_text(yaml.safe_dump(inventory), encoding="utf-8")

    def steps(self) -> dict[str, StepResult]:
        """Those of the newest flight's only job, by testid."""
        (job,) = self.results().jobs
        return {step.testid: step for step in job.steps}

    def command(self, *argv: str) -> Command:
        """`xenflight ARGV` in this folder, without the launcher."""
        words = ("sh", "-ec", 'cd "$1"; shift; exec "$@"', "sh", str(self.folder))
        env = {"PYTHONPATH": str(CHECKOUT), "COLUMNS": "100"}
        return Command((*words, sys.executable, "-m", "harness.cli", *argv), env=env)

    def xenflight(self, *argv: str, timeout: timedelta = FLIGHT_TIMEOUT) -> CommandResult:
        """Run it to its end."""
        return LocalRunner().run(self.command(*argv), timeout=timeout, check=False)

    def pytest(self, *argv: str, timeout: timedelta = FLIGHT_TIMEOUT) -> CommandResult:
        """Plain pytest, as a user would call it in the checkout."""
        words = ("sh", "-ec", 'cd "$1"; shift; exec "$@"', "sh", str(self.folder))
        env = {"PYTHONPATH": str(CHECKOUT), "COLUMNS": "100"}
        command = Command((*words, sys.executable, "-m", "pytest", *argv), env=env)
        return LocalRunner().run(command, timeout=timeout, check=False)

    @property
    def latest(self) -> Path:
        """The directory of the newest flight."""
        return self.folder / "reports" / "runs" / "latest"

    def results(self) -> FlightResult:
        """The results of the newest flight."""
        return load_results(self.latest)

    @contextmanager
    def started(self, *argv: str) -> Iterator[subprocess.Popen[bytes]]:
        """`xenflight ARGV` in the background, the leader of a session of its own.

        Ctrl-C reaches it even where whoever started these tests ignores SIGINT, as a shell
        does for what it runs in the background.
        """
        command = self.command(*argv)
        with (self.folder / BACKGROUND).open("wb") as log:
            process = subprocess.Popen(
                command.argv,
                env={**os.environ, **command.env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    @property
    def said(self) -> str:
        """What the run in the background said."""
        return (self.folder / BACKGROUND).read_text(encoding="utf-8")

    def wait_for_console(self, text: bytes, timeout: timedelta = FLIGHT_TIMEOUT) -> None:
        """Wait until a guest of the newest flight has written *text* on its console."""

        def seen() -> None:
            logs = list(self.latest.glob("jobs/*/console.log"))
            if not any(text in log.read_bytes() for log in logs):
                msg = f"{len(logs)} consoles without it"
                raise NotYet(msg)

        wait_for(seen, what=f"{text!r} on a console", deadline=Deadline.after(timeout))


def inventory(dom0: Runner) -> dict[str, list[str]]:
    """What is on the host, less what a flight may leave there."""
    script = "\n".join(f"echo '== {name}'; {command}" for name, command in INVENTORY.items())
    found: dict[str, list[str]] = {}
    name = ""
    for line in dom0.run(Command(("sh", "-c", script))).stdout.splitlines():
        if line.startswith("== "):
            name = line.removeprefix("== ")
            found[name] = []
        elif not MAY_APPEAR.fullmatch(line.strip()):
            found[name].append(line.strip())
    return found
