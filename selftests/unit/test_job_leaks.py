"""The leak check of a job and of a flight: its status, its words, and what it costs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import pytest

from harness.console.fake import VirtualClock
from harness.errors import HostLost, LabError
from harness.host.fake import FakeHost
from harness.host.kept import KEPT
from harness.host.names import domain_name
from harness.host.xenhost import XenHost
from harness.job.inventories import FRESH, Inventories
from harness.job.leaks import SETTLE, JobLedger, Ledger, domid_runvars, domids_of
from harness.remote.fake import Call, Reply
from harness.results.model import StepResult
from harness.secret import Secret
from harness.status import Status
from harness.steps import LEAK_CHECK
from harness.storage.names import golden_tags, scratch_name, scratch_tags
from harness.xen.domain import Domain

RUN, JOB, OTHER_JOB = "smoke-1", "boot-a", "boot-b"


class Clock(VirtualClock):
    """At each sleep something may happen on the host."""

    def __init__(self) -> None:
        super().__init__()
        self.slept = 0
        self.then: Callable[[], object] = lambda: None

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self.slept += 1
        self.then()


@dataclass
class SlowHost(FakeHost):
    """Its census takes until it is told to go on."""

    going: threading.Event = field(default_factory=threading.Event)

    def _census(self, call: Call) -> Reply:
        assert self.going.wait(30)
        return super()._census(call)


class Bench:
    """A host, and another connection to it, or none."""

    def __init__(self) -> None:
        self.fake = FakeHost(name="rack1")
        self.other: FakeHost | None = None
        self.clock = Clock()
        self.inventories = Inventories(self.clock)

    def again(self) -> XenHost:
        if self.other is None:
            msg = "no route to rack1"
            raise HostLost(msg)
        return self.other.host

    def ledger(self, job: str | None = JOB) -> Ledger:
        return Ledger(
            host=self.fake.host,
            again=self.again,
            before=self.inventories.take(self.fake.host, self.again),
            flight=RUN,
            job=job,
            clock=self.clock,
        )

    def open(self, job: str = JOB) -> JobLedger:
        opened = JobLedger.open(
            self.inventories,
            self.fake.host,
            self.again,
            flight=RUN,
            job=job,
            jobs=[JOB, OTHER_JOB],
        )
        opened.wait()
        return opened

    def leave(self, job: str = JOB, *more: str) -> str:
        name = scratch_name(RUN, job)
        self.fake.volumes[name] = {*scratch_tags(RUN, job), *more}
        return name


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.inventories.close()


def test_nothing_left_is_a_pass_without_a_word(bench: Bench) -> None:
    check = bench.open().check([5]).result()
    assert check.testid == LEAK_CHECK
    assert (check.status, check.reason, check.failure_class, check.evidence) == (
        Status.PASS,
        None,
        None,
        "",
    )
    assert check.started


def test_what_is_left_is_broken_with_its_names_and_a_diff(bench: Bench) -> None:
    ledger = bench.ledger()
    ledger.wait()
    name = bench.leave()
    check = ledger.check({JOB: ()})
    assert check.status is Status.BROKEN
    assert check.failure_class == "leak"
    assert (check.reason or "").startswith(f"left on rack1 by this job: LV {name}, device-mapper ")
    assert f"left behind, ours:\n  + LV {name} (" in check.evidence


def test_what_goes_by_itself_is_no_leak(bench: Bench) -> None:
    ledger = bench.ledger()
    ledger.wait()
    bench.fake.census.processes[88] = "/usr/lib/xen-4.17/bin/xenconsole 5 --num 0 --type pv"
    bench.clock.then = bench.fake.census.processes.clear
    check = ledger.check({JOB: (5,)})
    assert check.status is Status.PASS
    assert bench.clock.slept == 1


def test_what_does_not_is_waited_for_only_so_long(bench: Bench) -> None:
    ledger = replace(bench.ledger(), host=replace(bench.fake.host, timeout_factor=4.0))
    ledger.wait()
    bench.leave()
    check = ledger.check({JOB: ()})
    assert check.status is Status.BROKEN
    assert check.duration == pytest.approx(4 * SETTLE.total_seconds(), abs=1)


def test_a_host_that_goes_while_it_settles_has_told_of_the_leak(bench: Bench) -> None:
    ledger = bench.ledger()
    ledger.wait()
    name = bench.leave()

    def lose() -> None:
        bench.fake.runner.alive = False

    bench.clock.then = lose
    check = ledger.check({JOB: ()})
    assert bench.clock.slept == 1
    assert check.failure_class == "leak"
    assert name in (check.reason or "")


def test_another_job_of_the_flight_is_not_blamed(bench: Bench) -> None:
    ledger = bench.open()
    bench.leave(OTHER_JOB)
    check = ledger.check([]).result()
    assert (check.status, check.reason) == (Status.PASS, None)
    assert f"of job {OTHER_JOB}" in check.evidence


def test_what_is_kept_or_nobodys_is_told_with_a_pass(bench: Bench) -> None:
    ledger = bench.open()
    name = bench.leave(JOB, KEPT)
    bench.fake.census.loops["/dev/loop0"] = "/srv/a.img"
    check = ledger.check([]).result()
    assert check.status is Status.PASS
    assert f"kept for its operator: LV {name}" in (check.reason or "")
    assert "appeared meanwhile, not ours: loop /dev/loop0" in (check.reason or "")


def test_a_secret_in_a_command_line_is_not_shown(bench: Bench) -> None:
    word = Secret("".join(["c0ffee00", "5ec2e7"])).value
    ledger = bench.ledger()
    ledger.wait()
    bench.fake.census.processes[88] = f"qemu-system-i386 -xen-domid 5 -vnc password={word}"
    check = ledger.check({JOB: (5,)})
    assert "process qemu-system-i386 88 (-xen-domid 5 -vnc password=[secret])" in check.evidence
    assert word not in check.model_dump_json()


class TestHostThatCannotBeAsked:
    """The check is broken, with the reason; the job is not asked to suffer for it."""

    @pytest.mark.parametrize(
        ("error", "said"),
        [
            (LabError("xl hangs"), "not made: xl hangs"),
            (KeyError("a bug"), "not made: KeyError: 'a bug'"),
        ],
    )
    def test_afterwards(self, bench: Bench, error: Exception, said: str) -> None:
        ledger = bench.open()
        bench.fake.census.raises = error
        check = ledger.check([]).result()
        assert (check.status, check.reason, check.failure_class) == (Status.BROKEN, said, None)

    def test_before(self, bench: Bench) -> None:
        bench.fake.census.fails = "xenstore"
        ledger = bench.open()
        bench.fake.census.fails = ""
        name = bench.leave()
        check = ledger.check([]).result()
        assert check.status is Status.BROKEN
        assert check.failure_class == "leak", "what is ours is ours, whatever was there before"
        assert name in (check.reason or "")
        assert "; nobody knows what was there before: on rack1: " in (check.reason or "")

    def test_before_and_all_is_well(self, bench: Bench) -> None:
        bench.fake.census.fails = "xenstore"
        ledger = bench.open()
        bench.fake.census.fails = ""
        check = ledger.check([]).result()
        assert (check.status, check.failure_class) == (Status.BROKEN, None)

    @pytest.mark.parametrize("noticed", [True, False])
    def test_over_its_connection_but_over_another(self, bench: Bench, noticed: bool) -> None:
        ledger = bench.open()
        bench.fake.runner.alive = not noticed
        bench.fake.census.raises = HostLost("the line is dead")
        bench.other = FakeHost(name="rack1")
        assert ledger.check([]).result().status is Status.PASS
        assert bench.other.census.taken == 1
        assert bench.other.runner.closed

    def test_over_none(self, bench: Bench) -> None:
        ledger = bench.open()
        bench.fake.runner.alive = False
        assert ledger.check([]).result().reason == "not made: no route to rack1"


class TestFlight:
    """The same for all of a flight, figures included."""

    def check(self, bench: Bench, ledger: Ledger) -> StepResult:
        return ledger.check({JOB: (5,), OTHER_JOB: ()})

    def test_every_job_counts(self, bench: Bench) -> None:
        ledger = bench.ledger(None)
        ledger.wait()
        name = bench.leave(OTHER_JOB)
        bench.fake.interfaces.append("vif5.0")
        check = self.check(bench, ledger)
        assert check.status is Status.BROKEN
        assert f"by this flight: LV {name}" in (check.reason or "")
        assert f"interface vif5.0, of {JOB}" in check.evidence

    def test_golden_volumes_and_figures_are_told(self, bench: Bench) -> None:
        ledger = bench.ledger(None)
        ledger.wait()
        bench.fake.volumes["xf-golden-aa"] = set(golden_tags("aa"))
        check = self.check(bench, ledger)
        assert check.status is Status.PASS
        assert check.reason == "stays for later flights: LV xf-golden-aa"
        assert "memory of Xen: 3000 MiB free before, 3000 MiB after" in check.evidence
        assert "thin pool: 1.00 %" in check.evidence

    def test_memory_that_is_missing_is_a_leak(self, bench: Bench) -> None:
        ledger = bench.ledger(None)
        ledger.wait()
        bench.fake.census.free_memory = "2000"
        check = self.check(bench, ledger)
        assert check.status is Status.BROKEN
        assert "memory of Xen: 1000 MiB are missing" in (check.reason or "")


class TestInventories:
    """One command each, and as few of them as will do."""

    def test_the_one_after_a_job_serves_before_the_next(self, bench: Bench) -> None:
        bench.open().check([]).result()
        assert bench.fake.census.taken == 2
        bench.open(OTHER_JOB)
        assert bench.fake.census.taken == 2
        assert len(bench.fake.runner.calls) == 2, "one command for each"

    def test_not_when_it_is_old(self, bench: Bench) -> None:
        bench.open().check([]).result()
        bench.clock.sleep(FRESH.total_seconds() + 1)
        bench.open(OTHER_JOB)
        assert bench.fake.census.taken == 3

    def test_not_when_it_failed(self, bench: Bench) -> None:
        ledger = bench.open()
        bench.fake.census.fails = "loop"
        assert ledger.check([]).result().status is Status.BROKEN
        bench.fake.census.fails = ""
        assert bench.open(OTHER_JOB).check([]).result().status is Status.PASS

    def test_nobody_waits_for_the_one_after_a_job(self, bench: Bench) -> None:
        slow = SlowHost(name="rack1")
        bench.fake = slow
        slow.going.set()
        ledger = bench.open()
        slow.going.clear()
        check = ledger.check([])
        assert slow.host.xl.list()
        assert not check.done(), "other commands go on meanwhile"
        slow.going.set()
        assert check.result(timeout=30).status is Status.PASS


def test_the_numbers_of_a_domain_go_into_runvars_and_come_out_again() -> None:
    fake = FakeHost(domains={domain_name(RUN, JOB): 9})
    domain = Domain(fake.host.xl, name=domain_name(RUN, JOB), domid=4)
    assert domid_runvars(domain) == {"domid": "4"}
    domain.state()
    assert domid_runvars(domain) == {"domid": "9", "former_domids": "4"}
    runvars = {**domid_runvars(domain), "installer_domid": "3", "mac": "00:16:3e:00:00:05"}
    assert sorted(domids_of(runvars)) == [3, 4, 9]
    assert domid_runvars(None) == {}
    assert domids_of({"domid": "fake"}) == ()
