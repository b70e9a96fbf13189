"""Canaries: their verdicts, their bounds, and that nothing is left of them."""

from __future__ import annotations

import dataclasses
import json
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from canary_samples import IMAGE, CanaryLab, brief
from care_samples import flight_plan, in_thread

from harness.cache import cache_root
from harness.errors import GuestFailure, HostLost, HostOverloaded, LabError, Starved
from harness.flight.axes import Boot, Builder, Layout, Virt
from harness.flight.plan import SCHEMA_VERSION
from harness.host.drain import drain
from harness.host.health import EventKind, HealthEvent, Verdict, note_health, read_health
from harness.host.slots import Claim
from harness.job.canary import Canary, CanaryResult, Occasion, canary_plan
from harness.job.canaryguest import Order, RealCanary
from harness.job.knowngood import (
    KnownGood,
    better,
    fits,
    is_there,
    note_known_good,
    read_known_good,
)
from harness.job.prepared import PreparedImage
from harness.job.secrets import FlightSecrets
from harness.results.model import StepResult
from harness.status import Status
from harness.units import Size
from harness.wait import Deadline, NotYet, wait_for

BY_ITSELF, BY_HAND = Occasion(), Occasion(by_hand=True)
SOON = timedelta(seconds=20)


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CanaryLab:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return CanaryLab(tmp_path)


def check(lab: CanaryLab, occasion: Occasion = BY_ITSELF) -> CanaryResult:
    found = lab.canary().check(occasion)
    assert lab.left == []
    assert not list((cache_root() / "flights").glob("*")), "its key and password are gone"
    assert lab.site.open_wires == 1, "that which the site has itself"
    return found


def raiser(error: BaseException) -> object:
    def boots() -> None:
        raise error

    return boots


def test_a_host_that_is_well(lab: CanaryLab) -> None:
    found = check(lab)
    assert (found.verdict, found.ran, found.job) == (Verdict.PASS, True, lab.job.name)
    (run,) = lab.ran
    assert run.startswith("canary-20")
    assert lab.secrets == lab.locked == [True], "it is owned like any job's guest"
    noted = read_health(lab.site.fake.runner).canary
    assert noted
    assert (noted.verdict, noted.job, noted.boot) == (
        Verdict.PASS,
        lab.job.name,
        lab.site.fake.boot,
    )
    assert lab.captured == []


@pytest.mark.parametrize(
    "error",
    [
        GuestFailure("it panicked", phase="kernel", failure_class="kernel-panic"),
        LabError("lvcreate: no"),
    ],
)
def test_a_good_guest_that_fails_is_the_hosts_fault(lab: CanaryLab, error: Exception) -> None:
    lab.boots = raiser(error)  # type: ignore[assignment]
    lab.removes = False
    found = check(lab)
    assert (found.verdict, found.reason) == (Verdict.FAIL, f"guest-boot: {error}")
    (culprit,) = lab.captured
    assert culprit.testid == "guest-boot"
    noted = read_health(lab.site.fake.runner).canary
    assert noted
    assert noted.verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (HostOverloaded("load 9", GuestFailure("late")), "the host was overloaded (load 9)"),
        (ZeroDivisionError("a bug"), "ZeroDivisionError: a bug"),
    ],
)
def test_what_proves_nothing(lab: CanaryLab, error: Exception, said: str) -> None:
    lab.boots = raiser(error)  # type: ignore[assignment]
    found = check(lab)
    assert found.verdict is Verdict.UNKNOWN
    assert said in found.reason


def test_one_that_hangs_is_ended(lab: CanaryLab) -> None:
    """Its connection is: whatever waits for the host hears of that."""
    lab.spec = dataclasses.replace(lab.spec, canary=brief(timeout=timedelta(milliseconds=300)))

    def hang() -> None:
        wire = lab.site.wires[-1]
        assert wire.closed.wait(SOON.total_seconds()), "nobody ended it"
        msg = "lost the SSH connection"
        raise HostLost(msg)

    lab.boots = hang
    lab.removes = False
    found = check(lab)
    assert (found.verdict, found.reason) == (
        Verdict.FAIL,
        "guest-boot: it did not end within 0.3 s",
    )
    assert found.seconds < SOON.total_seconds()
    assert len(lab.captured) == 1


