"""The command line of QEMU, as text: what changes in it changes what is tested on."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from harness.flight.model import BoxBoot, BoxIommu, TestboxSpec
from harness.testbox.accel import Accel
from harness.testbox.emulator import Emulator
from harness.testbox.qemu import BootFiles, Files, Hardware, qemu_command
from harness.units import Size

HARDWARE = Hardware(accel=Accel.TCG, memory=Size.parse("4G"), vcpus=2, emulator=Emulator())
BOOT = BootFiles(xen=Path("/d/xen"), kernel=Path("/d/vmlinuz"), initrd=Path("/d/initrd.img"))
FILES = Files(
    root=Path("/r/root.qcow2"),
    volumes=Path("/r/volumes.qcow2"),
    qmp=Path("/s/x.qmp"),
    serial=Path("/s/x.serial"),
    console_log=Path("/r/console.log"),
)

GOLDEN = """\
qemu-system-x86_64
-machine q35,sata=off
-nodefaults
-accel tcg,thread=multi,tb-size=512
-cpu qemu64,+svm,+npt,+ssse3,+sse4.1,+sse4.2,+popcnt,+fsgsbase,-cx16
-m 4096
-smp 2
-display none
-no-reboot
-no-user-config
-device virtio-scsi-pci,id=hotplug
-device virtio-net-pci,netdev=uplink,romfile=
-netdev user,id=uplink,dhcpstart=10.0.2.100,hostfwd=tcp:127.0.0.1:2222-10.0.2.15:22
-chardev socket,id=serial0,path=/s/x.serial,server=on,wait=off,logfile=/r/console.log,logappend=on
-serial chardev:serial0
-qmp unix:/s/x.qmp,server=on,wait=off
-kernel /d/xen
-append 'console=com1 com1=115200,8n1 dom0_mem=1024M,max:1024M dom0_max_vcpus=2 loglvl=info \
guest_loglvl=info'
-initrd '/d/vmlinuz root=/dev/vda rw console=hvc0 net.ifnames=0 cryptomgr.notests \
mitigations=off,/d/initrd.img'
-drive file=/r/root.qcow2,format=qcow2,if=virtio,cache=unsafe
-drive file=/r/volumes.qcow2,format=qcow2,if=virtio,cache=unsafe
"""


def line(hardware: Hardware = HARDWARE, files: Files = FILES, state: Path | None = None) -> str:
    """The command, an option a line."""
    words = [
        shlex.quote(word)
        for word in qemu_command(hardware, BOOT, files, ssh_port=2222, state=state).argv
    ]
    return " ".join(words).replace(" -", "\n-") + "\n"


def test_booting_with_emulation() -> None:
    assert line() == GOLDEN


def test_resuming_differs_only_in_reading_the_state() -> None:
    assert (
        line(state=Path("/w/a b")) == GOLDEN + shlex.join(["-incoming", "exec:cat '/w/a b'"]) + "\n"
    )


def test_one_that_boots_from_its_disk_is_loaded_nothing_and_can_be_rebooted() -> None:
    text = line(replace(HARDWARE, boot=BoxBoot.DISK))
    loaded = ("-no-reboot", "-kernel", "-append", "guest_loglvl", "-initrd", "mitigations")
    left = [one for one in GOLDEN.splitlines() if not one.startswith(loaded)]
    assert text.splitlines() == left


def test_kvm_shows_the_processor_as_it_is() -> None:
    text = line(replace(HARDWARE, accel=Accel.KVM))
    assert "-accel kvm\n-cpu host\n" in text
    assert "tcg" not in text


def test_a_comma_in_a_path_is_no_option() -> None:
    files = replace(FILES, root=Path("/r,readonly=on/root.qcow2"))
    assert "file=/r,,readonly=on/root.qcow2,format=qcow2" in line(files=files)
    files = replace(FILES, serial=Path("/a,b/s"), qmp=Path("/a,b/q"), console_log=Path("/a,b/c"))
    text = line(files=files)
    assert "path=/a,,b/s,server=on" in text
    assert "logfile=/a,,b/c,logappend=on" in text
    assert "unix:/a,,b/q,server=on" in text


@pytest.mark.parametrize(
    "other",
    [
        replace(HARDWARE, accel=Accel.KVM),
        replace(HARDWARE, memory=Size.parse("8G")),
        replace(HARDWARE, vcpus=4),
        replace(HARDWARE, boot=BoxBoot.DISK),
        replace(HARDWARE, iommu=BoxIommu.INTEL),
        replace(HARDWARE, iommu=BoxIommu.AMD),
        replace(HARDWARE, spare_nics=1),
    ],
)
def test_another_machine_has_other_options_so_no_state_of_it_is_resumed(other: Hardware) -> None:
    assert other.options() != HARDWARE.options()


def test_what_shapes_the_machine_stands_in_the_hardware_options() -> None:
    argv = qemu_command(HARDWARE, BOOT, FILES, ssh_port=2222).argv
    assert argv[1 : 1 + len(HARDWARE.options())] == HARDWARE.options()


@pytest.mark.parametrize("kind", [BoxIommu.INTEL, BoxIommu.AMD])
def test_an_iommu_is_the_first_device_and_splits_the_interrupts(kind: BoxIommu) -> None:
    lines = line(replace(HARDWARE, iommu=kind)).splitlines()
    devices = [one for one in lines if one.startswith("-device")]
    assert devices[0] == f"-device {kind.value}-iommu,intremap=on"
    assert "-machine q35,sata=off,kernel-irqchip=split" in lines


def test_each_spare_card_is_wired_to_one_of_dom0s() -> None:
    lines = line(replace(HARDWARE, spare_nics=2)).splitlines()
    added = [one for one in lines if one not in GOLDEN.splitlines()]
    assert added == [
        "-netdev hubport,id=spare0,hubid=0",
        "-device e1000e,netdev=spare0,mac=52:54:00:78:66:00,addr=0x10,romfile=",
        "-netdev hubport,id=wire0,hubid=0",
        "-device e1000e,netdev=wire0,mac=52:54:00:78:77:00,addr=0x11,romfile=",
        "-netdev hubport,id=spare1,hubid=1",
        "-device e1000e,netdev=spare1,mac=52:54:00:78:66:01,addr=0x12,romfile=",
        "-netdev hubport,id=wire1,hubid=1",
        "-device e1000e,netdev=wire1,mac=52:54:00:78:77:01,addr=0x13,romfile=",
    ]


def test_a_spare_cards_address_is_where_the_machine_has_it() -> None:
    spec = TestboxSpec(
        release="bookworm",
        memory=Size.parse("4G"),
        vcpus=2,
        disk=Size.parse("16G"),
        iommu=BoxIommu.AMD,
        spare_nics=2,
    )
    hardware = Hardware.of(spec, Accel.TCG, Emulator())
    assert hardware == replace(HARDWARE, iommu=BoxIommu.AMD, spare_nics=2)
    assert spec.spare_devices == ("0000:00:10.0", "0000:00:12.0")
    for device in spec.spare_devices:
        slot = int(device[8:10], 16)
        assert any(
            "netdev=spare" in one and f"addr={slot:#x}," in one for one in hardware.options()
        )


def test_of_a_machine_with_an_amd_iommu_qemu_saves_no_state() -> None:
    for kind in BoxIommu:
        assert replace(HARDWARE, iommu=kind).can_be_saved is (kind is not BoxIommu.AMD)
