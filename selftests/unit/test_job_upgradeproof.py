"""The suite `upgrade` on a host in memory: what it proves, and how each step can fail."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from canary_samples import IMAGE
from care_samples import flight_plan
from hostboot_samples import (
    INIT,
    INITRAMFS,
    KERNEL,
    NO_INITRD,
    NO_ROOT,
    PROMPT,
    XEN,
    RebootingHost,
)

from harness.errors import GuestFailure, LabError, NotApplicable
from harness.hostboot import kernels
from harness.hostboot.entries import BEFORE, UPGRADED, boot_of, place_of
from harness.hostboot.kernels import HOME, choose, is_newer
from harness.job import canaryguest, upgradeproof, witness
from harness.job.canaryguest import Order, Step
from harness.job.hostguest import LivedGuest, prove_guest
from harness.job.hostundertest import HostUnderTest
from harness.job.knowngood import note_known_good
from harness.mirror.mirror import PocketRef
from harness.remote.fake import Call, Reply
from harness.results.model import StepResult
from harness.steps import StepRecord
from harness.storage.names import golden_tags

OLD, NEW = "6.1.0-56-amd64", "6.1.0-57-amd64"
MIB = 1 << 20
STATE = "package base:amd64 1 installed\n"


@dataclass
class UpgradingHost(RebootingHost):
    """With apt. Change what its mirror has, and what its packages do, as you like."""

    flight: str = "host-upgrade"
    kernels: list[str] = field(default_factory=lambda: [OLD])
    mirror: list[str] = field(default_factory=lambda: ["6.1.0-55-amd64", OLD, NEW])
    free: int = 10_000 * MIB
    left: str = ""
    """What a purge leaves behind."""
    apt: int = 0
    """The exit status of an installation."""
    offered: bool = True
    """Whether update-grub makes an entry for it."""
    asked: list[str] = field(default_factory=list)
    sources: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.fake.volumes["xf-golden-k"] = set(golden_tags("k"))
        runner = self.fake.runner
        runner.on(" note-use ")
        note_known_good(self.fake.host, flight_plan().jobs[0], IMAGE)
        for name, answer in {
            "refresh-kernels": self._refresh,
            "room-for-kernel": self._room,
            "remember-packages": lambda _: Reply(),
            "fetch-kernel": lambda _: Reply(),
            "install-kernel": self._install,
            "purge-kernel": self._purge,
            "compare-packages": lambda _: Reply(stdout=self.left),
            "forget-kernels": lambda _: Reply(),
        }.items():
            runner.on_call(f" {name} {HOME}", self._noted(name, answer))
            runner._rules.insert(0, runner._rules.pop())
        runner.on_call("ls -1 /boot", lambda _: Reply(stdout=self._files()))

    def _noted(self, name: str, answer: Callable[[Call], Reply]) -> Callable[[Call], Reply]:
        def reply(call: Call) -> Reply:
            self.asked.append(name)
            return answer(call)

        return reply

    def _files(self) -> str:
        return "".join(f"vmlinuz-{one}\n" for one in self.kernels)

    def _refresh(self, call: Call) -> Reply:
        self.sources = call.stdin.decode()
        return Reply(stdout="".join(f"linux-image-{one} - Linux\n" for one in self.mirror))

    def _room(self, _: Call) -> Reply:
        figures = f"root={self.free}\nboot={self.free}\nhere={19 * MIB}\n"
        return Reply(stdout=f"unpacked={400 * 1024}\nsize={70 * MIB}\n{figures}")

    def _install(self, call: Call) -> Reply:
        if self.apt:
            return Reply(stdout="Sub-process dpkg returned an error", exit_status=self.apt)
        release = call.command.argv[-1].removeprefix("linux-image-")
        self.kernels.append(release)
        if not self.offered:
            return Reply(stdout="Setting up")
        # update-grub puts the newest first.
        begin = self.menu.index("menuentry 'Debian GNU/Linux, with Xen hypervisor'")
        end = self.menu.index("submenu 'Advanced options for Debian GNU/Linux (with Xen")
        entry = self.menu[begin:end].replace(OLD, release).replace("simple", "newest")
        self.menu = self.menu[:begin] + entry + self.menu[begin:]
        return Reply(stdout="Setting up")

    def _purge(self, _: Call) -> Reply:
        assert self.kernel == OLD, "a running kernel is not to be purged"
        self.kernels = [OLD]
        return Reply()


@pytest.fixture(autouse=True)
def _mirror(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Opened:
        def seen_from(self, host: str) -> Opened:
            assert host == "10.0.2.2"
            return self

        def pockets(self, suite: str) -> list[PocketRef]:
            return [PocketRef(name="main", uri="http://10.0.2.2:9/main", suite=suite)]

    monkeypatch.setattr(upgradeproof, "open_mirror", lambda *_, **__: Opened())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.fixture
def rack(tmp_path: Path) -> Iterator[UpgradingHost]:
    made = UpgradingHost(tmp_path)
    yield made
    made.close()


def upgraded(rack: UpgradingHost) -> HostUnderTest:
    """Up to where it runs the new kernel."""
    host = rack.under_test()
    upgradeproof.prove_plan(host)
    upgradeproof.prove_install(host)
    upgradeproof.prove_boot(host)
    return host


# -- which kernel ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("running", "known", "installed", "chosen"),
    [
        ("6.1.0-9-amd64", ["6.1.0-8-amd64", "6.1.0-10-amd64"], [], "6.1.0-10-amd64"),
        ("6.1.0-10-amd64", ["6.1.0-8-amd64", "6.1.0-9-amd64"], [], "6.1.0-9-amd64"),
        ("6.1.0-9-amd64", ["6.1.0-10-amd64"], ["6.1.0-10-amd64"], None),
        ("6.1.0-9-amd64", ["6.1.0-10-cloud-amd64", "6.1.0-10-amd64-unsigned"], [], None),
        ("6.1.0-9-amd64", ["6.12.1-1-amd64", "6.9.9-99-amd64"], [], "6.12.1-1-amd64"),
        ("6.1.0-9-amd64", ["6.1.0-9-amd64"], [], None),
        ("6.1.0-rc3+", ["6.1.0-10-amd64"], [], None),
    ],
)
def test_the_kernel_to_go_to(
    running: str, known: list[str], installed: list[str], chosen: str | None
) -> None:
    assert choose(running, known, installed) == chosen


def test_newer_by_numbers() -> None:
    assert is_newer("6.1.0-10-amd64", "6.1.0-9-amd64")
    assert not is_newer("6.1.0-9-amd64", "6.1.0-9-amd64")
    assert not is_newer("nonsense", "6.1.0-9-amd64")


# -- the suite -------------------------------------------------------------------------------


def test_there_and_back(rack: UpgradingHost) -> None:
    host = upgraded(rack)
    assert rack.kernel == NEW
    assert rack.sources == "deb http://10.0.2.2:9/main bookworm main\n"
    upgradeproof.prove_back(host)
    assert rack.kernel == OLD
    upgradeproof.prove_undone(host)
    host.remove()
    assert rack.kernels == [OLD]
    assert rack.custom == ""
    assert rack.boots == 3
    assert rack.asked == [
        *("refresh-kernels", "room-for-kernel", "remember-packages", "fetch-kernel"),
        *("install-kernel", "purge-kernel", "compare-packages", "forget-kernels"),
    ]
    runvars = host.facts(kept=False).runvars
    assert (runvars["kernel_before"], runvars["kernel_after"]) == (OLD, NEW)
    assert rack.fake.slots.drained == ""


def test_a_power_cycle_leads_to_what_works(rack: UpgradingHost) -> None:
    """Though update-grub has put the new kernel first."""
    host = rack.under_test()
    upgradeproof.prove_plan(host)
    upgradeproof.prove_install(host)
    rack._by_power()
    assert rack.kernel == OLD
    assert "boot_once" in rack.custom


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"mirror": [OLD]}, "has no other kernel of the kind"),
        ({"free": 100 * MIB}, "/ has 100 MiB, and it needs 470"),
        ({"kernels": [OLD, NEW], "mirror": [NEW]}, "has no other kernel"),
    ],
)
def test_where_there_is_nothing_to_go_to(tmp_path: Path, change: object, said: str) -> None:
    rack = UpgradingHost(tmp_path, **change)  # type: ignore[arg-type]
    host = rack.under_test()
    with pytest.raises(NotApplicable, match=said):
        upgradeproof.prove_plan(host)
    host.remove()
    assert "install-kernel" not in rack.asked
    assert "purge-kernel" not in rack.asked
    assert rack.asked[-1] == "forget-kernels"
    rack.close()


def test_without_a_good_guest_nothing_is_changed(rack: UpgradingHost) -> None:
    rack.fake.canary = ""
    with pytest.raises(NotApplicable, match="no guest has passed on rack yet"):
        upgradeproof.prove_plan(rack.under_test())
    assert not rack.asked


def test_packages_that_break_are_the_upgrade_s_fault(rack: UpgradingHost) -> None:
    rack.apt = 100
    host = rack.under_test()
    upgradeproof.prove_plan(host)
    with pytest.raises(GuestFailure, match="dpkg returned an error") as caught:
        upgradeproof.prove_install(host)
    assert caught.value.failure_class == "install-failed"


def test_a_mirror_that_does_not_deliver_is_the_lab_s(rack: UpgradingHost) -> None:
    rack.fake.runner.before(" fetch-kernel ", raises=LabError("404 Not Found"))
    host = rack.under_test()
    upgradeproof.prove_plan(host)
    with pytest.raises(LabError, match="404"):
        upgradeproof.prove_install(host)


def test_a_menu_without_it_fails(rack: UpgradingHost) -> None:
    menu = rack.menu
    host = rack.under_test()
    upgradeproof.prove_plan(host)
    rack.offered = False
    with pytest.raises(GuestFailure) as caught:
        upgradeproof.prove_install(host)
    assert caught.value.failure_class == "no-entry"
    assert rack.menu == menu


CANNOT = {
    "root-not-found": (XEN, KERNEL, INITRAMFS, NO_ROOT),
    "boot-file-missing": (NO_INITRD,),
}


@pytest.mark.parametrize("failure_class", CANNOT)
def test_one_that_does_not_boot_fails_and_the_host_is_had_back(
    rack: UpgradingHost, failure_class: str
) -> None:
    rack.kernel_args = "root=/dev/nowhere"
    rack.said[UPGRADED] = CANNOT[failure_class]
    host = rack.under_test()
    upgradeproof.prove_plan(host)
    upgradeproof.prove_install(host)
    with pytest.raises(GuestFailure) as caught:
        upgradeproof.prove_boot(host)
    assert caught.value.failure_class == failure_class
    assert rack.power.asked == ["cycle"]
    assert rack.kernel == OLD
    assert "console.log @" in host.step.facts["serial"]
    assert "root=/dev/nowhere" in rack.custom
    assert rack.custom.count("root=/dev/nowhere") == 1
    host.remove()
    assert (rack.kernels, rack.custom, rack.fake.slots.drained) == ([OLD], "", "")


def test_a_job_that_ends_on_the_new_kernel_is_taken_back(rack: UpgradingHost) -> None:
    host = upgraded(rack)
    host.remove()
    assert (rack.kernel, rack.kernels, rack.custom) == (OLD, [OLD], "")


def test_a_host_that_cannot_be_taken_back_stays_drained(rack: UpgradingHost) -> None:
    host = upgraded(rack)
    rack.said[BEFORE] = (XEN, KERNEL, INITRAMFS, NO_ROOT)
    with pytest.raises(LabError, match=f"could not be taken back to Linux {OLD}"):
        host.remove()
    assert "boots it" in rack.fake.slots.drained


def test_another_kernel_than_the_entry_s_fails(
    rack: UpgradingHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = rack.under_test()
    upgradeproof.prove_plan(host)
    upgradeproof.prove_install(host)
    monkeypatch.setattr(rack, "_comes_up", lambda _: False)
    with pytest.raises(GuestFailure, match=f"dom0 runs {OLD}") as caught:
        upgradeproof.prove_boot(host)
    assert caught.value.failure_class == "wrong-boot"


def test_what_a_purge_leaves_fails(rack: UpgradingHost) -> None:
    host = upgraded(rack)
    upgradeproof.prove_back(host)
    rack.left = "--- a\n+++ b\n@@ -1 +1 @@\n+modules 6.1.0-57-amd64\n"
    with pytest.raises(GuestFailure, match=r"1 things are otherwise.*\+modules 6.1") as caught:
        upgradeproof.prove_undone(host)
    assert caught.value.failure_class == "not-undone"
    assert caught.value.evidence == "+modules 6.1.0-57-amd64"


# -- the guest -------------------------------------------------------------------------------


@dataclass
class ScriptedGuest:
    """A guest without a domain."""

    order: Order
    error: Exception | None = None
    captured: list[StepResult] = field(default_factory=list)
    closed: bool = False

    def steps(self) -> Iterable[Step]:
        yield "guest-create", lambda: None
        yield "guest-localmigrate", self._migrate
        yield "guest-gone", self._end

    def _migrate(self) -> None:
        msg = "this Xen can't"
        raise NotApplicable(msg)

    def _end(self) -> None:
        if self.error:
            raise self.error

    def capture(self, culprit: StepResult) -> None:
        self.captured.append(culprit)

    def close(self) -> None:
        self.closed = True


def make_with(
    given: list[ScriptedGuest], error: Exception | None
) -> Callable[[Order], ScriptedGuest]:
    def make(order: Order) -> ScriptedGuest:
        given.append(ScriptedGuest(order, error))
        return given[-1]

    return make


def test_a_guest_lives_on_a_host_that_the_job_has(rack: UpgradingHost) -> None:
    host = rack.under_test()
    made: list[ScriptedGuest] = []
    prove_guest(host, make_with(made, None))
    (guest,) = made
    assert [one.name for one in host.step.phases] == [
        *("guest-create", "guest-localmigrate", "guest-gone")
    ]
    assert host.step.facts["guest-localmigrate"] == "skipped: this Xen can't"
    assert guest.order.although_drained
    assert guest.order.plan.flight_id.startswith("upgrade-")
    assert guest.closed
    assert not guest.order.secrets.exists()
    assert not rack.fake.locked
    assert not rack.fake.slots.held
    assert rack.fake.slots.drained


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (GuestFailure("it panicked", phase="kernel", failure_class="kernel-panic"), GuestFailure),
        (LabError("no SSH"), LabError),
    ],
)
def test_a_guest_s_fault_and_the_lab_s_are_told_apart(
    rack: UpgradingHost, error: Exception, kind: type[Exception]
) -> None:
    made: list[ScriptedGuest] = []
    with pytest.raises(kind) as caught:
        prove_guest(rack.under_test(), make_with(made, error))
    assert made[0].closed
    assert [one.testid for one in made[0].captured] == ["guest-gone"]
    if isinstance(caught.value, GuestFailure):
        assert caught.value.failure_class == "kernel-panic"
        assert caught.value.phase == "guest-gone"
    assert not rack.fake.locked


OOPS = b"[ 1372.186420] BUG: kernel NULL pointer dereference, address: 0000000000000000\r\n"


@pytest.mark.parametrize("dies", [True, False])
@pytest.mark.parametrize("on_trial", [True, False])
def test_a_dom0_that_crashes_under_a_guest(
    rack: UpgradingHost, *, dies: bool, on_trial: bool
) -> None:
    """Whether the guest noticed or not. On the new kernel it is the upgrade's fault."""
    host = upgraded(rack)
    made: list[ScriptedGuest] = []

    def make(order: Order) -> ScriptedGuest:
        rack.line._schedule([(1, OOPS)])
        host.line.recorder.wait(host.line.mark(), 2)
        made.append(ScriptedGuest(order, LabError("`lvremove` did not end") if dies else None))
        return made[-1]

    with pytest.raises(GuestFailure if on_trial else LabError, match="BUG: kernel NULL") as caught:
        prove_guest(host, make, host_on_trial=on_trial)
    if isinstance(caught.value, GuestFailure):
        assert caught.value.failure_class == "host-kernel-oops"
    assert not made[0].captured, "a dom0 that crashed is asked nothing"
    assert rack.power.asked == ["cycle"]
    assert rack.kernel == OLD
    host.remove()
    assert (rack.kernels, rack.custom, rack.fake.slots.drained) == ([OLD], "", "")


