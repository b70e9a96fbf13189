"""A job's slot: waited for, told, and cleared of what died in it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from test_job_flight import FLIGHTS

from harness.errors import GuestFailure, LabError, Starved
from harness.flight.build import build_plan
from harness.host.drain import drain
from harness.host.fake import FakeHost
from harness.host.kept import KEPT
from harness.host.lease import SILENCE, SlotLease
from harness.host.names import domain_name, saved_file
from harness.host.slots import Claim
from harness.job.slot import WaitingNotes, in_slot, slot_terms, take_slot
from harness.remote.fake import FakeStream
from harness.status import Status
from harness.steps import StepRecord
from harness.storage.names import scratch_name, scratch_tags


class Bench:
    """A flight of two jobs, on a host with the slots that its hosts.yaml says."""

    def __init__(self, directory: Path) -> None:
        self.plan = build_plan(str(FLIGHTS / "must-fail.yaml"), only=["*-pv-direct-*"])
        self.job, self.other = self.plan.jobs[:2]
        self.fake = FakeHost(name=self.plan.hosts[0].name)
        self.directory = directory
        self.step = StepRecord(job=self.job.name, testid="guest-create")

    def take(self) -> SlotLease:
        return take_slot(self.job, self.plan, self.fake.host, self.directory, self.step)

    def died(self, run: str, job: str, *tags: str) -> None:
        """A holder died in slot 1, and left a guest."""
        self.fake.slots.left[1] = Claim(holder="x@y", flight=run, job=job).to_json()
        self.fake.volumes[scratch_name(run, job)] = {*scratch_tags(run, job), *tags}
        self.fake.domains[domain_name(run, job)] = 7


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Bench(tmp_path)


def test_a_free_slot_is_no_phase_and_no_fact(bench: Bench) -> None:
    lease = bench.take()
    assert (bench.step.phases, bench.step.facts) == ([], {})
    (held,) = bench.fake.slots.held.values()
    assert bench.plan.flight_id in held
    assert bench.job.name in held
    assert len(bench.fake.runner.calls) == 1
    lease.release()


def test_who_holds_them_is_told_while_it_waits_and_no_longer(bench: Bench) -> None:
    claim = '{"holder": "bob@ci2", "flight": "nightly-1", "job": "boot-x"}'
    bench.fake.slots.held = dict.fromkeys((1, 2), claim)
    notes = WaitingNotes(bench.directory)
    told: list[str] = []

    class Watched(FakeStream):
        def read(self, size: int, timeout: timedelta) -> bytes | None:
            told.append(notes.read(bench.job.name))
            return super().read(size, timeout)

    bench.fake.slots.stream = Watched
    with pytest.raises(Starved, match=r"no slot was free on testbox within 3600 s: .*bob@ci2"):
        bench.take()
    assert told[0] == ""
    assert told[1].startswith("a slot on testbox: slot 1: bob@ci2, flight nightly-1, job boot-x")
    assert notes.read(bench.job.name) == ""
    (phase,) = bench.step.phases
    assert (phase.name, phase.status) == ("slot", Status.STARVED)


def test_notes_that_cannot_be_written_stop_nothing(tmp_path: Path) -> None:
    (tmp_path / "waiting").write_text("no directory")
    notes = WaitingNotes(tmp_path)
    notes.write("job", "a slot")
    notes.write("job", "")
    assert notes.read("job") == ""


def test_on_a_drained_host_a_job_is_starved(bench: Bench) -> None:
    drain(bench.fake.runner, by="eve@ctl", reason="new RAM", since=1_800_000_000)
    with pytest.raises(Starved, match="drained by eve"):
        bench.take()


def test_what_a_dead_flight_left_in_it_goes_first(bench: Bench) -> None:
    bench.died("dead-1", "boot-x")
    lease = bench.take()
    assert (bench.fake.volumes, bench.fake.domains) == ({}, {})
    assert bench.step.facts["reaped"].startswith("slot 1: dead-1: domain xf.dead-1.")
    lease.release()


def test_what_a_flight_that_lives_has_there_is_not_ours_to_touch(bench: Bench) -> None:
    bench.died("alive-1", "boot-x")
    bench.fake.locked.add("alive-1")
    lease = bench.take()
    assert len(bench.fake.volumes) == len(bench.fake.domains) == 1
    assert bench.step.facts["reaped"] == "slot 1: nothing"
    lease.release()


def test_what_a_dead_worker_of_this_flight_left_goes_and_no_other_jobs(bench: Bench) -> None:
    run = bench.plan.flight_id
    bench.fake.volumes[scratch_name(run, bench.job.name)] = set(scratch_tags(run, bench.job.name))
    bench.fake.locked.add(run)
    bench.died(run, bench.other.name)
    lease = bench.take()
    assert list(bench.fake.volumes) == [scratch_name(run, bench.job.name)]
    assert bench.fake.domains == {}
    lease.release()


def test_its_second_guest_and_one_that_was_on_the_move_go_too(bench: Bench) -> None:
    run = bench.plan.flight_id
    bench.fake.locked.add(run)
    bench.died(run, bench.other.name)
    name = domain_name(run, bench.other.name)
    bench.fake.domains |= {f"{name}--neighbour": 8, f"{name}--incoming": 9}
    lease = bench.take()
    assert bench.fake.domains == {}
    assert any(f"forget-saved {saved_file(run, name)}" in line for line in bench.fake.runner.lines)
    lease.release()


def test_a_kept_guest_of_this_flight_stays(bench: Bench) -> None:
    run = bench.plan.flight_id
    bench.fake.locked.add(run)
    bench.died(run, bench.other.name, KEPT)
    lease = bench.take()
    assert len(bench.fake.volumes) == len(bench.fake.domains) == 1
    lease.release()


@pytest.mark.parametrize("job", ["no-such-job", "../x"])
def test_a_record_that_names_no_job_of_ours_leads_nowhere(bench: Bench, job: str) -> None:
    bench.fake.slots.left[1] = Claim(holder="?", flight=bench.plan.flight_id, job=job).to_json()
    bench.take().release()


def test_a_slot_that_cannot_be_cleared_is_given_back(bench: Bench) -> None:
    bench.died("dead-1", "boot-x")
    (volume,) = bench.fake.volumes
    bench.fake.stuck[volume] = "Cannot process volume group"
    with pytest.raises(LabError, match="leftovers of dead-1"):
        bench.take()
    assert bench.fake.slots.held == {}


def test_a_slow_host_may_be_silent_for_longer(bench: Bench) -> None:
    terms = slot_terms(bench.plan.hosts[0])
    assert terms.silence == SILENCE * bench.plan.hosts[0].timeout_factor
    assert terms.slots == bench.plan.hosts[0].slots


@pytest.mark.parametrize("lost", [True, False])
def test_what_fails_while_it_is_lost_is_no_fault_of_the_guest(bench: Bench, lost: bool) -> None:
    lease = bench.take()

    def fail() -> None:
        with in_slot(lease):
            if lost:
                lease.release()
            msg = "its domain is gone"
            raise GuestFailure(msg)

    with pytest.raises((LabError, GuestFailure)) as caught:
        fail()
    assert isinstance(caught.value, GuestFailure) is not lost
    assert isinstance(caught.value.__cause__, GuestFailure) is lost
    lease.release()


def test_without_it_nothing_is_begun(bench: Bench) -> None:
    lease = bench.take()
    lease.release()
    with pytest.raises(LabError, match="was lost"), in_slot(lease):
        pytest.fail("it was begun")
