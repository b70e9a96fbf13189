"""The guests of one process of a flight: what they need is had in order, and given back."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest
from test_job_flight import FLIGHTS
from test_job_prepared import ENDPOINT

from harness.console.fake import VirtualClock
from harness.errors import LabError, Starved
from harness.flight.build import build_plan
from harness.flight.plan import Plan
from harness.host.drain import drain
from harness.host.fake import FakeHost
from harness.host.xenhost import XenHost
from harness.job.care import CareAnswer, CareRequest, HostCare, Want
from harness.job.flight import FlightRun
from harness.job.inventories import Inventories
from harness.job.knowngood import read_known_good
from harness.job.outcomes import ImageOutcomes
from harness.job.prepared import Endpoint, Prepared, PreparedHost, PreparedImage
from harness.job.real import RealGuests
from harness.job.slot import WaitingNotes
from harness.remote.command import Command
from harness.remote.fake import FakeStream
from harness.results.layout import FlightDirectory
from harness.status import Status
from harness.steps import StepRecord


@dataclass
class Bench:
    """A flight that was made ready; its image is there, or broken."""

    path: Path
    fake: FakeHost = field(default_factory=lambda: FakeHost(name="testbox"))
    plan: Plan = field(default_factory=lambda: build_plan(str(FLIGHTS / "smoke.yaml")))
    seen: Inventories = field(default_factory=Inventories)

    @property
    def job(self) -> str:
        return self.plan.jobs[0].name

    def inventories(self, name: str) -> Inventories:
        assert name == self.fake.host.name
        return self.seen

    def host(self, name: str) -> XenHost:
        assert name == self.fake.host.name
        return self.fake.host

    def ready(self, image: PreparedImage) -> RealGuests:
        """The controller's guests: they share its connection."""
        endpoint = Endpoint.of(ENDPOINT)
        name = self.plan.hosts[0].name
        prepared = Prepared(
            flight_id=self.plan.flight_id,
            hosts={name: PreparedHost(endpoint=endpoint)},
            fits={self.job: (name,)},
            images={self.job: "image"},
        )
        prepared.write(self.path)
        ImageOutcomes(self.path).write("image", name, image)
        return RealGuests(self.plan, FlightDirectory(self.path), cast(FlightRun, self))

    @property
    def step(self) -> StepRecord:
        return StepRecord(job=self.job, testid="guest-create")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.seen.close()


def test_a_guest_has_a_slot_before_anything_is_made(bench: Bench) -> None:
    guest = bench.ready(PreparedImage(golden="xf-golden-k")).make(bench.job, bench.step)
    (claim,) = bench.fake.slots.held.values()
    assert bench.job in claim
    assert bench.fake.volumes == {}
    assert list(bench.fake.slots.wants) == [1]
    assert guest._home.ledger
    guest._home.ledger.wait()
    calls = sorted(call.command.argv[3] for call in bench.fake.runner.calls)
    assert calls == ["admit-job", "census", "take-slot"], "no more was done"
    guest.close()
    assert (bench.fake.slots.held, bench.fake.slots.wants) == ({}, {})


def test_a_job_that_is_not_admitted_gives_its_slot_back(bench: Bench) -> None:
    bench.fake.memory = 1100
    host = replace(bench.plan.hosts[0], slot_timeout=timedelta(0))
    bench.plan = replace(bench.plan, hosts=(host,))
    guests = bench.ready(PreparedImage(golden="xf-golden-k"))
    with pytest.raises(Starved, match="it fits there at no time"):
        guests.make(bench.job, bench.step)
    assert bench.fake.slots.held == {}


def test_the_wait_for_a_slot_and_that_for_memory_are_one(bench: Bench) -> None:
    """Of the host's slot_timeout there is left what was not spent on the slot."""
    clock = VirtualClock()
    bench.fake.clock = clock
    bench.fake.domains |= {f"d{number}": number for number in range(1, 6)}
    patience = timedelta(seconds=100)
    host = replace(bench.plan.hosts[0], slot_timeout=patience)
    bench.plan = replace(bench.plan, hosts=(host,))
    guests = bench.ready(PreparedImage(golden="xf-golden-k"))
    take = bench.fake.slots.take

    def take_late(command: Command) -> FakeStream:
        clock.sleep(70)
        return take(command)

    bench.fake.slots.take = take_late  # type: ignore[method-assign]
    step = StepRecord(job=bench.job, testid="guest-create", clock=clock)
    with pytest.raises(Starved, match=r"no room on testbox within 30 s: \d+ MiB of hypervisor"):
        guests.make(bench.job, step)
    assert 100 <= clock.now - 1000 < 110


def test_the_flights_inventory_is_that_before_its_first_job(bench: Bench) -> None:
    bench.seen.take(bench.fake.host, lambda: bench.fake.host).result()
    guests = bench.ready(PreparedImage(golden="xf-golden-k"))
    guest = guests.make(bench.job, bench.step)
    assert bench.fake.census.taken == 1
    guest.close()
    guests.close()
    check = guest.check_leaks().result()
    assert check.status is Status.PASS, "it is the controller's to close"
    assert bench.fake.census.taken == 2


def test_no_slot_is_taken_for_a_job_without_an_image(bench: Bench) -> None:
    guests = bench.ready(PreparedImage(broken="the mirror is down"))
    with pytest.raises(LabError, match="the mirror is down"):
        guests.make(bench.job, bench.step)
    assert bench.fake.runner.calls == []