def test_a_kernel_that_crashes_on_its_way_up_fails(rack: UpgradingHost) -> None:
    host = rack.under_test()
    upgradeproof.prove_plan(host)
    upgradeproof.prove_install(host)
    rack.said[place_of(boot_of(host.menu(), NEW))] = (XEN, KERNEL, INITRAMFS, OOPS, INIT, PROMPT)
    with pytest.raises(GuestFailure, match="BUG: kernel NULL") as caught:
        upgradeproof.prove_boot(host)
    assert caught.value.failure_class in ("kernel-oops", "host-kernel-oops")
    host.remove()
    assert (rack.kernel, rack.kernels, rack.custom) == (OLD, [OLD], "")


def test_teardown_has_a_step_of_its_own(rack: UpgradingHost) -> None:
    host = upgraded(rack)
    last: StepRecord = host.step
    phases = list(last.phases)
    host.remove()
    assert last.phases == phases
    assert kernels.HOME == HOME


class Verbs:
    """Whatever is asked of a guest, in order."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.spec = flight_plan().jobs[0]
        self.step = StepRecord(job="j", testid="t")

    def __getattr__(self, name: str) -> Callable[[], None]:
        return lambda: self.asked.append(name)


def test_what_the_guest_goes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    guest, verbs = LivedGuest.__new__(LivedGuest), Verbs()
    guest._guest = verbs  # type: ignore[assignment]
    monkeypatch.setattr(witness, "survives", lambda _: nullcontext())
    for name in ("prove_console", "prove_ssh", "prove_gone"):
        monkeypatch.setattr(canaryguest, name, lambda _, name=name: verbs.asked.append(name))
    names = []
    for name, deed in guest.steps():
        deed()
        names.append(name)
    assert names[4:6] == ["guest-saverestore", "guest-localmigrate"]
    assert verbs.asked == [
        *("create", "boot", "prove_console", "prove_ssh", "save", "restore"),
        *("require_live_migration", "migrate_local", "shut_down", "prove_gone"),
    ]
