"""The suite `host-boot` on a host in memory: what it proves, and how each step can fail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from grub_samples import read
from hostboot_samples import (
    INIT,
    INITRAMFS,
    KERNEL,
    NO_INITRD,
    NO_ROOT,
    PANIC,
    PROMPT,
    XEN,
    RebootingHost,
)

from harness.errors import GuestFailure, LabError, NotApplicable
from harness.hostboot.entries import NO_ROOT as NO_ROOT_ENTRY
from harness.job import hostproof
from harness.status import Status

CRASH = b"(XEN) Hardware Dom0 crashed: rebooting machine in 5 seconds.\r\n"


@pytest.fixture
def rack(tmp_path: Path) -> Iterator[RebootingHost]:
    made = RebootingHost(tmp_path)
    yield made
    made.close()


def test_dom0_is_what_the_job_says(rack: RebootingHost) -> None:
    host = rack.under_test()
    hostproof.prove_host(host)
    assert host.facts(kept=False).runvars["dom0_root"] == "/dev/mapper/vg00-lv01 (lvm)"


def test_another_dom0_is_no_failure(rack: RebootingHost) -> None:
    rack.codename = "trixie"
    with pytest.raises(NotApplicable, match="dist trixie"):
        hostproof.prove_host(rack.under_test())


def test_a_clean_menu_that_update_grub_made(rack: RebootingHost) -> None:
    host = rack.under_test()
    hostproof.prove_menu(host)
    assert host.step.facts["grub_errors"] == "0"


def test_a_menu_with_an_error_fails(rack: RebootingHost) -> None:
    rack.menu = rack.menu.replace("module2\t--nounzip", "module2\t")
    rack.menu = rack.menu.replace("multiboot2\t", "multiboot3\t")
    with pytest.raises(GuestFailure) as caught:
        hostproof.prove_menu(rack.under_test())
    assert caught.value.failure_class == "grub-lint"


def test_a_menu_that_update_grub_would_not_make_fails(rack: RebootingHost) -> None:
    rack.made = rack.menu
    rack.menu = rack.menu.replace("dom0_mem=1024M,max:1024M", "dom0_mem=2048M,max:2048M")
    with pytest.raises(GuestFailure) as caught:
        hostproof.prove_menu(rack.under_test())
    assert caught.value.failure_class == "stale-menu"
    assert "dom0_mem=2048M" in caught.value.evidence


def test_the_usual_entry_boots(rack: RebootingHost) -> None:
    host = rack.under_test()
    hostproof.prove_usual_boot(host)
    assert rack.boots == 2
    assert [one.name for one in host.step.phases] == [
        *("reboot", "bootloader", "xen", "kernel", "initramfs", "init", "login"),
        "ssh",
    ]
    assert all(one.status is Status.PASS for one in host.step.phases)
    assert host.step.facts["entry"] == "Debian GNU/Linux, with Xen hypervisor"


def test_it_is_chosen_for_one_boot_only(rack: RebootingHost) -> None:
    hostproof.prove_usual_boot(rack.under_test())
    chosen = next(line for line in rack.fake.runner.lines if line.startswith("grub-reboot"))
    assert "xen-gnulinux-simple-" in chosen
    assert rack.next_entry == ""


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ((KERNEL, INITRAMFS, INIT, PROMPT), "nothing was seen of xen"),
        ((XEN, KERNEL, INIT, PROMPT), "nothing was seen of initramfs"),
    ],
)
def test_a_stage_that_nobody_saw_fails(
    rack: RebootingHost, line: tuple[bytes, ...], why: str
) -> None:
    rack.said[_usual()] = line
    with pytest.raises(GuestFailure, match=why) as caught:
        hostproof.prove_usual_boot(rack.under_test())
    assert caught.value.failure_class == "wrong-boot"


def test_a_xen_that_was_told_something_else_fails(rack: RebootingHost) -> None:
    rack.xen_line = "placeholder console=vga"
    with pytest.raises(GuestFailure, match="Xen was not told com1=115200,8n1") as caught:
        hostproof.prove_usual_boot(rack.under_test())
    assert caught.value.failure_class == "wrong-boot"


@pytest.mark.parametrize(
    ("line", "failure_class", "phase"),
    [
        ((NO_INITRD,), "boot-file-missing", "bootloader"),
        ((XEN, PANIC), "xen-panic", "xen"),
        ((XEN, KERNEL, INITRAMFS, NO_ROOT), "root-not-found", "initramfs"),
        ((XEN, KERNEL, XEN), "unexpected-reboot", "kernel"),
        ((XEN, CRASH), "hwdom-crash", "xen"),
        ((XEN,), "silent", "xen"),
    ],
)
def test_a_boot_that_fails_is_told_by_class_and_the_host_is_had_back(
    rack: RebootingHost, line: tuple[bytes, ...], failure_class: str, phase: str
) -> None:
    rack.said[_usual()] = line
    host = rack.under_test()
    with pytest.raises(GuestFailure) as caught:
        hostproof.prove_usual_boot(host)
    assert (caught.value.failure_class, caught.value.phase) == (failure_class, phase)
    host.remove()
    assert rack.fake.slots.drained == ""


def test_both_forms_of_the_emergency_entry_are_clean(rack: RebootingHost) -> None:
    host = rack.under_test()
    hostproof.prove_emergency_forms(host)
    assert "menuentry 'xenflight: emergency'" in host.step.evidence
    assert "kernel\t/boot/xen-4.17-amd64.gz loglvl=all" in host.step.evidence


def test_the_emergency_entry_boots(rack: RebootingHost) -> None:
    host = rack.under_test()
    hostproof.prove_emergency(host)
    words = rack.fake.commandline.split()
    wanted = "loglvl=all guest_loglvl=all sync_console console_to_ring com1=115200,8n1 console=com1"
    assert set(wanted.split()) <= set(words)
    assert "earlyprintk=xen nomodeset" in rack.cmdline


def test_a_root_on_no_volume_is_no_emergency_of_that_kind(rack: RebootingHost) -> None:
    rack.root_type = "part"
    with pytest.raises(NotApplicable, match="logical volume"):
        hostproof.prove_emergency(rack.under_test())


def test_a_ring_without_a_stage_fails(rack: RebootingHost) -> None:
    rack.ring = XEN + INIT
    with pytest.raises(GuestFailure, match="shows nothing of kernel, initramfs") as caught:
        hostproof.prove_emergency(rack.under_test())
    assert caught.value.failure_class == "not-in-ring"


def test_too_much_memory_for_dom0_fails(rack: RebootingHost) -> None:
    rack.memory = 1024 * 1024
    with pytest.raises(GuestFailure, match="896 MiB at most"):
        hostproof.prove_emergency(rack.under_test())


def test_a_menu_that_reads_no_entries_of_ours(rack: RebootingHost) -> None:
    rack.menu = rack.menu.replace("custom.cfg", "other.cfg")
    with pytest.raises(NotApplicable, match="41_custom"):
        hostproof.prove_emergency(rack.under_test())


def test_a_host_that_is_still_in_an_entry_of_ours_is_rebooted(rack: RebootingHost) -> None:
    rack.memory = 1024 * 1024
    host = rack.under_test()
    with pytest.raises(GuestFailure):
        hostproof.prove_emergency(host)
    assert "nomodeset" in rack.cmdline
    host.remove()
    assert "nomodeset" not in rack.cmdline
    assert (rack.boots, rack.custom, rack.fake.slots.drained) == (3, "", "")


def test_one_that_does_not_come_back_from_there_stays_drained(rack: RebootingHost) -> None:
    host = rack.under_test()
    hostproof.prove_emergency(host)
    rack.said[""] = (XEN, PANIC)
    with pytest.raises(LabError, match=r"usual boot: .*Panic"):
        host.remove()
    assert "boots it" in rack.fake.slots.drained


def test_grub_is_left_without_a_choice_that_was_not_booted(rack: RebootingHost) -> None:
    host = rack.under_test()
    hostproof.prove_usual_boot(host)
    rack.fake.runner.before("^sync$", raises=LabError("lost"))
    with pytest.raises(LabError, match="lost"):
        hostproof.prove_usual_boot(host)
    assert rack.next_entry
    host.remove()
    assert (rack.next_entry, rack.boots, rack.fake.slots.drained) == ("", 2, "")


CANNOT = {
    "no-root": (XEN, KERNEL, INITRAMFS, NO_ROOT),
    "no-initrd": (NO_INITRD,),
    "xen-panic": (XEN, PANIC),
}


@pytest.mark.parametrize("how", CANNOT)
def test_what_cannot_boot_is_told_and_comes_back(rack: RebootingHost, how: str) -> None:
    rack.said[f"xenflight-{how}"] = CANNOT[how]
    host = rack.under_test()
    hostproof.prove_cannot_boot(host, how)
    assert [one.name for one in host.step.phases] == ["cannot-boot", "recover", "ssh"]
    assert rack.power.asked == ["cycle"]
    assert rack.boots == 3
    assert "console.log @" in host.step.facts["serial"]
    host.remove()
    assert rack.custom == ""


def test_a_boot_that_should_fail_and_does_not_is_a_failure(rack: RebootingHost) -> None:
    with pytest.raises(GuestFailure, match="which it can't") as caught:
        hostproof.prove_cannot_boot(rack.under_test(), "no-root")
    assert caught.value.failure_class == "wrong-boot"


def test_one_that_fails_otherwise_is_a_failure(rack: RebootingHost) -> None:
    rack.said[NO_ROOT_ENTRY] = (XEN, PANIC)
    with pytest.raises(GuestFailure, match="told as xen-panic, not as root-not-found") as caught:
        hostproof.prove_cannot_boot(rack.under_test(), "no-root")
    assert caught.value.failure_class == "wrong-class"


def test_a_host_that_does_not_come_back_stays_drained(rack: RebootingHost) -> None:
    rack.said[NO_ROOT_ENTRY] = CANNOT["no-root"]
    rack.power.fails = "the switch is stuck"
    host = rack.under_test()
    with pytest.raises(LabError, match="stuck"):
        hostproof.prove_cannot_boot(host, "no-root")
    assert "boots it" in rack.fake.slots.drained


def test_without_a_switch_nothing_is_booted(rack: RebootingHost) -> None:
    host = rack.under_test()
    host._power = None
    with pytest.raises(NotApplicable, match="power"):
        hostproof.prove_usual_boot(host)
    assert rack.boots == 1


def test_an_environment_that_grub_cannot_be_told_in(rack: RebootingHost) -> None:
    host = rack.under_test()
    rack.fake.runner.before("^grub-reboot ", raises=LabError("diskfilter writes are not supported"))
    with pytest.raises(LabError, match="diskfilter"):
        hostproof.prove_usual_boot(host)
    assert rack.boots == 1


def _usual() -> str:
    uuid = "3a7512aa-0b1c-4d2e-9f3a-5b6c7d8e9f01"
    assert uuid in read("bookworm-serial.cfg")
    return f"xen-gnulinux-simple-{uuid}"