def test_on_a_host_that_was_drained_meanwhile_the_job_is_starved(bench: Bench) -> None:
    guests = bench.ready(PreparedImage(golden="xf-golden-k"))
    drain(bench.fake.runner, by="eve@ctl", reason="new RAM", since=1_800_000_000)
    with pytest.raises(Starved, match="new RAM"):
        guests.make(bench.job, bench.step)


def test_where_the_flight_was_starved_nothing_is_asked(bench: Bench) -> None:
    guests = bench.ready(PreparedImage(golden="xf-golden-k"))
    hosts = {bench.plan.hosts[0].name: PreparedHost(starved="rack1 is drained")}
    Prepared(flight_id=bench.plan.flight_id, hosts=hosts).write(bench.path)
    with pytest.raises(Starved, match="rack1 is drained"):
        guests.make(bench.job, bench.step)
    assert bench.fake.runner.calls == []


def care_for(bench: Bench) -> HostCare:
    """Its controller, this process, looks after the host."""
    prepared = Prepared.read(bench.path)
    name, host = next(iter(prepared.hosts.items()))
    hosts = {name: host.model_copy(update={"care": 5.0})}
    prepared.model_copy(update={"hosts": hosts, "controller": os.getpid()}).write(bench.path)
    return HostCare(bench.path, name)


def test_a_job_waits_until_the_host_was_seen_to(bench: Bench) -> None:
    guests, care = bench.ready(PreparedImage(golden="xf-golden-k")), care_for(bench)
    request = CareRequest(want=Want.CANARY, job="boot-other", why="lost", at=1.0)
    care.ask(request)
    timer = threading.Timer(0.3, lambda: care.answer(request, CareAnswer(said="well")))
    timer.start()
    step = bench.step
    guest = guests.make(bench.job, step)
    timer.join()
    assert [phase.name for phase in step.phases] == ["host"]
    assert WaitingNotes(bench.path).read(bench.job) == ""
    guest.close()


def test_no_job_begins_on_a_host_that_is_not_well(bench: Bench) -> None:
    guests, care = bench.ready(PreparedImage(golden="xf-golden-k")), care_for(bench)
    request = CareRequest(want=Want.CANARY, job="boot-other", why="lost", at=1.0)
    care.ask(request)
    care.answer(request, CareAnswer(said="x", unusable="rack1 was drained: a canary failed"))
    with pytest.raises(Starved, match="a canary failed"):
        guests.make(bench.job, bench.step)
    assert bench.fake.runner.calls == []


def test_a_host_that_gives_no_slot_is_suspect(bench: Bench) -> None:
    guests, care = bench.ready(PreparedImage(golden="xf-golden-k")), care_for(bench)
    bench.fake.slots.held = dict.fromkeys(range(1, bench.plan.hosts[0].slots + 1), "x")
    bench.fake.slots.stream = Stuck
    with pytest.raises(LabError, match="a command of its last holder runs"):
        guests.make(bench.job, bench.step)
    (request,) = care.pending()
    assert (request.want, request.job) == (Want.CANARY, bench.job)
    assert "a command of its last holder runs" in request.why


def test_a_busy_or_drained_one_is_not(bench: Bench) -> None:
    guests, care = bench.ready(PreparedImage(golden="xf-golden-k")), care_for(bench)
    drain(bench.fake.runner, by="eve@ctl", reason="new RAM", since=1_800_000_000)
    with pytest.raises(Starved):
        guests.make(bench.job, bench.step)
    assert care.pending() == []


def test_a_broken_job_makes_its_host_suspect(bench: Bench) -> None:
    guests, care = bench.ready(PreparedImage(golden="xf-golden-k")), care_for(bench)
    guests.make(bench.job, bench.step).close()
    guests.over(bench.job, passed=False, fault="lvcreate: no")
    (request,) = care.pending()
    assert (request.why, request.want) == ("lvcreate: no", Want.CANARY)


def test_a_failed_one_does_not(bench: Bench) -> None:
    guests, care = bench.ready(PreparedImage(golden="xf-golden-k")), care_for(bench)
    guests.make(bench.job, bench.step).close()
    guests.over(bench.job, passed=False)
    assert care.pending() == []
    assert bench.fake.canary == ""


def test_nobody_is_asked_where_nobody_answers(bench: Bench) -> None:
    guests = bench.ready(PreparedImage(golden="xf-golden-k"))
    guests.make(bench.job, bench.step).close()
    guests.over(bench.job, passed=False, fault="lvcreate: no")
    assert HostCare(bench.path, "testbox").pending() == []


def test_a_guest_that_passed_is_known_to_be_good(bench: Bench) -> None:
    image = PreparedImage(golden="xf-golden-k", kernel="/boot/k", initrd="/boot/i")
    guests = bench.ready(image)
    guests.make(bench.job, bench.step).close()
    guests.over(bench.job, passed=True)
    good = read_known_good(bench.fake.host)
    assert good
    assert good.job == bench.plan.jobs[0]
    assert good.image == image
    asked = len(bench.fake.runner.calls)
    guests.over(bench.job, passed=True)
    assert len(bench.fake.runner.calls) == asked, "once is enough"


def test_a_host_that_takes_no_note_does_no_harm(bench: Bench) -> None:
    image = PreparedImage(golden="xf-golden-k", kernel="/boot/k", initrd="/boot/i")
    guests = bench.ready(image)
    guests.make(bench.job, bench.step).close()
    bench.fake.runner.before("read-known-good", raises=LabError("gone"))
    guests.over(bench.job, passed=True)
    assert bench.fake.canary == ""


class Stuck(FakeStream):
    """What the host says when a dead holder's command still runs."""

    def __init__(self, chunks: deque[bytes | None]) -> None:
        del chunks
        super().__init__(deque([b"stuck 1\n"]))