def test_one_that_is_slow_but_never_waits_for_the_host_is_late_too(lab: CanaryLab) -> None:
    lab.spec = dataclasses.replace(lab.spec, canary=brief(timeout=timedelta(milliseconds=50)))

    def boots() -> None:
        assert lab.site.wires[-1].closed.wait(SOON.total_seconds())

    lab.boots = boots
    found = check(lab)
    assert found.verdict is Verdict.FAIL
    assert "did not end within" in found.reason


def test_a_host_where_it_cannot_be_removed_is_not_well(lab: CanaryLab) -> None:
    lab.removes = False
    lab.site.fake.runner.before("^lvremove ", raises=LabError("in use"))
    found = lab.canary().check(BY_ITSELF)
    assert found.verdict is Verdict.FAIL
    assert found.reason.startswith("teardown: ")
    assert "in use" in found.reason


def test_a_host_that_cannot_be_reached(lab: CanaryLab) -> None:
    lab.site.die()
    found = lab.canary().check(BY_ITSELF)
    assert (found.verdict, found.ran) == (Verdict.FAIL, False)
    assert "cannot be reached" in found.reason


def test_without_a_known_good_guest_nobody_can_tell(lab: CanaryLab) -> None:
    lab.site.fake.canary = ""
    found = check(lab)
    assert (found.verdict, found.ran, lab.ran) == (Verdict.UNKNOWN, False, [])
    assert read_health(lab.site.fake.runner).canary is None


def test_nor_without_its_golden_volume(lab: CanaryLab) -> None:
    del lab.site.fake.volumes["xf-golden-k"]
    found = check(lab)
    assert (found.verdict, lab.ran) == (Verdict.UNKNOWN, [])
    assert "xf-golden-k) is gone" in found.reason


def test_nor_without_a_slot(lab: CanaryLab) -> None:
    claim = Claim(holder="bob@ci2", flight="nightly-1", job="boot-y").to_json()
    lab.site.fake.slots.held = dict.fromkeys(range(1, lab.spec.slots + 1), claim)
    found = lab.canary().check(BY_ITSELF)
    assert (found.verdict, found.ran) == (Verdict.UNKNOWN, False)
    assert "no slot was free on rack1" in found.reason
    assert lab.site.fake.locked == set()


def test_nor_while_another_canary_runs(lab: CanaryLab) -> None:
    lab.site.fake.locked.add("canary")
    found = lab.canary().check(BY_ITSELF)
    assert (found.verdict, found.ran, lab.ran) == (Verdict.UNKNOWN, False, [])
    assert "the lock canary was not to be had" in found.reason


def test_not_on_a_drained_host_but_by_hand(lab: CanaryLab) -> None:
    drain(lab.site.fake.runner, by="eve@ctl", reason="new RAM", since=1_800_000_000)
    found = check(lab)
    assert (found.verdict, found.ran, lab.ran) == (Verdict.UNKNOWN, False, [])
    assert "it is drained by eve@ctl" in found.reason
    lab.site.fake.slots.drained = ""
    assert check(lab, BY_HAND).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("then", "runs", "verdict"),
    [
        ({}, False, Verdict.PASS),
        ({"verdict": Verdict.FAIL}, False, Verdict.UNKNOWN),
        ({"verdict": Verdict.UNKNOWN}, False, Verdict.UNKNOWN),
        ({"boot": "another"}, True, Verdict.PASS),
    ],
)
def test_not_again_so_soon_in_the_same_boot(
    lab: CanaryLab, then: dict[str, object], runs: bool, verdict: Verdict
) -> None:
    last = HealthEvent(
        kind=EventKind.CANARY, boot=lab.site.fake.boot, verdict=Verdict.PASS, job="boot-x"
    )
    note_health(lab.site.fake.runner, dataclasses.replace(last, **then))  # type: ignore[arg-type]
    lab.site.fake.now += 14 * 60
    found = check(lab)
    assert (found.ran, found.verdict) == (runs, verdict)
    if not runs:
        assert "no canary so soon after that of 14 m 00 s ago" in found.reason
        assert check(lab, BY_HAND).ran
        lab.site.fake.now += 60 * 60
        assert check(lab).ran


