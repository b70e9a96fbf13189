"""A flight in its controller: what is made ready, what becomes of failures, what is cleaned up."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from test_job_prepared import ENDPOINT

import harness
from harness.console.fake import VirtualClock
from harness.errors import HostLost, LabError, Starved
from harness.flight.axes import Keep, Peer, Virt
from harness.flight.build import build_plan
from harness.flight.model import HostSpec, JobSpec
from harness.flight.needs import HostFlag
from harness.flight.plan import Plan
from harness.host.capabilities import Capabilities
from harness.host.drain import drain
from harness.host.fake import FakeHost
from harness.host.kept import KEPT
from harness.host.names import domain_name
from harness.host.reaper import inventory
from harness.host.xenhost import XenHost
from harness.job.flight import FlightRun
from harness.job.outcomes import ImageOutcomes
from harness.job.prepared import JobFacts, Prepared, PreparedImage
from harness.job.reach import Reached
from harness.job.secrets import FlightSecrets
from harness.job.slot import WaitingNotes
from harness.progress import Progress
from harness.remote.fake import Call, Reply
from harness.results.events import FlightHeader, PlannedJob
from harness.results.model import StepResult
from harness.results.recorder import FlightRecorder
from harness.status import Status
from harness.steps import LEAK_CHECK
from harness.storage.names import golden_name, golden_tags, scratch_name, scratch_tags
from harness.units import Size

TOOLS = (
    "pygrub /usr/bin/pygrub\nvirsh /usr/bin/virsh\nlibvirt-xen /usr/lib/libvirt_driver_libxl.so\n"
)
FLIGHTS = Path(harness.__file__).parent.parent / "flights"


class Images:
    """Says what is asked of it; every image is to come, until it is told to stop."""

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self.asked: list[str] = []
        self.begun: list[str] = []
        self.connect: Mapping[str, Callable[[], XenHost]] = {}
        self.fits: Mapping[str, Iterable[str]] = {}
        self.ready: set[str] = set()

    def look_ahead(self, jobs: Iterable[JobSpec]) -> None:
        self.asked.append("look ahead")

    def begin(
        self,
        jobs: Iterable[JobSpec],
        fits: Mapping[str, Iterable[str]],
        connect: Mapping[str, Callable[[], XenHost]],
    ) -> dict[str, str]:
        self.asked.append("begin")
        if self.error:
            raise self.error
        self.connect, self.fits = connect, fits
        self.begun = [job.name for job in jobs]
        return {name: f"image-of-{name}" for name in self.begun}

    def pending(self, name: str) -> bool:
        return name not in self.ready

    def stop(self) -> None:
        self.asked.append("stop")


class NoCare:
    """Looks after nothing."""

    longest = timedelta(minutes=20)

    def __init__(self, *asked: object) -> None:
        self.asked = list(asked)
        self.tended = threading.Event()

    def tend(self, *, asked: bool) -> None:
        self.asked.append("asked" if asked else "look")
        self.tended.set()

    def stop(self) -> None:
        self.asked.append("stop")


class Bench:
    """A flight run, its fake host and its recorder."""

    def __init__(self, directory: Path, keep: Keep = Keep.NEVER) -> None:
        found = build_plan(str(FLIGHTS / "must-fail.yaml"), only=["*-pv-direct-*"], keep=keep)
        # The host has no device to give, and there is no other.
        jobs = (job for job in found.jobs if not (job.passthrough or job.peer))
        self.plan = replace(found, jobs=tuple(jobs))
        self.fake = FakeHost(name=self.host)
        self.directory = directory / "flight"
        self.said: list[str] = []
        self.reach_error: BaseException | None = None
        self.reached = 0
        self.lost = False
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
        self.ways: Any = None
        """Its ways to its last host, as the care of that has them."""
        self.fake.runner.on("xen-dir", TOOLS)
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
            care=self.care,
            clock=VirtualClock(),
        )

    def care(self, *asked: object) -> NoCare:
        self.cared = NoCare(*asked)
        *_, self.ways = asked
        return self.cared

    def tell(self, text: str, fraction: float | None = None) -> None:
        self.said.append(text)

    def reach(self, spec: HostSpec, progress: Progress) -> Reached:
        self.images.asked.append("reach")
        if self.reach_error:
            raise self.reach_error
        return Reached(host=self.fake.host, endpoint=ENDPOINT, again=self.again)

    def again(self) -> XenHost:
        if self.lost:
            msg = "no route to testbox"
            raise HostLost(msg)
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
    def host(self) -> str:
        """The name of the only one."""
        (spec,) = self.plan.hosts
        return spec.name

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
    assert bench.prepared.hosts[bench.host].capabilities == Capabilities(
        flags=frozenset({HostFlag.PV, HostFlag.PYGRUB, HostFlag.LIBVIRT}),
        paths=dict(line.split(" ") for line in TOOLS.splitlines()),
        xen=(4, 17),
    )
    assert bench.prepared.controller == os.getpid()
    assert bench.prepared.endpoint(bench.host) == ENDPOINT
    assert bench.prepared.secrets == bench.secrets.directory
    assert bench.fake.locked == {bench.plan.flight_id}
    assert bench.fake.flights == {bench.plan.flight_id}
    assert bench.prepared.hosts_for(job) == (bench.host,)
    (host,) = bench.recorder.result.hosts
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
        bench.prepared.hosts_for(bench.plan.jobs[0].name)
    bench.run.close()
    assert not bench.secrets.directory.exists()


def test_on_a_drained_host_nothing_is_begun(bench: Bench) -> None:
    drain(bench.fake.runner, by="eve@ctl", reason="new RAM", since=1_800_000_000)
    stuck_leftover(bench)
    before = dict(bench.fake.volumes)
    bench.run.prepare()
    with pytest.raises(Starved, match=r"testbox is drained by eve@ctl.*: new RAM .*hosts undrain"):
        bench.prepared.hosts_for(bench.plan.jobs[0].name)
    assert bench.images.begun == []
    assert bench.fake.volumes == before, "whoever works on the host wants it left alone"
    bench.run.sweep(aborted=False)
    bench.run.close()
    assert (bench.problems, bench.fake.locked) == ((), set())


def test_who_is_on_the_host_already_is_told(bench: Bench) -> None:
    bench.fake.slots.held[2] = '{"holder": "bob@ci2", "flight": "nightly-1", "job": "boot-x"}'
    bench.run.prepare()
    assert "testbox is shared, slot 2: bob@ci2, flight nightly-1, job boot-x" in bench.said[0]
    bench.run.close()


def test_what_a_worker_waits_for_is_told_in_its_words(bench: Bench) -> None:
    job = bench.plan.jobs[0].name
    notes = WaitingNotes(bench.directory)
    notes.write(job, "a slot on rack: slot 1: bob@ci2")
    bench.run.prepare()
    assert bench.run.awaits(job) == "its image"
    bench.images.ready.add(f"image-of-{job}")
    assert bench.run.awaits(job) == "a slot on rack: slot 1: bob@ci2"
    notes.write(job, "")
    assert bench.run.awaits(job) == ""


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


def test_where_a_dead_flight_kept_a_guest_its_secrets_stay(bench: Bench) -> None:
    old = FlightSecrets.make("dead-1")
    for job, tags in (("kept", {KEPT}), ("left", set())):
        bench.fake.volumes[scratch_name("dead-1", job)] = {*scratch_tags("dead-1", job), *tags}
    bench.run.prepare()
    assert list(bench.fake.volumes) == [scratch_name("dead-1", "kept")]
    assert old.user_key.exists()


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


def test_after_an_interrupt_it_is_kept_no_longer_than_was_asked(bench: Bench) -> None:
    plan = replace(bench.plan, keep=Keep.ON_FAILURE, keep_for=timedelta(hours=4))
    run = bench.flight(plan)
    run.prepare()
    job = bench.guest()
    run.sweep(aborted=True)
    assert inventory(bench.fake.host)[plan.flight_id].kept == {job: timedelta(hours=4)}
    assert "; it goes when 4 h 00 m are over; remove it with" in run.how_to_reach(job, JobFacts())
    run.close()


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
    host, run = bench.host, bench.plan.flight_id
    facts = JobFacts(host=host, kept=True, runvars={"domain": "xf.1", "guest_ip": "10.0.2.100"})
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


class TestLeaks:
    """The host at the beginning of a flight and at its end."""

    def check(self, bench: Bench) -> StepResult:
        found = bench.recorder.result.leak_check
        assert found
        return found

    def test_nothing_is_left(self, bench: Bench) -> None:
        bench.fake.volumes["data"] = set()
        bench.run.prepare()
        bench.guest()
        bench.run.sweep(aborted=False)
        check = self.check(bench)
        assert (check.testid, check.status, check.reason) == (LEAK_CHECK, Status.PASS, None)
        assert "looking for leaks on testbox" in bench.said
        assert bench.fake.census.taken == 2

    def test_before_means_after_the_dead_were_reaped(self, bench: Bench) -> None:
        bench.fake.volumes[scratch_name("dead-1", "x")] = set(scratch_tags("dead-1", "x"))
        bench.run.prepare()
        bench.run.sweep(aborted=False)
        assert self.check(bench).reason is None, "their volume was not there any more"

    def test_what_the_sweep_does_not_know_of_is_broken(self, bench: Bench) -> None:
        bench.run.prepare()
        domain = domain_name(bench.plan.flight_id, bench.plan.jobs[0].name)
        bench.fake.census.mounts["/mnt"] = domain
        bench.run.sweep(aborted=False)
        check = self.check(bench)
        assert (check.status, check.failure_class) == (Status.BROKEN, "leak")
        assert check.reason == "left on testbox by this flight: mount /mnt"
        assert bench.problems == (), "it is told once"
        assert bench.recorder.finish().status is Status.BROKEN

    def test_what_cannot_be_swept_is_told_in_all_its_parts(self, bench: Bench) -> None:
        bench.run.prepare()
        bench.guest()
        name = next(iter(bench.fake.volumes))
        bench.fake.stuck[name] = "Cannot process volume group"
        with pytest.raises(LabError):
            bench.run.sweep(aborted=False)
        assert f"LV {name}, device-mapper" in (self.check(bench).reason or "")

    def test_numbers_that_jobs_wrote_down_count(self, tmp_path: Path, bench: Bench) -> None:
        bench.run.prepare()
        job = bench.plan.jobs[0]
        planned = PlannedJob(
            name=job.name, suite="s", dist="d", arch="a", virt="v", boot="b", steps=("x",)
        )
        header = bench.recorder._log.header.model_copy(update={"jobs": (planned,)})
        recorder = FlightRecorder(tmp_path / "again", header)
        recorder.job_ended(job.name, host="testbox", runvars={"domid": "7", "former_domids": "5 6"})
        bench.run._recorder = recorder
        bench.fake.interfaces.append("vif6.0")
        bench.run.sweep(aborted=False)
        check = recorder.result.leak_check
        assert check
        assert f"interface vif6.0, of {job.name}" in check.evidence

    def test_a_host_that_is_lost_is_broken_with_the_reason(self, bench: Bench) -> None:
        bench.run.prepare()
        bench.fake.runner.alive = False
        bench.lost = True
        with pytest.raises(LabError):
            bench.run.sweep(aborted=False)
        assert self.check(bench).reason == "not made: no route to testbox"

    def test_where_nothing_was_taken_nothing_is_looked_for(self, bench: Bench) -> None:
        drain(bench.fake.runner, by="eve@ctl", reason="new RAM", since=1_800_000_000)
        bench.run.prepare()
        bench.run.sweep(aborted=False)
        assert bench.recorder.result.leak_check is None
        assert bench.fake.census.taken == 0


def test_images_are_begun_when_the_host_is_known_and_ended_before_it_is_swept(
    bench: Bench,
) -> None:
    bench.run.prepare()
    assert bench.images.asked == ["look ahead", "reach", "begin"]
    bench.images.connect[bench.host]()
    assert bench.reached == 1, "a connection of its own"
    bench.run.sweep(aborted=False)
    assert bench.images.asked[3:] == ["stop"]


def test_a_job_waits_until_its_image_is_ready(bench: Bench) -> None:
    job = bench.plan.jobs[0].name
    assert bench.run.awaits(job) == "", "nobody has asked for it yet"
    bench.run.prepare()
    assert bench.run.awaits(job) == "its image"
    bench.images.ready.add(f"image-of-{job}")
    assert bench.run.awaits(job) == ""


def test_what_the_host_cannot_run_is_skipped_and_gets_no_image(bench: Bench) -> None:
    first, second, *rest = bench.plan.jobs
    pvh, by_rule = replace(first, virt=Virt.PVH), replace(second, skip="there is no such kernel")
    run = bench.flight(replace(bench.plan, jobs=(pvh, by_rule, *rest)))
    run.prepare()
    assert list(bench.prepared.skips) == [pvh.name]
    assert "runs no PVH guests" in bench.prepared.skips[pvh.name]
    assert bench.images.begun == [job.name for job in rest]
    run.close()


def test_what_never_fits_on_the_host_is_skipped_at_once_and_gets_no_image(bench: Bench) -> None:
    large = replace(bench.plan.jobs[0], memory=Size.parse("8G"))
    bench.run = bench.flight(replace(bench.plan, jobs=(large, *bench.plan.jobs[1:])))
    bench.run.prepare()
    assert list(bench.prepared.skips) == [large.name]
    why = bench.prepared.skips[large.name]
    assert why.startswith(
        "testbox: a guest of 8.0 GiB takes 8.1 GiB of memory, and guests have 3.0"
    )
    assert bench.images.begun == [job.name for job in bench.plan.jobs[1:]]
    bench.run.close()


def test_a_host_that_cannot_tell_what_it_has_room_for_is_broken(bench: Bench) -> None:
    bench.fake.runner.before("find-room", raises=LabError("xenstored is down"))
    bench.run.prepare()
    assert "xenstored is down" in bench.prepared.hosts["testbox"].broken
    bench.run.close()


class FullHost(FakeHost):
    """Its pool is full of what can be removed."""

    def _lvremove(self, call: Call) -> Reply:
        self.data_percent = "7.00"
        return super()._lvremove(call)


def test_a_pool_that_is_too_full_is_emptied_of_old_images_first(bench: Bench) -> None:
    name = golden_name("a" * 16)
    bench.fake = FullHost(name="testbox", volumes={name: set(golden_tags("a" * 16))})
    bench.fake.data_percent = "97.00"
    bench.fake.runner.on("golden-uses", "all\n")
    bench.fake.runner.on("^rm -rf |xen-dir")
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


def test_the_host_is_looked_after_while_jobs_run(bench: Bench) -> None:
    bench.run.prepare()
    assert bench.cared.tended.wait(30)
    assert bench.prepared.hosts["testbox"].care == 1200.0
    bench.run.sweep(aborted=False)
    bench.run.close()
    asked = bench.cared.asked
    assert "look" in asked
    assert "look" not in asked[asked.index("stop") :], "nobody is tended who was stopped"


def test_a_host_that_is_back_hears_that_the_flight_lives(bench: Bench) -> None:
    bench.run.prepare()
    run, name = bench.plan.flight_id, f"image-of-{bench.plan.jobs[0].name}"
    ImageOutcomes(bench.directory).write(name, "testbox", PreparedImage(golden="xf-golden-k"))
    fresh = FakeHost(name=bench.fake.name)
    fresh.runner.on(" note-use ")
    bench.ways.returned(fresh.host)
    host = bench.run.host("testbox")
    assert host is not None
    assert host.runner is fresh.runner
    assert bench.fake.runner.closed
    assert run in fresh.locked, "nobody reaps it"
    assert run in fresh.flights
    assert any("note-use xf-golden-k" in line for line in fresh.runner.lines)
    bench.run.close()
    assert run not in fresh.locked


def test_a_lock_that_is_not_to_be_had_again_is_told(bench: Bench) -> None:
    bench.run.prepare()
    fresh = FakeHost(name=bench.fake.name, locked={bench.plan.flight_id})
    with pytest.raises(LabError, match="was not to be had"):
        bench.ways.returned(fresh.host)
    bench.run.close()
    assert fresh.runner.closed


def test_other_ways_to_a_host(bench: Bench) -> None:
    with pytest.raises(LabError, match="was not reached"):
        bench.ways.connect()
    bench.run.prepare()
    bench.ways.connect()
    assert bench.reached == 1


def test_a_job_for_two_hosts_is_skipped_where_there_is_one(bench: Bench) -> None:
    first, *rest = bench.plan.jobs
    pair = replace(first, peer=Peer.ANY)
    run = bench.flight(replace(bench.plan, jobs=(pair, *rest)))
    run.prepare()
    assert list(bench.prepared.skips) == [pair.name]
    assert bench.images.begun == [job.name for job in rest]
    run.close()
