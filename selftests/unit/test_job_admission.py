"""A job is admitted: what it takes of its host, what it waits for, and what goes for it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from room_samples import GIB, MIB
from test_job_flight import FLIGHTS

from harness.console.fake import VirtualClock
from harness.errors import HostLost, LabError, Starved
from harness.flight.axes import Builder, DiskFormat, Virt
from harness.flight.build import build_plan
from harness.flight.model import HostSpec, JobSpec
from harness.host.drain import drain
from harness.host.evict import note_use
from harness.host.fake import FakeHost
from harness.host.fakeroom import AdmitStream
from harness.host.lease import SlotLease
from harness.host.names import domain_name
from harness.host.room import Want
from harness.host.slots import Claim
from harness.job.admission import PHASE, admit_job, job_want, never_fits
from harness.job.slot import WaitingNotes, take_slot
from harness.remote.fake import Call, Reply
from harness.status import Status
from harness.steps import StepRecord
from harness.storage.names import golden_name, golden_tags
from harness.units import Size

HOST = HostSpec(name="rack1", slots=2, timeout_factor=1.0)


class Bench:
    """A job with a slot, on a host in virtual time."""

    def __init__(self, directory: Path) -> None:
        plan = build_plan(str(FLIGHTS / "must-fail.yaml"), only=["*-pv-direct-*"])
        self.plan = replace(plan, hosts=(replace(plan.hosts[0], name="rack1", slots=3),))
        self.job = self.plan.jobs[0]
        self.clock = VirtualClock()
        self.fake = Pool(name="rack1", clock=self.clock)
        self.directory = directory
        self.step = StepRecord(job=self.job.name, testid="guest-create", clock=self.clock)
        self.lease = self.take(self.job)

    def take(self, job: JobSpec) -> SlotLease:
        return take_slot(job, self.plan, self.fake.host, self.directory, self.step)

    def admit(self, patience: timedelta = timedelta(minutes=1)) -> None:
        admit_job(
            self.job,
            self.plan,
            self.fake.host,
            self.lease,
            golden_name("k" * 16),
            self.directory,
            self.step,
            patience,
        )

    def other(self, memory: int = 2000, name: str = "boot-other") -> None:
        """Another controller's job was admitted."""
        slot = max(self.fake.slots.held) + 1
        claim = Claim(holder="bob@ci2", flight="nightly-1", job=name)
        wanted = Want(
            domain=f"xf.{name}", memory=memory * MIB, overhead=0, vcpus=1, disks=GIB, data=0
        )
        self.fake.slots.held[slot] = claim.to_json()
        self.fake.slots.wants[slot] = wanted.to_json()

    @property
    def note(self) -> str:
        return WaitingNotes(self.directory).read(self.job.name)


