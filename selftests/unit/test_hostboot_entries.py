"""Entries for one boot, made of real menus; our lines in custom.cfg, and out of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from grub_samples import found, read

from harness.errors import LabError
from harness.flight.model import BoxBoot, HostSpec, TestboxSpec
from harness.grub.entry import to_grub2
from harness.grub.grub2 import read_grub2
from harness.grub.model import Form
from harness.grub.resolve import Boot
from harness.hostboot.custom import remove_entries, write_entries
from harness.hostboot.entries import (
    described,
    emergency,
    name_of,
    panicking,
    usual_boot,
    without_initrd,
    without_root,
)
from harness.hostboot.facts import look, read_menu
from harness.hostboot.serial import serial_command
from harness.remote.fake import FakeRunner
from harness.remote.local import LocalRunner
from harness.units import Size

GIB = Size.parse("1G")
BOX = TestboxSpec(release="bookworm", memory=GIB, vcpus=1, disk=GIB, boot=BoxBoot.DISK)


def usual(name: str) -> Boot:
    return usual_boot(read_grub2(read(name), name))


def test_the_usual_boot_is_the_first_of_xen_that_is_whole() -> None:
    boot = usual("bookworm-serial.cfg")
    assert boot.title == "Debian GNU/Linux, with Xen hypervisor"
    assert name_of(boot) == "xen-gnulinux-simple-3a7512aa-0b1c-4d2e-9f3a-5b6c7d8e9f01"


def test_a_menu_without_xen_has_none() -> None:
    menu = read_grub2("menuentry 'Linux' {\n linux /vmlinuz root=/dev/sda1\n}\n", "grub.cfg")
    with pytest.raises(LabError, match="no entry that boots Xen"):
        usual_boot(menu)


def test_it_says_what_the_menu_says_less_what_is_for_firmware() -> None:
    entry = described(usual("bookworm-serial.cfg"), "x", "y")
    assert entry.xen_args == ("com1=115200,8n1", "console=com1,vga", "dom0_mem=1024M,max:1024M")
    assert entry.kernel_args[0] == "root=UUID=3a7512aa-0b1c-4d2e-9f3a-5b6c7d8e9f01"
    assert (entry.root, entry.uuid) == ("hd0,gpt2", "3a7512aa-0b1c-4d2e-9f3a-5b6c7d8e9f01")


def test_an_entry_that_only_looks_for_its_file_system() -> None:
    entry = described(usual("bookworm-disk.cfg"), "x", "y")
    assert (entry.root, entry.uuid) == ("", "d2bbef8d-f2e9-4fd1-8727-46960553b07d")
    assert (entry.xen, entry.kernel_args[0]) == (
        "/xen-4.17-amd64.gz",
        "root=/dev/mapper/vg00-lv01",
    )
    assert "\tinsmod part_msdos\n\tinsmod part_gpt\n" in to_grub2(entry)


@pytest.mark.parametrize("name", ["bookworm-serial.cfg", "bookworm-disk.cfg", "trixie-lvm.cfg"])
def test_an_emergency_has_a_serial_line_only(name: str) -> None:
    entry = emergency(usual(name))
    assert "console=com1" in entry.xen_args
    assert not any("vga" in word for word in entry.xen_args)
    consoles = [word for word in entry.kernel_args if word.startswith("console=")]
    assert consoles == ["console=hvc0"]
    assert "quiet" not in entry.kernel_args
    assert found(to_grub2(entry), Form.GRUB2) == []


def test_its_line_has_the_speed_of_grub_itself_or_the_usual_one() -> None:
    assert "com1=115200,8n1" in emergency(usual("bookworm-serial.cfg")).xen_args
    assert "com1=19200,8n1" in emergency(usual("bookworm.cfg")).xen_args


def test_each_of_those_that_fail_lacks_one_thing() -> None:
    boot = usual("bookworm-serial.cfg")
    whole = described(boot, "x", "y")
    assert without_root(boot).kernel_args[0] == "root=/dev/mapper/xenflight-nowhere"
    assert without_root(boot).kernel_args[1:] == whole.kernel_args[1:]
    assert without_initrd(boot).initrd == f"{whole.initrd}.xenflight-missing"
    assert (panicking(boot).kernel, panicking(boot).initrd) == (whole.initrd, None)


def test_our_entries_leave_those_of_others(tmp_path: Path) -> None:
    custom = tmp_path / "custom.cfg"
    custom.write_text("menuentry 'mine' {\n}\n")
    entry = emergency(usual("bookworm.cfg"))
    for _ in range(2):
        write_entries(LocalRunner(), [entry], str(custom))
        assert custom.read_text().startswith("menuentry 'mine' {\n}\n# xenflight: begin\n")
        assert custom.read_text().count(entry.ident) == 1
    remove_entries(LocalRunner(), str(custom))
    assert custom.read_text() == "menuentry 'mine' {\n}\n"


def test_a_file_with_nothing_but_ours_goes(tmp_path: Path) -> None:
    custom = tmp_path / "custom.cfg"
    write_entries(LocalRunner(), [emergency(usual("bookworm.cfg"))], str(custom))
    assert custom.exists()
    remove_entries(LocalRunner(), str(custom))
    assert list(tmp_path.iterdir()) == []


def test_what_a_host_does_not_say_is_empty() -> None:
    runner = FakeRunner()
    runner.on(" host-boot-facts", "boot_id=x\ncmdline=root=/dev/a b=c\nnoise\n")
    facts = look(runner)
    assert (facts.boot_id, facts.cmdline, facts.root_type) == ("x", "root=/dev/a b=c", "")


def test_a_menu_of_a_mebibyte_is_none() -> None:
    runner = FakeRunner()
    runner.on("^head ", "#" * ((1 << 20) + 1))
    with pytest.raises(LabError, match="larger"):
        read_menu(runner)


def test_who_listens_to_a_serial_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    box = HostSpec(name="box", slots=1, timeout_factor=1, testbox=BOX)
    command = serial_command(box)
    assert command
    assert command.argv[-1] == "1"
    log = Path(command.argv[-2])
    log.parent.mkdir(parents=True)
    log.write_bytes(b"12345")
    again = serial_command(box)
    assert again
    assert again.argv[-1] == "6"
    rack = HostSpec(name="rack", slots=1, timeout_factor=1, serial=("console", "rack"))
    listening = serial_command(rack)
    assert listening
    assert (listening.argv, dict(listening.env)) == (
        ("console", "rack"),
        {"XENFLIGHT_HOST": "rack"},
    )
    assert serial_command(HostSpec(name="deaf", slots=1, timeout_factor=1)) is None
