"""A small project with a fake lab, for pytest to run inside of pytest."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import harness
from harness.status import Status
from harness.steps import LEAK_CHECK

ROOT = Path(harness.__file__).parent.parent
PV = "boot-bookworm-amd64-pv-direct"
PVH = "boot-bookworm-amd64-pvh-direct"

NO_RETRY = "--no-retry"
RETRY = "--retry"
"""Among the arguments of a run: leave that out."""

HOSTS = """
default: rack
hosts:
  rack:
    slots: 3
    timeout_factor: 1
    ssh:
      address: rack.example
      port: 22
      user: root
      key_file: ~/.ssh/id_ed25519
      host_key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEeCITrgnuhPBioSvNiALPt+joE71slsu8Lz1oR4fWbQ
      vg: vg0
      thin_pool: xenflight
      bridge: xenbr0
"""
FLIGHT = """
flight: smoke
mirror: auto
defaults: {suite: boot, memory: 512M, vcpus: 1, disk: 2G}
matrix: {dist: [bookworm], arch: [amd64], virt: [pv, pvh], boot: [direct]}
"""
SUITE = """
def test_guest_create(guest): guest.note("create")
def test_guest_boot(guest): guest.note("boot")
def test_guest_gone(guest): guest.note("gone")
"""
CONFTEST = """
from pathlib import Path
from harness.job.fake import FakeLab

pytest_plugins = ["harness.plugin"]

def pytest_xenflight_lab():
    return FakeLab(log=Path({log!r}), {arguments})
"""


class Project:
    """A checkout with flights and suites of its own, and a fake lab."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.path = pytester.path
        self.write("flights/hosts.yaml", HOSTS)
        self.write("flights/smoke.yaml", FLIGHT)
        self.suite(SUITE)
        self.lab()

    def write(self, name: str, text: str) -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip())
        return path

    def suite(self, text: str, name: str = "boot") -> None:
        self.write(f"suites/{name}/test_{name}.py", text)

    def lab(self, arguments: str = "") -> None:
        """Bring a lab in which something goes wrong."""
        log = str(self.path / "lab.log")
        self.write("conftest.py", CONFTEST.format(log=log, arguments=arguments))

    def run(self, *arguments: str, flight: str = "smoke") -> pytest.RunResult:
        """Plain pytest, in this process."""
        return self.call(*self._line(flight, arguments))

    def call(self, *arguments: str) -> pytest.RunResult:
        """pytest with whatever arguments, in this process."""
        # Its exit code 2 is to be looked at, not to end the outer session.
        return self.pytester.runpytest_inprocess(*arguments, no_reraise_ctrlc=True)

    def run_apart(self, *arguments: str, flight: str = "smoke") -> pytest.RunResult:
        """Plain pytest, in a process of its own."""
        return self.pytester.runpytest_subprocess(*self._line(flight, arguments), timeout=60)

    def _line(self, flight: str, arguments: Sequence[str]) -> list[str]:
        # That jobs are tried again has tests of its own (test_retry.py).
        line = ["suites", "--flight", flight, "-p", "no:cacheprovider", NO_RETRY, *arguments]
        return [word for word in line if word != RETRY and (RETRY not in line or word != NO_RETRY)]

    @property
    def did(self) -> list[str]:
        """What was done to the lab, in order."""
        log = self.path / "lab.log"
        return log.read_text().splitlines() if log.exists() else []

    @property
    def flight_directory(self) -> Path:
        return self.path / "reports" / "runs" / "latest"

    @property
    def results(self) -> dict[str, Any]:
        found = json.loads((self.flight_directory / "results.json").read_text())
        assert isinstance(found, dict)
        return found

    def job(self, name: str = PV) -> dict[str, Any]:
        return next(job for job in self.results["jobs"] if job["name"] == name)

    def steps(self, job: str = PV) -> dict[str, Status]:
        """The status of each step of a job, but for its last: see `leak_check`."""
        found = {step["testid"]: Status(step["status"]) for step in self.job(job)["steps"]}
        assert list(found)[-1] == LEAK_CHECK
        del found[LEAK_CHECK]
        return found

    def leak_check(self, job: str = PV) -> tuple[Status, str]:
        """The status of a job's leak check, and the reason."""
        found = self.step(LEAK_CHECK, job)
        return Status(found["status"]), found["reason"] or ""

    def step(self, testid: str, job: str = PV) -> dict[str, Any]:
        return next(step for step in self.job(job)["steps"] if step["testid"] == testid)
