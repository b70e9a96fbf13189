"""A small project whose hosts are simulated, for pytest to run inside of pytest."""

from __future__ import annotations

import json
import shutil
import textwrap
from pathlib import Path
from typing import Any

import pytest

import harness
from harness.flight.inventory import load_hosts
from harness.job.lab import Lab
from harness.sim.host import SimHost
from harness.sim.lab import SimLab
from harness.sim.state import HostState, state_of
from harness.sim.world import SimWorld

ROOT = Path(harness.__file__).parent.parent
HOST, OTHER = "sim1", "sim2"
JOB = "boot-bookworm-amd64-pv-direct"
RACK = """\
default: rack
hosts:
  rack:
    testbox: {release: bookworm}
"""
SIM = """\
  {name}:
    slots: {slots}
    slot_timeout: 10m
    {settings}
    sim: {{faults: {faults}}}
"""
WORDS = ("suites", "-p", "no:cacheprovider")
FLIGHT = """
flight: smoke
mirror: auto
defaults: {suite: boot, memory: 512M, vcpus: 1, disk: 2G}
matrix: {dist: [bookworm], arch: [amd64], virt: [pv], boot: [direct]}
"""


class Simulation:
    """Brings the lab of a test, so that the test can look at its hosts before and after."""

    def __init__(self, lab: SimLab) -> None:
        self._lab = lab

    def pytest_xenflight_lab(self) -> Lab:
        """Ours."""
        return self._lab


class SimProject:
    """A checkout with flights of its own, the project's suites, and simulated hosts."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.path = pytester.path
        self.world = SimWorld()
        self.names = [HOST]
        shutil.copytree(ROOT / "suites", self.path / "suites")
        self.write("flights/smoke.yaml", FLIGHT)
        self.write("conftest.py", 'pytest_plugins = ["harness.plugin"]\n')
        self.hosts()

    def write(self, name: str, text: str) -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip())
        return path

    def hosts(self, *faults: str, count: int = 1, slots: int = 2, settings: str = "") -> None:
        """Write hosts.yaml: *count* new hosts with *settings*, the first of them with *faults*.

        Both as hosts.yaml has them.
        """
        self.world = SimWorld()
        self.names = [HOST, OTHER][:count]
        text = RACK
        for name in self.names:
            found = ", ".join(faults) if name == HOST else ""
            text += SIM.format(name=name, slots=slots, settings=settings, faults=f"[{found}]")
        self.write("flights/hosts.yaml", text)

    @property
    def host(self) -> SimHost:
        """The first simulated host, made if it was not there."""
        return self.host_named(HOST)

    def host_named(self, name: str) -> SimHost:
        """That of these."""
        hosts = load_hosts(self.path / "flights" / "hosts.yaml")
        return self.world.host(hosts.get(name))

    @property
    def state(self) -> HostState:
        """What is on the first."""
        return state_of(self.host)

    def states(self) -> dict[str, HostState]:
        """What is on each."""
        return {name: state_of(self.host_named(name)) for name in self.names}

    def more_than(self, before: dict[str, HostState]) -> dict[str, dict[str, list[str]]]:
        """What is on each that was not *before*; empty when nothing is."""
        found = {name: now.more_than(before[name]) for name, now in self.states().items()}
        return {name: left for name, left in found.items() if left}

    def recover(self) -> None:
        """Whatever was wrong with any of them is not any more."""
        for name in self.names:
            self.host_named(name).recover()

    def run(self, *arguments: str, flight: str = "smoke") -> pytest.RunResult:
        """Plain pytest, in this process."""
        words = [*WORDS, "--host", ",".join(self.names), "--flight", flight]
        plugin = Simulation(SimLab(self.world))
        return self.pytester.runpytest_inprocess(
            *words, *arguments, no_reraise_ctrlc=True, plugins=[plugin]
        )

    def run_apart(self, *arguments: str) -> pytest.RunResult:
        """Plain pytest, in a process of its own, in which nobody brings a lab."""
        words = [*WORDS, "--host", HOST, "--flight", "smoke", *arguments]
        return self.pytester.runpytest_subprocess(*words, timeout=120)

    @property
    def directory(self) -> Path:
        return self.path / "reports" / "runs" / "latest"

    @property
    def results(self) -> dict[str, Any]:
        found = json.loads((self.directory / "results.json").read_text())
        assert isinstance(found, dict)
        return found

    def job(self, name: str = JOB) -> dict[str, Any]:
        return next(job for job in self.results["jobs"] if job["name"] == name)

    def attempts(self, name: str = JOB) -> list[dict[str, Any]]:
        """What became of a job each time, the last one last."""
        job = self.job(name)
        return [*job["attempts"], job]


def culprit(attempt: dict[str, Any]) -> dict[str, Any] | None:
    """The first step of it that did not pass."""
    steps = attempt["steps"]
    return next((step for step in steps if step["status"] not in ("pass", "skip")), None)
