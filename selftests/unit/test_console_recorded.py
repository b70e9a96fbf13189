"""Consoles that real guests wrote on a real Xen, watched again in virtual time."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.console.boot import BootWatcher
from harness.console.fake import ScriptedStream, VirtualClock, VirtualRecorder
from harness.console.phases import BOOT_PHASES
from harness.errors import GuestFailure
from harness.steps import StepRecord

PROMPT = b" login: "
"""What was typed after it is none of a boot's business."""
DATA = Path(__file__).parent.parent / "data" / "console"


def watch(name: str, directory: Path) -> StepRecord:
    """Follow the recording *name* to its login prompt, twenty lines a second."""
    clock = VirtualClock()
    text, prompt, _ = (DATA / name).read_bytes().partition(PROMPT)
    lines = (text + prompt).splitlines(keepends=True)
    stream = ScriptedStream(clock, [(0.05, line) for line in lines])
    step = StepRecord(job="boot", testid="guest-boot", clock=clock)
    with VirtualRecorder(stream, directory, clock=clock) as recorder:
        BootWatcher(
            recorder,
            timeouts={},
            domain_state=lambda: "running",
            hostname=None,
            step=step,
        ).to_login()
    return step


@pytest.mark.parametrize("virt", ["pv", "pvh"])
def test_a_good_boot_goes_through_all_phases(virt: str, tmp_path: Path) -> None:
    step = watch(f"recorded-bookworm-{virt}-pass.log", tmp_path)
    seen = [phase.name for phase in step.phases]
    assert seen == [phase for phase in BOOT_PHASES if phase != "bootloader"]


@pytest.mark.parametrize("how", ["pv-pvgrub", "pvh-pvgrub", "qemu-bios", "qemu-uefi"])
def test_a_boot_loader_in_the_guest_is_a_phase_of_its_own(how: str, tmp_path: Path) -> None:
    step = watch(f"recorded-bookworm-{how}-pass.log", tmp_path)
    seen = [phase.name for phase in step.phases]
    assert seen == list(BOOT_PHASES)


@pytest.mark.parametrize(
    ("variant", "phase", "failure_class", "evidence"),
    [
        ("panic", "initramfs", "kernel-panic", "Attempted to kill init!"),
        ("wrong-root", "initramfs", "root-not-found", "/dev/nowhere does not exist"),
        ("no-getty", "login", "no-login-prompt", "Reached target"),
        ("pvgrub-not-xen-image", "bootloader", "grub-prompt", "not xen image"),
    ],
)
def test_a_bad_boot_is_called_what_it_is(
    variant: str, phase: str, failure_class: str, evidence: str, tmp_path: Path
) -> None:
    with pytest.raises(GuestFailure) as caught:
        watch(f"recorded-bookworm-pv-{variant}.log", tmp_path)
    assert (caught.value.phase, caught.value.failure_class) == (phase, failure_class)
    assert evidence in caught.value.evidence
