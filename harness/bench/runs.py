"""Directories of flights, generated: the same each time, and as large as a lab's."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from harness.bench.judge import JOBS, STEPS
from harness.results.layout import FlightDirectory
from harness.results.model import (
    FlightResult,
    HostFacts,
    ImageFacts,
    JobResult,
    PhaseResult,
    StepResult,
)
from harness.results.recorder import to_json
from harness.results.rules import flight_status, job_status
from harness.status import Status

NAME = "nightly"
HOSTS = ("rack1", "rack2", "rack3")
PHASES = {"create": 1.6, "kernel": 4.4, "initramfs": 7.3, "init": 18.0, "login": 1.2}
"""Seconds on the first host."""
_DISTS = ("bullseye", "bookworm", "trixie", "forky", "sid")
_BOOTS = ("direct", "pygrub", "pvgrub", "bios", "uefi")
_EPOCH = datetime(2024, 1, 1, 2, 0, tzinfo=UTC)
_PANIC = "[    4.202610] Kernel panic - not syncing: VFS: Unable to mount root fs\n"
_RUNVARS = {"memory": "512M", "vcpus": "1", "disk": "2G", "kernel_args": "", "packages": ""}


def job_names(jobs: int = JOBS) -> list[str]:
    """Names like those of a matrix, all different."""
    cells = (
        f"boot-{dist}-{arch}-{virt}-{boot}"
        for virt in ("pv", "pvh", "hvm")
        for dist in _DISTS
        for arch in ("amd64", "i386")
        for boot in _BOOTS
    )
    return [next(cells) for _ in range(jobs)]


def write_runs(runs: Path, flights: int, jobs: int = JOBS) -> None:
    """*flights* of *jobs* below *runs*, each with its ``results.json``."""
    for result in make_results(flights, jobs):
        files = FlightDirectory(runs / result.flight_id)
        files.path.mkdir(parents=True)
        files.results.write_text(to_json(result, indent=2) + "\n", encoding="ascii")
        gate = {"gate": "open" if result.status is Status.PASS else "shut"}
        files.verdict.write_text(json.dumps(gate), encoding="ascii")


def make_results(flights: int, jobs: int = JOBS) -> Iterator[FlightResult]:
    """The same as values, the oldest first. Three in a hundred jobs fail, most of them for some
    flights; the boot becomes slower for a while, and each host has its own speed."""
    chance = random.Random(20240101)
    names = job_names(jobs)
    failing: set[str] = set()
    for number in range(flights):
        failing -= {name for name in failing if chance.random() < 0.1}
        failing |= {name for name in names if chance.random() < 0.002}
        yield _flight(number, names, failing, chance)


def _flight(
    number: int, names: Sequence[str], failing: set[str], chance: random.Random
) -> FlightResult:
    started = _EPOCH + timedelta(days=number)
    hosts = tuple(_host(name, number) for name in HOSTS)
    jobs = []
    for at, name in enumerate(names):
        host = (at + number * 7) % len(hosts)
        fails = name in failing or chance.random() < 0.005
        job_start = started + timedelta(seconds=40 * (at // len(hosts)))
        pace = _pace(host, number, chance)
        jobs.append(_job(name, hosts[host].name, job_start, fails, pace, chance))
    seconds = max((job.started or started) - started for job in jobs).total_seconds() + 90
    return FlightResult(
        flight_id=f"{NAME}-{started:%Y%m%d-%H%M%S}-{number:06x}",
        flight=NAME,
        status=flight_status(jobs, problems=False, ended=True),
        started=started,
        ended=started + timedelta(seconds=seconds),
        duration=seconds,
        harness_version="0.1.0",
        revision=f"v0.1.0-{number}-g{number:07x}",
        hosts=hosts,
        images=tuple(_image(dist, arch, number) for dist in _DISTS for arch in ("amd64", "i386")),
        jobs=tuple(jobs),
        command=f"./xenflight run {NAME}",
    )


def _pace(host: int, number: int, chance: random.Random) -> float:
    slower = 1.25 if number // 60 % 2 else 1.0
    return (1 + 0.4 * host) * slower * (chance.choice((3.0, 2.5)) if chance.random() < 0.01 else 1)


def _host(name: str, number: int) -> HostFacts:
    return HostFacts(
        name=name,
        kind="ssh",
        xen_version=f"4.17.{number // 50}",
        dom0_kernel=f"6.1.0-{40 + number // 25}-amd64",
        dom0_release="Debian GNU/Linux 12 (bookworm)",
        cpus=8,
        memory=32 << 30,
        virt_caps=("pv", "hvm", "hap"),
    )


def _image(dist: str, arch: str, number: int) -> ImageFacts:
    return ImageFacts(
        key=f"{dist[:3]}{arch}{number // 7:08x}",
        dist=dist,
        arch=arch,
        builder="mmdebstrap",
        layout="disk",
        kernel="linux-image-cloud-amd64",
        reused=number % 7 > 0,
        release_dates={"main": _EPOCH + timedelta(days=number - number % 7)},
    )


def _job(
    name: str, host: str, started: datetime, fails: bool, pace: float, chance: random.Random
) -> JobResult:
    suite, dist, arch, virt, boot = name.split("-")
    steps = list(_steps(started, fails, pace, chance))
    status = job_status(steps)
    return JobResult(
        name=name,
        suite=suite,
        dist=dist,
        arch=arch,
        virt=virt,
        boot=boot,
        status=status,
        reason=None if status is Status.PASS else f"guest-boot: {steps[1].reason}",
        steps=tuple(steps),
        runvars={**_RUNVARS, "domain": f"xf.{name}", "slot": "1"},
        console_log=f"jobs/{name}/console.log",
        host=host,
        started=started,
        duration=sum(step.duration for step in steps),
        waits={"guest": 50.0, "harness": 12.0},
    )


def _steps(at: datetime, fails: bool, pace: float, chance: random.Random) -> Iterator[StepResult]:
    for testid in STEPS:
        boot = testid == "guest-boot"
        phases = tuple(_phases(fails, pace, chance)) if boot else ()
        duration = sum(one.duration for one in phases) if boot else chance.gauss(3.0, 0.2)
        if not fails or STEPS.index(testid) < 1:
            step = StepResult(testid=testid, status=Status.PASS, started=at, duration=duration)
            yield step.model_copy(update={"phases": phases})
        elif boot:
            yield StepResult(
                testid=testid,
                status=Status.FAIL,
                started=at,
                duration=duration,
                reason="boot failed in phase kernel: the guest's kernel panicked",
                failure_class="kernel-panic",
                phase="kernel",
                phases=phases,
                evidence=_PANIC,
            )
        else:
            reason = "guest-boot did not pass (fail)"
            yield StepResult(testid=testid, status=Status.BLOCKED, started=at, reason=reason)
        at += timedelta(seconds=duration)


def _phases(fails: bool, pace: float, chance: random.Random) -> Iterator[PhaseResult]:
    began = 0.0
    for name, seconds in PHASES.items():
        last = fails and name == "kernel"
        status = Status.FAIL if last else Status.PASS
        took = seconds * pace * chance.uniform(0.94, 1.06)
        yield PhaseResult(name=name, started=began, duration=took, status=status)
        began += took
        if last:
            return