def test_a_clock_that_went_back_is_no_reason(lab: CanaryLab) -> None:
    last = HealthEvent(kind=EventKind.CANARY, boot=lab.site.fake.boot, verdict=Verdict.PASS)
    note_health(lab.site.fake.runner, last)
    lab.site.fake.now -= 3600
    assert check(lab).ran


def test_one_that_is_stopped_is_removed_and_proves_nothing(lab: CanaryLab) -> None:
    begun = threading.Event()
    found: list[CanaryResult] = []
    canary: Canary = lab.canary()

    def hang() -> None:
        begun.set()
        assert lab.site.wires[-1].closed.wait(SOON.total_seconds())
        msg = "lost the SSH connection"
        raise HostLost(msg)

    lab.boots = hang
    lab.removes = False
    thread = in_thread(lambda: found.append(canary.check(BY_ITSELF)))
    assert begun.wait(SOON.total_seconds())
    canary.stop()
    thread.join(SOON.total_seconds())
    assert [one.verdict for one in found] == [Verdict.UNKNOWN]
    assert lab.captured == [], "its operator wants it to end"
    wait_for(lambda: _empty(lab.left), what="its slot", deadline=Deadline.after(SOON))


def _empty(left: list[str]) -> None:
    if left:
        raise NotYet(str(left))


def test_one_stopped_before_it_began(lab: CanaryLab) -> None:
    canary = lab.canary()
    canary.stop()
    assert canary.check(BY_ITSELF).verdict is Verdict.UNKNOWN
    assert lab.ran == []


