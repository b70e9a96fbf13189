"""What must outlive a move: each part of it is missed when it is not there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from bench_samples import BOOT_ID, Bench, guest_bench

from harness.errors import CommandFailed, DeadlineExceeded, GuestFailure, LabError, NotApplicable
from harness.job import lifeproof, witness
from harness.job.rounds import repeat
from harness.job.witness import Seen
from harness.job.xlcalls import under_test
from harness.remote.fake import Call, Reply
from harness.sim.clock import SimClock
from harness.wait import SYSTEM_CLOCK
from harness.xen.config import Action
from harness.xen.domain import Domain
from harness.xen.listing import DomainInfo
from harness.xen.toolstack import Xl

SESSION = "10.77.0.1 40001 10.77.0.11 22"
BEFORE = Seen(count=5, process="612 4711", boot=BOOT_ID, session=SESSION, ahead=(-0.25, 0.25))


class Inside:
    """What is found in the guest; change it as you like."""

    def __init__(self, bench: Bench) -> None:
        self.count, self.counts = 5, True
        self.process, self.boot, self.session = "612 4711", BOOT_ID, SESSION
        self.clock = 0.0
        bench.guest.remember("witness", f"612 4711 {BOOT_ID}")
        bench.guest.over_ssh.on_call(" look-at-witness ", self._look)
        bench.guest.over_ssh.on_call(r"^date ", lambda _: self._time(self.clock))
        bench.fake.runner.on_call(r"^date \+%s\.%N$", lambda _: self._time(0.0))

    def _look(self, call: Call) -> Reply:
        assert call.command.argv[-1] == "612"
        self.count += self.counts
        lines = [f"count {self.count}", f"process {self.process}"]
        lines += [f"boot {self.boot}", f"session {self.session}"]
        return Reply(stdout="\n".join(lines) + "\n")

    def _time(self, ahead: float) -> Reply:
        SYSTEM_CLOCK.sleep(0.25)
        return Reply(stdout=f"{1_800_000_000 + SYSTEM_CLOCK.monotonic() + ahead:.9f}\n")


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    with guest_bench(tmp_path, monkeypatch) as made, SYSTEM_CLOCK.driven_by(SimClock()):
        yield made


@pytest.fixture
def inside(bench: Bench) -> Inside:
    return Inside(bench)


def failure_of(bench: Bench) -> str:
    with pytest.raises(GuestFailure) as caught:
        witness.check(bench.guest, BEFORE)
    return caught.value.failure_class


def test_all_is_as_it_was(bench: Bench, inside: Inside) -> None:
    found = witness.look(bench.guest)
    assert (found.count, found.process, found.session) == (6, "612 4711", SESSION)
    assert -0.6 < found.ahead[0] <= 0 <= found.ahead[1] < 0.6
    witness.check(bench.guest, BEFORE)
    assert float(bench.guest.step.facts["clock_drift"]) == 0
    assert inside.count > BEFORE.count


@pytest.mark.parametrize(
    ("what", "value", "failure_class"),
    [
        ("boot", BOOT_ID[::-1], "boot-id-mismatch"),
        ("session", SESSION.replace("40001", "40002"), "tcp-lost"),
        ("process", "612 9000", "process-lost"),
        ("process", "612", "process-lost"),
        ("counts", False, "process-stuck"),
        ("clock", 60.0, "clock-drift"),
        ("clock", -3.0, "clock-drift"),
    ],
)
def test_what_is_missing_is_missed(
    bench: Bench, inside: Inside, what: str, value: object, failure_class: str
) -> None:
    setattr(inside, what, value)
    assert failure_of(bench) == failure_class


@pytest.mark.parametrize(("before", "now"), [(0.0, 1.0), (60.0, 0.0), (60.0, 61.0)])
def test_a_clock_may_be_set_right(bench: Bench, inside: Inside, before: float, now: float) -> None:
    """One that was wrong before, and is right now, is no failure of the move."""
    inside.clock = before
    seen = witness.look(bench.guest)
    inside.clock = now
    witness.check(bench.guest, seen)


def test_data_that_are_not_those(bench: Bench) -> None:
    bench.guest.remember("data_sha256", "1" * 64)
    found = iter("12")
    bench.guest.over_ssh.on_call(" read-data ", lambda _: Reply(stdout=f"{next(found) * 64}  -\n"))
    witness.check_data(bench.guest)
    with pytest.raises(GuestFailure, match="to its disk, and read 2222") as caught:
        witness.check_data(bench.guest)
    assert (caught.value.phase, caught.value.failure_class) == ("disk", "corrupt-data")


def test_rounds_are_told_one_by_one(bench: Bench) -> None:
    done: list[int] = []

    def deed() -> None:
        if len(done) == 2:
            msg = "the third"
            raise GuestFailure(msg)
        done.append(len(done))

    repeat(bench.guest, 2, deed)
    assert bench.guest.step.facts["rounds"] == "2 of 2"
    with pytest.raises(GuestFailure):
        repeat(bench.guest, 5, deed)
    assert bench.guest.step.facts["rounds"] == "0 of 5"
    assert [one.name for one in bench.guest.step.phases] == ["round 1", "round 2", "round 1"]


def test_another_end_than_the_configuration_says(bench: Bench) -> None:
    lifeproof._compare(bench.guest, "reboot", "destroy", Action.DESTROY)
    with pytest.raises(GuestFailure, match=r"on_crash=destroy, and xl did 'restart'") as caught:
        lifeproof._compare(bench.guest, "crash", "restart", Action.DESTROY)
    assert caught.value.failure_class == "other-end"


# -- whose fault ---------------------------------------------------------------------------


class SilentXl(Xl):
    """Of a dom0 that does not answer either."""

    def list(self) -> tuple[DomainInfo, ...]:
        msg = "nor did this"
        raise DeadlineExceeded(msg)


def asked(bench: Bench, error: LabError, xl: Xl | None = None) -> BaseException:
    bench.guest._home.domain = Domain(xl or bench.fake.host.xl, name=bench.guest.name, domid=7)
    with pytest.raises(Exception) as caught, under_test(bench.guest, "save"):
        raise error
    return caught.value


def refused(said: str) -> CommandFailed:
    return CommandFailed("xl save ended with exit status 1", exit_status=1, stderr=said)


def test_what_xl_refuses_is_the_guests(bench: Bench) -> None:
    found = asked(bench, refused("guest didn't acknowledge suspend"))
    assert isinstance(found, GuestFailure)
    assert (found.phase, found.failure_class) == ("save", "xl-refused")
    assert "didn't acknowledge" in found.evidence


@pytest.mark.parametrize("said", ["No space left on device", "Cannot allocate memory"])
def test_what_the_host_lacks_is_the_labs(bench: Bench, said: str) -> None:
    assert not isinstance(asked(bench, refused(said)), GuestFailure)


def test_what_xen_cannot_do_is_no_failure(bench: Bench) -> None:
    found = asked(bench, refused("xc: error: Failed to enable logdirty: 95,22,95"))
    assert isinstance(found, NotApplicable)


def test_an_xl_that_does_not_end(bench: Bench) -> None:
    found = asked(bench, DeadlineExceeded("did not end within 180 s"))
    assert isinstance(found, GuestFailure)
    assert found.failure_class == "xl-stalled"
    silent = SilentXl(bench.fake.runner)
    assert "nor did this" in str(asked(bench, DeadlineExceeded("did not end"), silent))
