"""A host's boot on its serial line, watched by the same watcher as a guest's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.console.boot import BootResult, BootWatcher
from harness.console.course import GUEST_COURSE, HOST_COURSE, HOST_PHASES, HOST_TIMEOUTS
from harness.console.fake import Chunk, ScriptedStream, VirtualClock, VirtualRecorder
from harness.console.phases import XEN_MARK
from harness.console.sieve import BOOT_SIEVE
from harness.errors import GuestFailure
from harness.steps import StepRecord

BOOT: tuple[Chunk, ...] = (
    (2, b"[  OK  ] Reached target reboot.target - System Reboot.\r\n"),
    (1, b"(XEN) [2026-11-23 17:00:00] Hardware Dom0 shutdown: rebooting machine\r\n"),
    (9, b"\x1b[2J  GNU GRUB  version 2.06-13+deb12u2\r\n"),
    (1, b"(XEN) Xen version 4.17.7 (Debian 4.17.7+13-g2445b30a44-0+deb12u1)\r\n"),
    (1, b"[    0.000000] Linux version 6.1.0-56-amd64\r\n"),
    (1, b"[    1.529861] Run /init as init process\r\n"),
    (1, b"Welcome to Debian GNU/Linux 12 (bookworm)!\r\n"),
    (1, b"\r\nDebian GNU/Linux 12 rack hvc0\r\n\r\nrack login: root (automatic login)\r\n"),
)
PROMPT = re.compile(r"(?P<own>rack) login:(?P<other>)")


def boot(directory: Path, script: tuple[Chunk, ...]) -> tuple[BootResult, StepRecord]:
    clock = VirtualClock()
    step = StepRecord(job="x", testid="host-boot", clock=clock)
    with VirtualRecorder(
        ScriptedStream(clock, script), directory, clock=clock, name="rack"
    ) as made:
        result = BootWatcher(
            made,
            timeouts={},
            domain_state=lambda: "running",
            hostname="rack",
            step=step,
            course=HOST_COURSE,
            prompt=PROMPT,
        ).to_login()
    return result, step


def test_each_phase_is_timed(tmp_path: Path) -> None:
    result, step = boot(tmp_path, BOOT)
    assert [(one.name, one.duration) for one in step.phases] == [
        ("reboot", 12),
        ("bootloader", 1),
        ("xen", 1),
        ("kernel", 1),
        ("initramfs", 1),
        ("init", 1),
        ("login", 0),
    ]
    assert result.hostname == "rack"


def test_a_host_that_never_comes_out_of_its_firmware(tmp_path: Path) -> None:
    with pytest.raises(GuestFailure) as caught:
        boot(tmp_path, BOOT[:2])
    assert (caught.value.phase, caught.value.failure_class) == ("reboot", "phase-timeout")


def test_a_second_banner_of_xen_is_another_boot(tmp_path: Path) -> None:
    with pytest.raises(GuestFailure) as caught:
        boot(tmp_path, (*BOOT[:6], BOOT[3]))
    assert caught.value.failure_class == "unexpected-reboot"


def test_a_guest_s_boot_knows_no_xen() -> None:
    assert HOST_COURSE.begun(XEN_MARK.sample) == "xen"
    assert GUEST_COURSE.begun(XEN_MARK.sample) is None
    assert XEN_MARK.shows_in(XEN_MARK.sample)
    assert BOOT_SIEVE.pick([(0, XEN_MARK.sample.encode())])


def test_every_phase_has_its_time() -> None:
    assert set(HOST_TIMEOUTS) == set(HOST_PHASES)
