"""A flight in its controller: what is made ready, what becomes of failures, what is cleaned up."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from test_job_prepared import ENDPOINT

import harness
from harness.errors import HostLost, LabError
from harness.flight.axes import Keep, Virt
from harness.flight.build import build_plan
from harness.flight.model import HostSpec, JobSpec
from harness.flight.needs import HostFlag
from harness.flight.plan import Plan
from harness.host.capabilities import Capabilities
from harness.host.fake import FakeHost
from harness.host.names import domain_name
from harness.host.reaper import KEPT
from harness.host.xenhost import XenHost
from harness.job.flight import FlightRun
from harness.job.prepared import JobFacts, Prepared
from harness.job.reach import Reached
from harness.job.secrets import FlightSecrets
from harness.progress import Progress
from harness.remote.fake import Call, Reply
from harness.results.events import FlightHeader
from harness.results.recorder import FlightRecorder
from harness.storage.names import golden_name, golden_tags, scratch_name, scratch_tags

FLIGHTS = Path(harness.__file__).parent.parent / "flights"


class Images:
    """Says what is asked of it; every image is to come, until it is told to stop."""

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self.asked: list[str] = []
        self.begun: list[str] = []
        self.connect: Callable[[], XenHost] | None = None
        self.ready: set[str] = set()

    def look_ahead(self, jobs: Iterable[JobSpec]) -> None:
        self.asked.append("look ahead")

    def begin(self, jobs: Iterable[JobSpec], connect: Callable[[], XenHost]) -> dict[str, str]:
        self.asked.append("begin")
        if self.error:
            raise self.error
        self.connect = connect
        self.begun = [job.name for job in jobs]
        return {name: f"image-of-{name}" for name in self.begun}

    def pending(self, name: str) -> bool:
        return name not in self.ready

    def stop(self) -> None:
        self.asked.append("stop")


class Bench:
    """A flight run, its fake host and its recorder."""

    def __init__(self, directory: Path, keep: Keep = Keep.NEVER) -> None:
        self.plan = build_plan(str(FLIGHTS / "must-fail.yaml"), only=["*-pv-direct-*"], keep=keep)
        self.fake = FakeHost(name=self.plan.host.name)
        self.directory = directory / "flight"
        self.said: list[str] = []
        self.reach_error: BaseException | None = None
        self.reached = 0
        header = FlightHeader(
            flight_id=self.plan.flight_id,
            flight="x",
            started=datetime.now(UTC),
            harness_version="0",
            command="x",
            jobs=(),
        )
        self.recorder = FlightRecorder(self.directory, header)
        self.images = Images()
        self.fake.runner.on("xen-dir", "pygrub /usr/bin/pygrub\n")
        self.run = self.flight(self.plan)

    def flight(self, plan: Plan) -> FlightRun:
        """A run of *plan*."""
        return FlightRun(
            plan,
            self.directory,
            self.recorder,
            self.tell,
            reach=self.reach,
            images=self.images,
        )

    def tell(self, text: str, fraction: float | None = None) -> None:
        self.said.append(text)

    def reach(self, spec: HostSpec, progress: Progress) -> Reached:
        self.images.asked.append("reach")
        if self.reach_error:
            raise self.reach_error
        return Reached(host=self.fake.host, endpoint=ENDPOINT, again=self.again)

    def again(self) -> XenHost:
        self.reached += 1
        self.fake.runner.alive = True
        return self.fake.host

    def guest(self, job: int = 0, *more: str) -> str:
        """Leave a guest of this flight on the host."""
        name, run = self.plan.jobs[job].name, self.plan.flight_id
        self.fake.volumes[scratch_name(run, name)] = {*scratch_tags(run, name), *more}
        self.fake.domains[domain_name(run, name)] = job + 1
        return name

    @property
    def prepared(self) -> Prepared:
        return Prepared.read(self.directory)

    @property
    def secrets(self) -> FlightSecrets:
        return FlightSecrets.of(self.plan.flight_id)

    @property
    def problems(self) -> tuple[str, ...]:
        return self.recorder.result.problems


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Bench(tmp_path)


def test_all_is_made_ready(bench: Bench) -> None:
    bench.run.prepare()
    job = bench.plan.jobs[0].name
    assert bench.prepared.broken == ""
    assert bench.prepared.image_of(job) == f"image-of-{job}"
    assert bench.prepared.capabilities == Capabilities(
        flags=frozenset({HostFlag.PV, HostFlag.PYGRUB}), paths={"pygrub": "/usr/bin/pygrub"}
    )
    assert bench.prepared.controller == os.getpid()
    assert bench.prepared.endpoint == ENDPOINT
    assert bench.prepared.secrets == bench.secrets.directory
    assert bench.fake.locked == {bench.plan.flight_id}
    assert bench.fake.flights == {bench.plan.flight_id}
    host = bench.recorder.result.host
    assert host
    assert (host.xen_version, host.dom0_kernel) == ("4.17.7", "6.1.0-47-amd64")


def test_then_all_is_given_back(bench: Bench) -> None:
    bench.run.prepare()
    bench.run.sweep(aborted=False)
    bench.run.close()
    bench.run.close()
    assert (bench.fake.locked, bench.fake.flights) == (set(), set())
    assert bench.fake.runner.closed
    assert not bench.secrets.directory.exists()
    assert bench.problems == ()


def broken_reach(bench: Bench) -> None:
    bench.reach_error = HostLost("no route to rack")


def broken_images(bench: Bench) -> None:
    bench.images.error = HostLost("lost it")


def somebody_elses_lock(bench: Bench) -> None:
    bench.fake.locked.add(bench.plan.flight_id)


def full_pool(bench: Bench) -> None:
    bench.fake.data_percent = "97.00"


def stuck_leftover(bench: Bench) -> None:
    name = scratch_name("dead-1", "boot")
    bench.fake.volumes[name] = set(scratch_tags("dead-1", "boot"))
    bench.fake.stuck[name] = "Cannot process volume group"


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (broken_reach, "no route to rack"),
        (broken_images, "lost it"),
        (somebody_elses_lock, "the lock"),
        (full_pool, "thin pool vg0/pool is 97 % full"),
        (stuck_leftover, "Cannot process volume group"),
    ],
)
def test_what_the_lab_cannot_do_is_written_down_for_the_jobs(
    bench: Bench, spoil: Callable[[Bench], None], why: str
) -> None:
    spoil(bench)
    bench.run.prepare()
    with pytest.raises(LabError, match=why):
        bench.prepared.image_of(bench.plan.jobs[0].name)
    bench.run.close()
    assert not bench.secrets.directory.exists()


@pytest.mark.parametrize("where", ["reach", "images"])
def test_an_interrupt_is_written_down_and_leaves_nothing(bench: Bench, where: str) -> None:
    bench.reach_error = KeyboardInterrupt() if where == "reach" else None
    bench.images.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        bench.run.prepare()
    assert bench.prepared.broken == "the flight was interrupted"
    bench.run.sweep(aborted=True)
    bench.run.close()
    assert (bench.fake.locked, bench.fake.flights) == (set(), set())
    assert not bench.secrets.directory.exists()


def test_leftovers_of_the_dead_go_with_their_secrets_before_the_first_job(bench: Bench) -> None:
    old = FlightSecrets.make("dead-1")
    bench.fake.volumes[scratch_name("dead-1", "boot")] = set(scratch_tags("dead-1", "boot"))
    bench.run.prepare()
    assert bench.fake.volumes == {}
    assert not old.directory.exists()
    assert any("removed what flight dead-1 left behind" in text for text in bench.said)


def test_what_a_job_left_is_swept_and_is_a_problem(bench: Bench) -> None:
    bench.run.prepare()
    bench.guest()
    bench.run.sweep(aborted=False)
    assert (bench.fake.volumes, bench.fake.domains) == ({}, {})
    assert "left behind by this flight, and removed: domain xf." in bench.problems[0]


def test_after_an_interrupt_it_is_swept_and_no_problem(bench: Bench) -> None:
    bench.run.prepare()
    bench.guest()
    bench.run.sweep(aborted=True)
    assert bench.fake.volumes == {}
    assert bench.problems == ()


def test_after_an_interrupt_what_was_to_be_kept_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    bench = Bench(tmp_path, Keep.ON_FAILURE)
    bench.run.prepare()
    bench.guest()
    bench.run.sweep(aborted=True)
    bench.run.close()
    (tags,) = bench.fake.volumes.values()
    assert KEPT in tags
    assert len(bench.fake.domains) == 1
    assert bench.secrets.user_key.exists(), "nobody could enter the guest without it"


def test_a_kept_guest_stays_and_so_do_its_secrets(bench: Bench) -> None:
    bench.run.prepare()
    bench.guest(0, KEPT)
    bench.guest(1)
    bench.run.sweep(aborted=False)
    bench.run.close()
    assert len(bench.fake.volumes) == len(bench.fake.domains) == 1
    assert bench.secrets.user_key.exists()


def test_how_to_reach_a_kept_guest(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XENFLIGHT_COMMAND", "./xenflight")
    bench.run.prepare()
    facts = JobFacts(kept=True, runvars={"domain": "xf.1", "guest_ip": "10.0.2.100"})
    host, run = bench.plan.host.name, bench.plan.flight_id
    assert bench.run.how_to_reach("job", facts) == (
        f"kept: job is domain xf.1 on {host}, root@10.0.2.100 with key {bench.secrets.user_key}; "
        f"remove it with: ./xenflight reap --host {host} --kept {run}"
    )
    bench.run.close()
    assert bench.secrets.user_key.exists()


def test_a_lost_connection_is_made_again_for_the_sweep(bench: Bench) -> None:
    bench.run.prepare()
    bench.guest()
    bench.fake.runner.alive = False
    bench.run.sweep(aborted=False)
    assert bench.reached == 1
    assert bench.fake.volumes == {}


def test_what_cannot_be_swept_is_raised(bench: Bench) -> None:
    bench.run.prepare()
    bench.guest()
    bench.fake.stuck[next(iter(bench.fake.volumes))] = "Cannot process volume group"
    with pytest.raises(LabError, match="leftovers of must-fail"):
        bench.run.sweep(aborted=False)


def test_images_are_begun_when_the_host_is_known_and_ended_before_it_is_swept(
    bench: Bench,
) -> None:
    bench.run.prepare()
    assert bench.images.asked == ["look ahead", "reach", "begin"]
    assert bench.images.connect
    bench.images.connect()
    assert bench.reached == 1, "a connection of its own"
    bench.run.sweep(aborted=False)
    assert bench.images.asked[3:] == ["stop"]


def test_a_job_waits_until_its_image_is_ready(bench: Bench) -> None:
    job = bench.plan.jobs[0].name
    assert not bench.run.awaits_image(job), "nobody has asked for it yet"
    bench.run.prepare()
    assert bench.run.awaits_image(job)
    bench.images.ready.add(f"image-of-{job}")
    assert not bench.run.awaits_image(job)


def test_what_the_host_cannot_run_is_skipped_and_gets_no_image(bench: Bench) -> None:
    first, second, *rest = bench.plan.jobs
    pvh, by_rule = replace(first, virt=Virt.PVH), replace(second, skip="there is no such kernel")
    run = bench.flight(replace(bench.plan, jobs=(pvh, by_rule, *rest)))
    run.prepare()
    assert list(bench.prepared.skips) == [pvh.name]
    assert "runs no PVH guests" in bench.prepared.skips[pvh.name]
    assert bench.images.begun == [job.name for job in rest]
    run.close()


class FullHost(FakeHost):
    """Its pool is full of what can be removed."""

    def _lvremove(self, call: Call) -> Reply:
        self.data_percent = "7.00"
        return super()._lvremove(call)


def test_a_pool_that_is_too_full_is_emptied_of_old_images_first(bench: Bench) -> None:
    name = golden_name("a" * 16)
    bench.fake = FullHost(name="testbox", volumes={name: set(golden_tags("a" * 16))})
    bench.fake.data_percent = "97.00"
    bench.fake.runner.on("golden-uses|^rm -rf |xen-dir")
    bench.run.prepare()
    assert bench.prepared.broken == ""
    assert any(text.startswith(f"removed {name}") for text in bench.said)
    bench.run.close()


def test_where_every_job_is_skipped_by_rule_no_host_is_touched(bench: Bench) -> None:
    jobs = tuple(replace(job, skip="for a reason") for job in bench.plan.jobs)
    run = bench.flight(replace(bench.plan, jobs=jobs))
    run.prepare()
    run.sweep(aborted=False)
    run.close()
    assert bench.images.asked == ["stop", "stop"]
    assert bench.prepared.broken == ""