def test_a_controller_without_room_is_not_the_hosts_fault(
    lab: CanaryLab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    found = lab.canary().check(BY_ITSELF)
    assert (found.verdict, found.ran) == (Verdict.UNKNOWN, False)


def test_its_plan_is_that_of_any_flight(lab: CanaryLab) -> None:
    good = KnownGood(job=lab.job, image=IMAGE)
    plan = canary_plan(dataclasses.replace(lab.spec, timeout_factor=4.0), good)
    assert plan.jobs == (lab.job,)
    assert plan.hosts[0].slot_timeout == timedelta(minutes=4)


class TestTheGuestItself:
    """`RealCanary`, as far as it goes without a Xen."""

    def order(self, lab: CanaryLab, *, although_drained: bool = False) -> Order:
        good = read_known_good(lab.site.fake.host)
        assert good
        plan = canary_plan(lab.spec, good)
        return Order(
            good=good,
            plan=plan,
            host=lab.site.connect(),
            again=lab.site.connect,
            secrets=FlightSecrets.make(plan.flight_id).directory,
            directory=lab.folder / "canary",
            although_drained=although_drained,
        )

    def test_it_holds_a_slot_until_it_is_closed(self, lab: CanaryLab) -> None:
        lab.site.fake.runner.on("xen-dir")
        order = self.order(lab)
        canary = RealCanary(order)
        (claim,) = lab.site.fake.slots.held.values()
        assert order.plan.flight_id in claim
        assert [name for name, _ in canary.steps()] == [
            "guest-create",
            "guest-boot",
            "guest-console",
            "guest-ssh",
            "guest-shutdown",
            "guest-gone",
        ]
        canary.close()
        assert lab.site.fake.slots.held == {}

    def test_on_a_drained_host_only_if_it_is_told_to(self, lab: CanaryLab) -> None:
        lab.site.fake.runner.on("xen-dir")
        drain(lab.site.fake.runner, by="eve@ctl", reason="new RAM", since=1_800_000_000)
        with pytest.raises(Starved, match="new RAM"):
            RealCanary(self.order(lab))
        RealCanary(self.order(lab, although_drained=True)).close()
        assert lab.site.fake.slots.drained

    def test_its_first_step_makes_a_snapshot_of_the_golden_volume(self, lab: CanaryLab) -> None:
        lab.site.fake.runner.on("xen-dir")
        order = self.order(lab)
        canary = RealCanary(order)
        name, create = next(iter(canary.steps()))
        with pytest.raises(LabError):
            create()
        lines = lab.site.fake.runner.lines
        assert any("lvcreate" in line and "xf-golden-k" in line for line in lines)
        canary.capture(StepResult(testid=name, status=Status.BROKEN, reason="x"))
        assert (order.directory / "jobs" / lab.job.name / "evidence" / "index.json").exists()
        canary.close()


class TestKnownGood:
    """Which guest it is."""

    def test_what_was_noted_is_read_exactly(self, lab: CanaryLab) -> None:
        assert read_known_good(lab.site.fake.host) == KnownGood(job=lab.job, image=IMAGE)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "nonsense",
            "[]",
            "{}",
            '{"version": 1}',
            f'{{"version": {SCHEMA_VERSION}, "job": {{}}, "image": {{}}}}',
            f'{{"version": {SCHEMA_VERSION}, "job": 7, "image": null}}',
        ],
    )
    def test_nonsense_is_none(self, lab: CanaryLab, text: str) -> None:
        lab.site.fake.canary = text
        assert read_known_good(lab.site.fake.host) is None

    @pytest.mark.parametrize(
        ("part", "name", "value"),
        [
            ("job", "name", "../../../etc"),
            ("job", "name", "a b"),
            ("job", "name", "-x"),
            ("job", "name", 7),
            ("job", "image", {"location": "/etc/shadow", "sha256": "", "overlay": True}),
            ("image", "golden", "--yes"),
            ("image", "golden", "../vg1/web"),
            ("image", "more", "x"),
        ],
    )
    def test_a_host_cannot_name_what_it_likes(
        self, lab: CanaryLab, part: str, name: str, value: object
    ) -> None:
        found = json.loads(lab.site.fake.canary)
        found[part][name] = value
        lab.site.fake.canary = json.dumps(found)
        assert read_known_good(lab.site.fake.host) is None

    @pytest.mark.parametrize(
        "other",
        [
            {"builder": Builder.XEN_CREATE_IMAGE},
            {"boot": Boot.PYGRUB},
            {"layout": Layout.DISK},
            {"virt": Virt.HVM},
            {"swap": Size.parse("1G")},
            {"extra_disks": (Size.parse("1G"),)},
            {"passthrough": True},
        ],
    )
    def test_not_every_guest_will_do(self, lab: CanaryLab, other: dict[str, object]) -> None:
        job = dataclasses.replace(flight_plan().jobs[0], **other)  # type: ignore[arg-type]
        assert fits(flight_plan().jobs[0], IMAGE)
        assert not fits(job, IMAGE)
        before = lab.site.fake.canary
        assert not note_known_good(lab.site.fake.host, job, IMAGE)
        assert lab.site.fake.canary == before

    @pytest.mark.parametrize("lacks", ["golden", "kernel", "initrd"])
    def test_nor_one_that_is_not_on_the_host(self, lacks: str) -> None:
        assert not fits(flight_plan().jobs[0], IMAGE.model_copy(update={lacks: ""}))

    def test_the_smallest_pv_guest_is_kept(self, lab: CanaryLab) -> None:
        small = lab.job
        large = dataclasses.replace(small, memory=Size.parse("4G"))
        pvh = dataclasses.replace(small, virt=Virt.PVH, memory=Size.parse("64M"))
        assert better(small, large)
        assert not better(large, small)
        assert better(large, pvh)
        assert not better(pvh, large)
        assert better(small, small), "the last one that passed"
        host = lab.site.fake.host
        assert not note_known_good(host, large, IMAGE)
        newer = PreparedImage(**{**IMAGE.model_dump(), "golden": "xf-golden-n"})
        assert note_known_good(host, small, newer)
        assert not note_known_good(host, small, newer), "once is enough"

    def test_one_whose_volume_is_gone_is_replaced(self, lab: CanaryLab) -> None:
        large = dataclasses.replace(lab.job, memory=Size.parse("4G"))
        host = lab.site.fake.host
        del lab.site.fake.volumes["xf-golden-k"]
        assert not is_there(host, KnownGood(job=lab.job, image=IMAGE))
        assert note_known_good(host, large, IMAGE)
