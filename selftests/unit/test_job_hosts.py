"""A flight on two hosts: which are made ready, which jobs fit them, and who gets which slot."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import pytest
from test_job_flight import FLIGHTS, Images
from test_job_prepared import ENDPOINT

from harness.errors import HostLost, LabError, Starved, XenflightError
from harness.flight.axes import Virt
from harness.flight.build import build_plan
from harness.flight.model import HostSpec
from harness.flight.plan import Plan
from harness.host.drain import drain
from harness.host.fake import FakeHost
from harness.host.lease import SlotLease
from harness.host.slots import Claim
from harness.host.xenhost import XenHost
from harness.job.flight import FlightRun
from harness.job.inventories import Inventories
from harness.job.outcomes import ImageOutcomes
from harness.job.place import LOOK, take_place
from harness.job.prepared import Endpoint, Prepared, PreparedHost, PreparedImage
from harness.job.reach import Reached
from harness.job.real import RealGuests
from harness.job.slot import WaitingNotes
from harness.progress import Progress
from harness.results.events import FlightHeader, PlannedJob
from harness.results.layout import FlightDirectory
from harness.results.recorder import FlightRecorder
from harness.status import Status
from harness.steps import StepRecord
from harness.storage.names import scratch_name, scratch_tags

CLAIM = '{"holder": "bob@ci2", "flight": "nightly-1", "job": "boot-x"}'


def two_hosts(flight: str = "smoke") -> Plan:
    """Its jobs, on ``rack1`` and ``rack2``, of two slots each."""
    plan = build_plan(str(FLIGHTS / f"{flight}.yaml"))
    (spec,) = plan.hosts
    return replace(plan, hosts=tuple(replace(spec, name=name) for name in ("rack1", "rack2")))


class Bench:
    """A flight run, and its two fake hosts."""

    def __init__(self, directory: Path) -> None:
        self.plan = two_hosts()
        self.directory = directory / "flight"
        self.fakes = {host.name: FakeHost(name=host.name) for host in self.plan.hosts}
        for fake in self.fakes.values():
            fake.runner.on("xen-dir", "pygrub /usr/bin/pygrub\n")
        self.errors: dict[str, BaseException] = {}
        self.images = Images()
        (job,) = self.plan.jobs
        self.job = job.name
        planned = PlannedJob(
            name=job.name,
            suite=job.suite,
            dist=job.dist,
            arch=job.arch,
            virt=job.virt,
            boot=job.boot,
            steps=("guest-create",),
        )
        self.recorder = FlightRecorder(
            self.directory,
            FlightHeader(
                flight_id=self.plan.flight_id,
                flight="x",
                started=self.plan.created,
                harness_version="0",
                command="x",
                jobs=(planned,),
            ),
        )
        self.run = self.flight(self.plan)

    def flight(self, plan: Plan) -> FlightRun:
        return FlightRun(
            plan,
            self.directory,
            self.recorder,
            lambda *_: None,
            reach=self.reach,
            images=self.images,
        )

    def reach(self, spec: HostSpec, progress: Progress) -> Reached:
        del progress
        if spec.name in self.errors:
            raise self.errors[spec.name]
        host = self.fakes[spec.name].host
        return Reached(host=host, endpoint=ENDPOINT, again=lambda: host)

    @property
    def prepared(self) -> Prepared:
        return Prepared.read(self.directory)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Bench(tmp_path)


def test_both_are_made_ready_and_given_back(bench: Bench) -> None:
    bench.run.prepare()
    assert bench.prepared.hosts_for(bench.job) == ("rack1", "rack2")
    assert list(bench.images.connect) == ["rack1", "rack2"]
    assert bench.images.fits == {bench.job: ("rack1", "rack2")}
    assert {host.name for host in bench.recorder.result.hosts} == {"rack1", "rack2"}
    for fake in bench.fakes.values():
        assert (fake.locked, fake.flights) == ({bench.plan.flight_id},) * 2
    bench.run.sweep(aborted=False)
    bench.run.close()
    for fake in bench.fakes.values():
        assert (fake.locked, fake.flights) == (set(), set())
        assert fake.runner.closed


def test_one_that_cannot_be_reached_leaves_the_jobs_to_the_other(bench: Bench) -> None:
    bench.errors["rack1"] = HostLost("no route to rack1")
    bench.run.prepare()
    assert bench.prepared.hosts_for(bench.job) == ("rack2",)
    assert list(bench.images.connect) == ["rack2"]
    assert {host.name: host.unusable for host in bench.recorder.result.hosts} == {
        "rack1": "no route to rack1",
        "rack2": None,
    }
    bench.run.sweep(aborted=False)
    bench.run.close()
    assert bench.recorder.result.problems == ()


@pytest.mark.parametrize(("also_drained", "error"), [(True, Starved), (False, LabError)])
def test_when_none_is_left_the_jobs_hear_why_of_each(
    bench: Bench, also_drained: bool, error: type[XenflightError]
) -> None:
    bench.errors["rack1"] = HostLost("no route to rack1")
    bench.errors["rack2"] = HostLost("no route to rack2")
    if also_drained:
        del bench.errors["rack2"]
        drain(bench.fakes["rack2"].runner, by="eve@ctl", reason="new RAM", since=1_800_000_000)
    bench.run.prepare()
    with pytest.raises(error, match="new RAM" if also_drained else "no route to rack2") as caught:
        bench.prepared.hosts_for(bench.job)
    assert "no route to rack1" in str(caught.value)
    assert bench.prepared.skips == {}
    assert bench.images.begun == []


def test_a_job_that_no_host_can_run_is_skipped_with_the_reason_of_each(bench: Bench) -> None:
    plan = replace(bench.plan, jobs=(replace(bench.plan.jobs[0], virt=Virt.HVM),))
    bench.flight(plan).prepare()
    why = bench.prepared.skips[bench.job]
    assert "rack1: " in why
    assert "rack2: " in why


def test_a_job_that_only_one_host_can_run_goes_there(bench: Bench) -> None:
    bench.fakes["rack2"] = FakeHost(name="rack2")
    bench.fakes["rack2"].runner.on("xen-dir", "xenpvnetboot /usr/bin/xenpvnetboot\n")
    (job,) = build_plan(str(FLIGHTS / "must-fail.yaml"), only=["*-pygrub-*"]).jobs
    bench.flight(replace(bench.plan, jobs=(job,))).prepare()
    assert bench.prepared.hosts_for(job.name) == ("rack1",)


def test_what_is_left_on_either_is_swept_and_told(bench: Bench) -> None:
    bench.run.prepare()
    name = scratch_name(bench.plan.flight_id, bench.job)
    for fake in bench.fakes.values():
        fake.volumes[name] = set(scratch_tags(bench.plan.flight_id, bench.job))
    bench.fakes["rack1"].stuck[name] = "Cannot process volume group"
    with pytest.raises(LabError, match="rack1 could not be removed"):
        bench.run.sweep(aborted=False)
    assert bench.fakes["rack2"].volumes == {}, "what is stuck on one is no reason to leave others"
    assert len(bench.recorder.result.problems) == 1


def test_an_interrupt_while_one_is_reached_ends_with_nothing_held(bench: Bench) -> None:
    bench.errors["rack2"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        bench.run.prepare()
    assert bench.prepared.broken == "the flight was interrupted"
    bench.run.sweep(aborted=True)
    bench.run.close()
    assert [fake.locked for fake in bench.fakes.values()] == [set(), set()]


# -- slots -----------------------------------------------------------------------------


@dataclass
class Clock:
    """Time passes only while somebody sleeps; then a slot may become free."""

    now: float = 0.0
    frees: dict[float, FakeHost] = field(default_factory=dict)

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        for at in [at for at in self.frees if at <= self.now]:
            self.frees.pop(at).slots.held.clear()


class Slots:
    """Two hosts, and a job that wants a slot."""

    def __init__(self, directory: Path) -> None:
        self.plan = two_hosts()
        self.directory = directory
        self.fakes = {host.name: FakeHost(name=host.name) for host in self.plan.hosts}
        self.lost: set[str] = set()
        self.clock = Clock()
        self.step = StepRecord(job=self.plan.jobs[0].name, testid="guest-create", clock=self.clock)

    def hold(self, name: str, *slots: int) -> None:
        self.fakes[name].slots.held.update(dict.fromkeys(slots, CLAIM))

    def connect(self, name: str) -> XenHost:
        if name in self.lost:
            msg = f"{name} does not answer"
            raise HostLost(msg)
        return self.fakes[name].host

    def take(self, names: Iterable[str] = ("rack1", "rack2")) -> tuple[XenHost, SlotLease]:
        job = self.plan.jobs[0]
        return take_place(job, self.plan, names, self.connect, self.directory, self.step)


@pytest.fixture
def slots(tmp_path: Path) -> Slots:
    return Slots(tmp_path)


@pytest.mark.parametrize(("full", "used"), [("rack1", "rack2"), ("rack2", "rack1")])
def test_the_emptiest_host_is_taken_and_nobody_waits(slots: Slots, full: str, used: str) -> None:
    slots.hold(full, 1)
    host, lease = slots.take()
    assert (host.name, slots.clock.now, slots.step.phases) == (used, 0.0, [])
    lease.release()


def test_where_all_are_as_empty_jobs_do_not_all_begin_with_the_same(slots: Slots) -> None:
    used = set()
    for number in range(20):
        job = replace(slots.plan.jobs[0], name=f"job-{number}")
        names = ("rack1", "rack2")
        host, lease = take_place(job, slots.plan, names, slots.connect, slots.directory, slots.step)
        used.add(host.name)
        lease.release()
    assert used == {"rack1", "rack2"}


def test_a_host_that_is_lost_leaves_the_job_to_the_other(slots: Slots) -> None:
    slots.lost.add("rack1")
    host, lease = slots.take()
    assert host.name == "rack2"
    lease.release()


def test_when_all_are_lost_it_is_said_of_each(slots: Slots) -> None:
    slots.lost |= {"rack1", "rack2"}
    with pytest.raises(LabError, match=r"rack\d does not answer; rack\d does not answer"):
        slots.take()


def test_one_whose_slot_cannot_be_cleared_is_no_reason_to_give_up(slots: Slots) -> None:
    spoilt = slots.fakes["rack1"]
    spoilt.slots.left[1] = Claim(holder="x@y", flight="dead-1", job="boot-x").to_json()
    spoilt.volumes[scratch_name("dead-1", "boot-x")] = set(scratch_tags("dead-1", "boot-x"))
    spoilt.stuck[scratch_name("dead-1", "boot-x")] = "Cannot process volume group"
    slots.hold("rack2", 1)  # so that the other comes first
    host, lease = slots.take()
    assert host.name == "rack2"
    assert spoilt.slots.held == {}
    lease.release()


def test_a_job_waits_for_whichever_has_one_first(slots: Slots) -> None:
    slots.hold("rack1", 1, 2)
    slots.hold("rack2", 1, 2)
    slots.clock.frees[60.0] = slots.fakes["rack2"]
    host, lease = slots.take()
    assert host.name == "rack2"
    assert 60 <= slots.clock.now <= 60 + LOOK.total_seconds()
    (phase,) = slots.step.phases
    assert (phase.name, phase.status) == ("slot", Status.PASS)
    assert WaitingNotes(slots.directory).read(slots.step.job) == ""
    lease.release()


def test_one_that_gets_the_image_later_is_used_then(slots: Slots) -> None:
    slots.hold("rack1", 1, 2)
    job = slots.plan.jobs[0]

    def now() -> list[str]:
        return ["rack1"] if slots.clock.now < 60 else ["rack1", "rack2"]

    host, lease = take_place(
        job, slots.plan, ["rack1"], slots.connect, slots.directory, slots.step, now
    )
    assert host.name == "rack2"
    assert 60 <= slots.clock.now <= 60 + LOOK.total_seconds()
    lease.release()


def test_where_none_is_fit_for_it_any_more_it_waits(slots: Slots) -> None:
    job = slots.plan.jobs[0]
    with pytest.raises(Starved, match="none of its hosts is fit for it"):
        take_place(
            job, slots.plan, ["rack1"], slots.connect, slots.directory, slots.step, lambda: []
        )


def test_the_wait_ends_and_names_who_holds_what(slots: Slots) -> None:
    slots.hold("rack1", 1, 2)
    slots.lost.add("rack2")
    with pytest.raises(Starved, match=r"within 3600 s: .*rack1.*bob@ci2.*rack2 does not answer"):
        slots.take()
    (phase,) = slots.step.phases
    assert (phase.name, phase.status) == ("slot", Status.STARVED)


def test_a_job_that_is_tried_again_is_tried_elsewhere_if_it_can_be(tmp_path: Path) -> None:
    plan = two_hosts()
    (spec,) = plan.jobs
    fakes = {host.name: FakeHost(name=host.name) for host in plan.hosts}
    endpoint = Endpoint.of(ENDPOINT)
    Prepared(
        flight_id=plan.flight_id,
        hosts={name: PreparedHost(endpoint=endpoint) for name in fakes},
        fits={spec.name: tuple(fakes)},
        images={spec.name: "image"},
    ).write(tmp_path)
    for name in fakes:
        ImageOutcomes(tmp_path).write("image", name, PreparedImage(golden="xf-golden-k"))

    seen = {name: Inventories() for name in fakes}

    class Run:
        def host(self, name: str) -> XenHost:
            return fakes[name].host

        def inventories(self, name: str) -> Inventories:
            return seen[name]

    guests = RealGuests(plan, FlightDirectory(tmp_path), cast(FlightRun, Run()))
    used = []
    for _ in range(3):
        guest = guests.make(spec.name, StepRecord(job=spec.name, testid="guest-create"))
        used.append(guest.facts(kept=False).host)
        guest.close()
    assert sorted(used[:2]) == ["rack1", "rack2"]
    assert used[2] in fakes
