"""Flights for the tests of results and reports, recorded through the real recorder."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from harness.results.events import FlightHeader, PlannedJob
from harness.results.model import (
    FlightResult,
    HostFacts,
    ImageFacts,
    PhaseResult,
    StepResult,
)
from harness.results.recorder import FlightRecorder
from harness.status import Status

START = datetime(2024, 11, 22, 9, 0, 0, tzinfo=UTC)
PV = "boot-bookworm-amd64-pv-direct"
PVH = "boot-bookworm-amd64-pvh-direct"
STEPS = (
    "guest-create",
    "guest-boot",
    "guest-console",
    "guest-ssh",
    "guest-network",
    "guest-shutdown",
    "guest-gone",
)
PANIC = (
    "[    4.201933] List of all partitions:\r\n"
    "[    4.202610] \x1b[1;31mKernel panic - not syncing\x1b[0m: VFS: Unable to mount root fs on "
    "unknown-block(0,0) [bold]and a line long enough to be cut at the edge of the terminal[/bold]"
    "\x1b]0;owned\x07\r\n"
    "[    4.203001] CPU: 0 PID: 1 Comm: swapper/0 Not tainted 6.1.0-47-cloud-amd64 #1\r\n"
)


class JumpingClock:
    """Wall clock of a test: stands still until it is moved."""

    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> datetime:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


def planned(name: str, steps: tuple[str, ...] = STEPS) -> PlannedJob:
    suite, dist, arch, virt, boot = name.split("-")
    return PlannedJob(
        name=name,
        suite=suite,
        dist=dist,
        arch=arch,
        virt=virt,
        boot=boot,
        steps=steps,
        runvars={"memory": "512M"},
        console_log=f"jobs/{name}/console.log",
    )


def header(*jobs: PlannedJob, flight_id: str = "20241122-090000-smoke-1f3a") -> FlightHeader:
    return FlightHeader(
        flight_id=flight_id,
        flight="smoke",
        started=START,
        harness_version="0.1.0",
        revision="v0.1.0-3-gabc1234",
        command="./xenflight run smoke",
        jobs=jobs or (planned(PV),),
    )


HOST = HostFacts(
    name="testbox",
    kind="testbox",
    xen_version="4.17.5",
    dom0_kernel="6.1.0-47-amd64",
    dom0_release="Debian GNU/Linux 12 (bookworm)",
    cpus=2,
    memory=4 << 30,
    virt_caps=("pv", "hvm", "hap"),
    accel="tcg",
    timeout_factor=4.0,
    extra={"qemu": "7.2.15"},
)
IMAGE = ImageFacts(
    key="bookworm-amd64-0f3c",
    dist="bookworm",
    arch="amd64",
    builder="mmdebstrap",
    reused=False,
    release_dates={"main": datetime(2024, 11, 9, 10, 4, 22, tzinfo=UTC)},
    build_seconds=39.25,
)


class Flight:
    """A recorder and its clock, with short ways to make things happen."""

    def __init__(self, directory: Path, *jobs: PlannedJob) -> None:
        self.clock = JumpingClock()
        self.recorder = FlightRecorder(
            directory, header(*jobs, flight_id=directory.name), now=self.clock
        )
        self.recorder.host_known(HOST)
        self.recorder.image_ready(IMAGE)

    def step(self, job: str, testid: str, status: Status = Status.PASS, **more: object) -> None:
        """One step that takes two seconds."""
        self.recorder.step_started(job, testid)
        started = self.clock.time
        self.clock.advance(2)
        values = {"testid": testid, "status": status, "started": started, "duration": 2.0, **more}
        self.recorder.step_finished(job, StepResult.model_validate(values))

    def passing_job(self, job: str) -> None:
        for testid in STEPS:
            self.step(job, testid)
        self.recorder.job_ended(job, waits={"guest": 12.5, "harness": 1.5})

    def failing_job(self, job: str) -> None:
        self.step(job, "guest-create")
        self.step(
            job,
            "guest-boot",
            Status.FAIL,
            reason="the kernel could not mount its root filesystem",
            failure_class="no-root",
            phase="kernel",
            phases=(
                PhaseResult(name="bootloader", started=0.0, duration=0.25),
                PhaseResult(name="kernel", started=0.25, duration=1.75, status=Status.FAIL),
            ),
            evidence=PANIC,
            facts={"domid": "7"},
        )
        for testid in STEPS[2:]:
            reason = "guest-boot was fail"
            self.step(job, testid, Status.BLOCKED, reason=reason)
        self.recorder.job_ended(job, waits={"guest": 2.0, "harness": 1.0})


def passed_flight(directory: Path) -> FlightResult:
    flight = Flight(directory)
    flight.passing_job(PV)
    return flight.recorder.finish()


def failed_flight(directory: Path) -> FlightResult:
    flight = Flight(directory, planned(PV), planned(PVH))
    flight.passing_job(PV)
    flight.failing_job(PVH)
    flight.recorder.problem("on testbox: LV vg0/xf-1f3a-root is still there: [red]open[/red]")
    return flight.recorder.finish()
