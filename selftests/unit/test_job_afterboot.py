"""A guest whose host died under it: evidence after the reboot, and what is left is removed."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from bench_samples import Bench, guest_bench
from evidence_samples import STATUS
from test_job_evidence import answers, culprit

from harness.errors import HostLost
from harness.evidence.after import AFTER
from harness.host.fake import FakeHost
from harness.host.names import domain_name
from harness.host.xenhost import XenHost
from harness.job.afterboot import DIRECTORY, HOST_CONSOLE, HostRescue
from harness.job.care import CONSOLE, CareAnswer, CareRequest, HostCare, Want
from harness.status import Status
from harness.storage.names import scratch_tags

BROKEN = culprit(status=Status.BROKEN)
SAID = "it was power-cycled by a fake switch, and back after 2 m 00 s"


class Reboot:
    """A guest's bench with a controller that has its answer ready."""

    def __init__(self, folder: Path, bench: Bench) -> None:
        self.bench = bench
        self.care = HostCare(folder / "f", "rack1")
        self.care.path.mkdir(parents=True)
        self.bench.guest._home.rescue = HostRescue(
            care=self.care,
            controller=os.getpid(),
            bound=timedelta(minutes=1),
            job="boot-x",
            since=100.0,
            again=self.bench.reconnect,
            now=lambda: 200.0,
        )
        self.evidence = folder / "f" / "jobs" / "job" / "evidence"

    def answered(self, answer: CareAnswer, job: str = "boot-x") -> None:
        request = CareRequest(want=Want.POWER, job=job, why="x", at=1.0)
        self.care.answer(request, answer)

    def back(self) -> FakeHost:
        """The host is up again: with the guest's volumes, and without its domain."""
        bench = self.bench
        run, job = bench.guest._run, bench.spec.name
        other = bench.other = FakeHost(name="fakehost")
        for name in bench.guest.disks.volumes:
            other.volumes[name] = set(scratch_tags(run, job))
        other.runner.on("^true$")
        for item in AFTER:
            other.runner.on_open(f"^{item.file}$", [f"{item.file} after".encode() + STATUS % 0])
        return other


@pytest.fixture
def reboot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reboot]:
    with guest_bench(tmp_path, monkeypatch, below="f/jobs") as bench:
        yield Reboot(tmp_path, bench)


def die(reboot: Reboot) -> None:
    reboot.bench.fake.runner.alive = False
    reboot.bench.fake.runner.before("", raises=HostLost("gone"))


def test_it_is_asked_for_read_again_and_cleaned_up(reboot: Reboot) -> None:
    die(reboot)
    reboot.answered(CareAnswer(said=SAID, rebooted=True, at=150.0))
    (reboot.care.path / CONSOLE).write_bytes(b"(XEN) Panic on CPU 0: password=hunter2\n")
    guest = reboot.bench.guest
    back: list[FakeHost] = []

    def reconnect() -> XenHost:
        # Dead while the evidence is tried, and back when it is asked for.
        if not (reboot.care.path / "power-boot-x.asked.json").exists():
            msg = "no route to host"
            raise HostLost(msg)
        back[:] = back or [reboot.back()]
        return back[0].host

    guest._home.again = reconnect
    guest._home.rescue = HostRescue(**{**vars(guest._home.rescue), "again": reconnect})
    taken = guest.capture(BROKEN)
    assert taken.had == 0, "before the reboot there was nothing"
    assert taken.note.startswith("nothing could be had; ")
    assert f"; {SAID}; read again: 4 of 4 things are in {DIRECTORY}/" in taken.note
    (request,) = [json.loads(p.read_text()) for p in reboot.care.path.glob("*.asked.json")]
    assert (request["want"], request["since"], request["at"]) == ("power", 100.0, 200.0)
    after = reboot.evidence / DIRECTORY
    assert (after / "journal-before.txt").read_text() == "journal-before.txt after"
    assert (after / "index.json").exists()
    console = after / HOST_CONSOLE
    assert b"Panic on CPU 0" in console.read_bytes()
    assert b"hunter2" not in console.read_bytes()
    assert stat.S_IMODE(console.stat().st_mode) == 0o600
    assert back[0].volumes
    guest.remove()
    assert back[0].volumes == {}, "over the new connection"
    guest.close()
    assert back[0].runner.closed


def test_a_host_that_answers_by_now_is_read_again_too(reboot: Reboot) -> None:
    """It booted by itself, or another job had asked: the evidence is of the new boot already."""
    other = reboot.back()
    answers(other)
    reboot.bench.fake.runner.alive = False
    reboot.answered(CareAnswer(said=SAID, rebooted=True, at=150.0))
    taken = reboot.bench.guest.capture(BROKEN)
    assert taken.had == taken.asked
    assert SAID in taken.note
    assert (reboot.evidence / DIRECTORY / "pstore.txt").exists()
    assert not (reboot.evidence / DIRECTORY / HOST_CONSOLE).exists()


def test_while_its_own_connection_stands_nothing_is_asked(reboot: Reboot) -> None:
    """A guest that died with its host, but had no step until another job had that back."""
    reboot.back()
    answers(reboot.bench.fake)
    reboot.answered(CareAnswer(said=SAID, rebooted=True, at=150.0), "boot-other")
    assert SAID in reboot.bench.guest.capture(BROKEN).note
    assert not list(reboot.care.path.glob("*.asked.json"))


def test_a_connection_that_was_only_lost(reboot: Reboot) -> None:
    other = reboot.bench.other = FakeHost()
    answers(other)
    reboot.bench.fake.runner.alive = False
    reboot.answered(CareAnswer(said="it answers again"))
    note = reboot.bench.guest.capture(BROKEN).note
    assert note.endswith("taken over a new connection from here on")
    assert not (reboot.evidence / DIRECTORY).exists()


def test_a_reboot_before_the_job_began_is_none_of_its(reboot: Reboot) -> None:
    answers(reboot.bench.fake)
    reboot.answered(CareAnswer(said=SAID, rebooted=True, at=99.0), "boot-other")
    assert reboot.bench.guest.capture(BROKEN).note == ""
    assert not (reboot.evidence / DIRECTORY).exists()


def test_why_nothing_was_done_is_told(reboot: Reboot) -> None:
    die(reboot)
    reboot.answered(CareAnswer(said="it was not power-cycled: others use it: domain web1"))
    taken = reboot.bench.guest.capture(BROKEN)
    assert taken.note.endswith("; it was not power-cycled: others use it: domain web1")
    assert not (reboot.evidence / DIRECTORY).exists()


def test_a_host_that_is_lost_again(reboot: Reboot) -> None:
    die(reboot)
    reboot.answered(CareAnswer(said=SAID, rebooted=True, at=150.0))
    assert reboot.bench.guest.capture(BROKEN).note.endswith(f"{SAID}; no route to host")


def test_a_controller_that_is_gone(reboot: Reboot) -> None:
    die(reboot)
    rescue = reboot.bench.guest._home.rescue
    reboot.bench.guest._home.rescue = HostRescue(**{**vars(rescue), "controller": 1 << 30})
    note = reboot.bench.guest.capture(BROKEN).note
    assert "nothing was done about the host: the controller ended" in note


def test_a_guest_that_failed_on_a_host_that_lives_asks_for_nothing(reboot: Reboot) -> None:
    answers(reboot.bench.fake)
    run, job = reboot.bench.guest._run, reboot.bench.spec.name
    reboot.bench.fake.domains[domain_name(run, job)] = 5
    reboot.bench.guest.capture(culprit("kernel-panic"))
    assert not list(reboot.care.path.iterdir())