class Pool(FakeHost):
    """A host whose golden volumes of 2 GiB each take half of that."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.held: set[str] = set()
        self.taken = 0
        """Of the thin pool, in percent, beside golden volumes."""
        self.runner.on_call("note-use", self._note)
        self.runner.on_call("golden-uses$", lambda _: Reply(stdout=self._uses()))
        self.runner.on("^rm -rf ")

    def golden(self, key: str) -> str:
        name = golden_name(key * 16)
        self.volumes[name] = set(golden_tags(key * 16))
        return name

    def _note(self, call: Call) -> Reply:
        self.held.add(call.command.argv[4])
        return Reply()

    def _uses(self) -> str:
        return "\n".join([*(f"held {name}" for name in self.held), "all"])

    def _lvs(self) -> str:
        report = json.loads(super()._lvs())
        for row in report["report"][0]["lv"]:
            pool = row["lv_attr"].startswith("t")
            row["data_percent"] = str(self.taken + 6.25 * len(self.volumes) if pool else 50.0)
        return json.dumps(report)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Bench(tmp_path)


def base_job() -> JobSpec:
    return build_plan(str(FLIGHTS / "smoke.yaml")).jobs[0]


# -- what a job takes ----------------------------------------------------------------------


def test_a_job_takes_its_guest_and_what_xen_needs_for_it() -> None:
    job = replace(base_job(), virt=Virt.PVH, memory=Size.parse("1G"), vcpus=2)
    found = job_want(job, "run-1", HOST, "xf-golden-k")
    assert (found.memory, found.vcpus) == (1024 * MIB, 2)
    # libxl: 1024 + 4 * (256 * 2 + 2 * 1024) / 1024 + 2, in whole 2 MiB.
    assert found.overhead == 12 * MIB
    assert found.domain == domain_name("run-1", job.name)
    assert found.golden == "xf-golden-k"
    assert (found.disks, found.data) == (2 * GIB, 512 * MIB)


def test_a_second_guest_is_of_the_same_job() -> None:
    one = replace(base_job(), virt=Virt.PVH, memory=Size.parse("1G"), vcpus=2)
    alone = job_want(one, "run-1", HOST)
    both = job_want(replace(one, neighbour=Size.parse("384M")), "run-1", HOST)
    assert (both.memory, both.vcpus) == (alone.memory + 384 * MIB, 3)
    assert both.overhead > alone.overhead
    assert (both.disks, both.data) == (2 * alone.disks, 2 * alone.data)


def test_without_overcommit_all_of_its_disks_is_its_own() -> None:
    job = replace(base_job(), swap=Size.parse("256M"), extra_disks=(Size.parse("1G"),))
    full = job_want(job, "run-1", replace(HOST, disk_overcommit=1.0))
    assert full.disks == full.data == 3 * GIB + 256 * MIB


def test_what_is_below_an_overlay_is_only_read() -> None:
    found = job_want(replace(base_job(), disk_format=DiskFormat.QCOW2), "run-1", HOST)
    assert (found.disks, found.data) == (4 * GIB + 128 * MIB, 512 * MIB)


def test_a_builder_on_the_host_writes_a_whole_system() -> None:
    for builder in (Builder.XEN_CREATE_IMAGE, Builder.DEBIAN_INSTALLER):
        found = job_want(replace(base_job(), builder=builder), "run-1", HOST)
        assert found.data == GIB + 256 * MIB
    small = replace(base_job(), builder=Builder.XEN_CREATE_IMAGE, disk=Size.parse("512M"))
    assert job_want(small, "run-1", HOST).data == 512 * MIB


def test_the_installer_has_more_memory_than_its_guest_will() -> None:
    installed = replace(base_job(), builder=Builder.DEBIAN_INSTALLER, virt=Virt.PVH)
    assert job_want(installed, "run-1", HOST).memory == GIB
    large = replace(installed, memory=Size.parse("2G"))
    assert job_want(large, "run-1", HOST).memory == 2 * GIB


def test_what_never_fits_is_told_by_job(bench: Bench) -> None:
    from harness.host.fake import POOL, VG
    from harness.host.roomlook import find_room, look_script

    room = find_room(bench.fake.runner, look_script(VG, POOL))
    large = replace(bench.job, name="large", memory=Size.parse("8G"))
    flight, host = bench.plan.flight_id, bench.plan.hosts[0]
    assert never_fits(bench.job, flight, host, room) == ""
    why = never_fits(large, flight, host, room)
    assert why.startswith("rack1: a guest of 8.0 GiB takes 8.1 GiB of memory")


# -- being admitted ------------------------------------------------------------------------


def test_where_there_is_room_it_is_no_phase_and_no_fact(bench: Bench) -> None:
    bench.admit()
    assert (bench.step.phases, bench.step.facts, bench.note) == ([], {}, "")
    (claimed,) = bench.fake.slots.wants.values()
    assert json.loads(claimed)["domain"] == domain_name(bench.plan.flight_id, bench.job.name)
    bench.lease.release()
    assert bench.fake.slots.wants == {}


def watched(bench: Bench, then: object = None) -> list[str]:
    """The notes at each look; *then* is called at the third."""
    notes: list[str] = []
    look = bench.fake.look

    def looked() -> str:
        notes.append(bench.note)
        if len(notes) == 3 and callable(then):
            then()
        return look()

    bench.fake.look = looked  # type: ignore[method-assign]
    return notes


def test_what_it_waits_for_is_told_with_figures_and_who_has_it(bench: Bench) -> None:
    bench.other(2700)
    bench.fake.domains["someones"] = 9
    notes = watched(bench, then=bench.fake.slots.wants.clear)
    bench.admit()
    assert notes[0] == ""
    assert notes[1] == notes[2]
    # 3028 less 518 of someone's, and 2700 promised.
    assert notes[1].startswith(
        "518 MiB of hypervisor memory on rack1: 0 B free (and 2.6 GiB promised to other jobs), "
        "518 MiB wanted; held by slot 2: bob@ci2, flight nightly-1, job boot-other, since 20"
    )
    assert "(2.6 GiB of memory, 1 vCPU, 0 B of disk)" in notes[1]
    assert notes[1].endswith("; domains of no job that runs: someones (512 MiB)")
    assert bench.note == "", "it waits no longer"
    (phase,) = bench.step.phases
    assert (phase.name, phase.status, phase.duration >= 10) == (PHASE, Status.PASS, True)


def test_in_time_or_starved(bench: Bench) -> None:
    bench.other(2700)
    with pytest.raises(
        Starved, match=r"no room on rack1 within 60 s: 190 MiB of hypervisor memory .* bob@ci2"
    ):
        bench.admit()
    (phase,) = bench.step.phases
    assert (phase.status, bench.note) == (Status.STARVED, "")
    assert 60 <= phase.duration < 70


def test_what_never_fits_is_starved_without_waiting(bench: Bench) -> None:
    bench.job = replace(bench.job, vcpus=100)
    began = bench.clock.now
    with pytest.raises(Starved, match="it fits there at no time: rack1: 100 vCPUs wanted"):
        bench.admit()
    assert bench.clock.now == began
    assert bench.step.phases == []


def test_an_operator_who_gives_up_waiting_leaves_no_note(bench: Bench) -> None:
    bench.other(2700)

    def interrupt() -> None:
        raise KeyboardInterrupt

    watched(bench, then=interrupt)
    with pytest.raises(KeyboardInterrupt):
        bench.admit()
    assert (bench.note, bench.step.phases[0].status) == ("", Status.ABORTED)


def test_a_job_that_waits_does_not_begin_on_a_drained_host(bench: Bench) -> None:
    bench.other(2700)
    watched(bench, then=lambda: drain(bench.fake.runner, by="eve@ctl", reason="new RAM", since=1))
    with pytest.raises(Starved, match=r"rack1 is drained by eve@ctl.*: new RAM"):
        bench.admit()
    assert (bench.note, list(bench.fake.slots.wants)) == ("", [2])


def test_many_domains_of_others_are_not_all_named(bench: Bench) -> None:
    bench.fake.memory = 9000
    bench.fake.domains |= {f"d{number}": number for number in range(1, 17)}
    with pytest.raises(Starved, match=r"d5 \(512 MiB\), 11 more$"):
        bench.admit(timedelta(0))


def test_a_host_that_cannot_tell_is_broken(bench: Bench) -> None:
    bench.fake.look = lambda: "looked\n"  # type: ignore[method-assign]
    with pytest.raises(LabError, match="cannot tell what it has room for"):
        bench.admit()


# -- golden volumes ------------------------------------------------------------------------


def test_golden_volumes_that_nobody_needs_go_when_data_is_short(bench: Bench) -> None:
    bench.fake.taken = 80
    names = [bench.fake.golden(key) for key in "abc"]
    notes = watched(bench)
    bench.admit()
    # 80 % and 18.75 %; at 90 % with 512 MiB (3.1 %) to come, two of three have to go.
    assert set(bench.fake.volumes) == {names[2]}
    assert bench.step.facts["evicted"] == "; ".join(
        f"removed {name} from rack1: 1.0 GiB more room" for name in names[:2]
    )
    assert bench.clock.now < 1001, "it is asked again at once"
    assert notes[1].startswith("512 MiB of thin-pool data on rack1: 0 B free, 512 MiB wanted; rem")


def test_those_that_somebody_needs_stay(bench: Bench) -> None:
    bench.fake.taken = 80
    needed, own, used, claimed = (bench.fake.golden(key) for key in "akmz")
    note_use(bench.fake.host, needed, "run-1")
    bench.fake.stuck[used] = "Cannot process volume group"
    wanted = Want(domain="xf.x", memory=0, overhead=0, vcpus=0, disks=0, data=0, golden=claimed)
    bench.other()
    bench.fake.slots.wants[2] = wanted.to_json()
    with pytest.raises(Starved, match=r"of thin-pool data on rack1: 0 B free, 512 MiB wanted"):
        bench.admit()
    assert set(bench.fake.volumes) == {needed, own, used, claimed}
    tries = [str(call) for call in bench.fake.runner.calls if str(call).startswith("lvremove")]
    assert len(tries) == 1, "what would not go once is left alone"


def test_none_goes_where_memory_is_short(bench: Bench) -> None:
    bench.other(2700)
    name = bench.fake.golden("a")
    with pytest.raises(Starved):
        bench.admit()
    assert name in bench.fake.volumes


def test_where_nobody_can_tell_what_is_used_none_goes(bench: Bench) -> None:
    bench.fake.taken = 90
    bench.fake.golden("a")
    bench.fake.runner.before("golden-uses$", raises=LabError("it does not answer"))
    with pytest.raises(Starved, match="thin-pool data"):
        bench.admit()
    assert len(bench.fake.volumes) == 1


def test_a_host_that_is_lost_while_one_goes_is_lost(bench: Bench) -> None:
    bench.fake.taken = 90
    bench.fake.golden("a")
    bench.fake.runner.before("^lvremove", raises=HostLost("gone"))
    with pytest.raises(HostLost, match="gone"):
        bench.admit()


def test_the_fake_shell_answers_only_while_it_is_heard(bench: Bench) -> None:
    stream = AdmitStream(lambda: "", bench.fake.slots, 1, 1, bench.clock, heeds_drain=True)
    stream.close()
    assert stream.read(1, timedelta(0)) == b""
