"""Stores of both kinds, and flights to put into them, for the tests of the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from harness.results.events import FlightHeader, PlannedJob
from harness.results.model import FlightResult, HostFacts, ImageFacts, JobResult, StepResult
from harness.results.recorder import FlightRecorder
from harness.results.rules import flight_status, job_status
from harness.results.sink import EventSink
from harness.status import Status
from harness.store.about import About, Origin
from harness.store.put import Given, Outcome, put_result
from harness.store.store import Store
from harness.store.url import StoreUrl, find_store

START = datetime(2024, 11, 22, 9, 0, 0, tzinfo=UTC)
NOW = datetime(2024, 12, 24, 18, 0, 0, tzinfo=UTC)
JOB = "boot-bookworm-amd64-pv-direct"
OTHER = "boot-bookworm-amd64-pvh-direct"
STEPS = ("guest-create", "guest-boot", "guest-ssh", "guest-gone")
IMAGE = ImageFacts(
    key="0f3c0f3c0f3c0f3c",
    dist="bookworm",
    arch="amd64",
    builder="mmdebstrap",
    reused=True,
    release_dates={"main": datetime(2024, 11, 9, 10, 4, 22, tzinfo=UTC)},
)


def url_of(text: str | Path) -> StoreUrl:
    """A store as the command line names it."""
    found = find_store(str(text), {})
    assert found is not None
    return found


def host(xen: str = "4.17.5", name: str = "rack1") -> HostFacts:
    return HostFacts(name=name, kind="ssh", xen_version=xen, dom0_kernel="6.1.0-47-amd64")


def step(testid: str, status: Status = Status.PASS, **more: object) -> StepResult:
    values = {"testid": testid, "status": status, "duration": 2.5, **more}
    return StepResult.model_validate(values)


def job(name: str = JOB, statuses: Sequence[Status] = (), **more: object) -> JobResult:
    """A job with *statuses* for its first steps, and passes for the rest."""
    suite, dist, arch, virt, boot = name.split("-")
    words = [*statuses, *[Status.PASS] * (len(STEPS) - len(statuses))]
    steps = tuple(step(testid, word) for testid, word in zip(STEPS, words, strict=True))
    values = {
        "name": name,
        "suite": suite,
        "dist": dist,
        "arch": arch,
        "virt": virt,
        "boot": boot,
        "steps": steps,
        "status": job_status(steps),
        "duration": 10.0,
        **more,
    }
    return JobResult.model_validate(values)


def flight(
    number: int,
    *jobs: JobResult,
    xen: str = "4.17.5",
    hosts: tuple[HostFacts, ...] = (),
    ended: bool = True,
    problems: tuple[str, ...] = (),
) -> FlightResult:
    """A flight that began *number* hours after `START`."""
    started = START + timedelta(hours=number)
    found = jobs or (job(),)
    return FlightResult(
        flight_id=f"smoke-{number:06d}",
        flight="smoke",
        status=flight_status(found, problems=bool(problems), ended=ended),
        started=started,
        ended=started + timedelta(minutes=10) if ended else None,
        duration=600.0,
        harness_version="0.1.0",
        revision="abc1234",
        hosts=hosts or (host(xen),),
        images=(IMAGE,),
        jobs=found,
        command="./xenflight run smoke",
        problems=problems,
    )


def about(branch: str = "smoke", blessing: str = "real", **more: object) -> About:
    return About(branch=branch, blessing=blessing, origin=Origin.RESULTS, **more)  # type: ignore[arg-type]


def put(store: Store, result: FlightResult, beside: About | None = None) -> Outcome:
    """Take one flight in."""
    with store.writing(make=True) as connection:
        return put_result(connection, result, beside or about(), Given(), now=NOW)


def header(flight_id: str, jobs: Mapping[str, Sequence[str]]) -> FlightHeader:
    """Of a flight about to begin, with the steps of each job."""
    planned = []
    for name, steps in jobs.items():
        suite, dist, arch, virt, boot = name.split("-")
        planned.append(
            PlannedJob(
                name=name,
                suite=suite,
                dist=dist,
                arch=arch,
                virt=virt,
                boot=boot,
                steps=tuple(steps),
                runvars={"memory": "512M"},
            )
        )
    return FlightHeader(
        flight_id=flight_id,
        flight="smoke",
        started=START,
        harness_version="0.1.0",
        command="./xenflight run smoke",
        jobs=tuple(planned),
    )


class Flying:
    """A flight that is recorded as a run does it."""

    def __init__(
        self, directory: Path, sink: EventSink | None, jobs: Sequence[str] = (JOB, OTHER)
    ) -> None:
        self.time = START
        planned = dict.fromkeys(jobs, STEPS)
        self.recorder = FlightRecorder(
            directory, header(directory.name, planned), now=self._now, sink=sink
        )
        self.recorder.host_known(host())
        self.recorder.image_ready(IMAGE)

    def _now(self) -> datetime:
        return self.time

    def step(self, job: str, testid: str, status: Status = Status.PASS, **more: object) -> None:
        self.recorder.step_started(job, testid)
        began = self.time
        self.time += timedelta(seconds=3)
        result = step(testid, status, started=began, **more)
        self.recorder.step_finished(job, result)

    def job(self, job: str, host: str | None = None) -> None:
        """A whole job that passes."""
        for testid in STEPS:
            self.step(job, testid)
        self.recorder.job_ended(job, host=host, waits={"guest": 7.0}, runvars={"slot": "0"})

    def retried(self, job: str, host: str) -> None:
        """A job that our lab breaks on *host*, and that begins anew."""
        self.step(job, "guest-create", facts={"domid": "3"})
        self.step(job, "guest-boot", Status.BROKEN, reason="dom0 does not answer")
        self.recorder.job_ended(job, host=host)
        self.recorder.job_retried(job)
