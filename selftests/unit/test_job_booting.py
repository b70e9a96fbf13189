"""Each boot method, as xl is asked for it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from test_job_flight import FLIGHTS

from harness.dists.kernels import DOM0_KERNEL
from harness.errors import LabError
from harness.flight.axes import Boot, Builder, Devices, Virt
from harness.flight.build import build_plan
from harness.flight.model import JobSpec
from harness.host.capabilities import Capabilities
from harness.host.fake import FakeHost
from harness.job.booting import (
    domain_config,
    guest_console,
    kernel_arguments,
    listen_command,
    menu_files,
)
from harness.job.prepared import PreparedImage
from harness.job.speed import as_fast_as
from harness.xen.config import Disk, DomainConfig, Firmware, Vif

TOOLS = {
    "kernel": "/boot/vmlinuz-dom0",
    "initrd": "/boot/initrd.img-dom0",
    "pvgrub-pv": "/usr/lib/grub-xen/grub-x86_64-xen.bin",
    "pvgrub-pvh": "/usr/lib/grub-xen/grub-i386-xen_pvh.bin",
}
IMAGE = PreparedImage(golden="xf-golden-k", kernel="/boot/k", initrd="/boot/i")


@pytest.fixture(scope="module")
def smoke() -> JobSpec:
    return build_plan(str(FLIGHTS / "smoke.yaml")).jobs[0]


def config(spec: JobSpec, image: PreparedImage = IMAGE, **tools: str) -> DomainConfig:
    return domain_config(
        spec,
        name="xf.smoke.0",
        image=image,
        arguments=kernel_arguments(spec, image, "root=/dev/xvda3 ro"),
        disks=(Disk(path="/dev/vg0/root"),),
        vifs=(Vif(mac="00:16:3e:00:00:01", bridge="xenbr0"),),
        capabilities=Capabilities(paths=tools or TOOLS),
    )


@pytest.mark.parametrize(
    ("virt", "boot", "kernel", "bootloader", "firmware"),
    [
        (Virt.PV, Boot.DIRECT, "/boot/k", None, None),
        (Virt.PVH, Boot.DIRECT, "/boot/k", None, None),
        (Virt.HVM, Boot.DIRECT, "/boot/k", None, Firmware.SEABIOS),
        (Virt.PV, Boot.PYGRUB, None, "pygrub", None),
        (Virt.PVH, Boot.PYGRUB, None, "pygrub", None),
        (Virt.PV, Boot.PVGRUB, TOOLS["pvgrub-pv"], None, None),
        (Virt.PVH, Boot.PVGRUB, TOOLS["pvgrub-pvh"], None, None),
        (Virt.HVM, Boot.BIOS, None, None, Firmware.SEABIOS),
        (Virt.HVM, Boot.UEFI, None, None, Firmware.OVMF),
    ],
)
def test_who_loads_the_kernel(
    smoke: JobSpec,
    virt: Virt,
    boot: Boot,
    kernel: str | None,
    bootloader: str | None,
    firmware: Firmware | None,
) -> None:
    made = config(replace(smoke, virt=virt, boot=boot))
    assert (made.kernel, made.bootloader, made.firmware) == (kernel, bootloader, firmware)
    assert (made.ramdisk, made.cmdline != "") == (
        ("/boot/i", True) if boot is Boot.DIRECT else (None, False)
    )
    assert made.to_xl()


def test_only_guests_that_need_the_processors_help_are_tied_to_one(smoke: JobSpec) -> None:
    for virt, cpus in ((Virt.PV, ""), (Virt.PVH, "1"), (Virt.HVM, "1")):
        made = domain_config(
            replace(smoke, virt=virt),
            name="xf.smoke.0",
            image=IMAGE,
            arguments="",
            disks=(),
            vifs=(Vif(mac="00:16:3e:00:00:01", bridge="xenbr0"),),
            capabilities=Capabilities(paths=TOOLS, hvm_cpus="1"),
        )
        assert made.cpus == cpus
        assert ('cpus = "1"' in made.to_xl()) is bool(cpus)


def test_the_hosts_own_kernel(smoke: JobSpec) -> None:
    made = config(replace(smoke, kernel=DOM0_KERNEL))
    assert (made.kernel, made.ramdisk) == (TOOLS["kernel"], TOOLS["initrd"])


def test_an_hvm_guest_is_heard_on_both_its_consoles(smoke: JobSpec) -> None:
    hvm = replace(smoke, virt=Virt.HVM, kernel_args="quiet")
    assert (
        kernel_arguments(hvm, IMAGE, "root=/dev/xvda3 ro")
        == "root=/dev/xvda3 ro console=hvc0 quiet"
    )
    assert 'serial = "pty"' in config(hvm).to_xl()
    assert "serial" not in config(smoke).to_xl()
    assert listen_command(smoke, IMAGE, "d").argv == ("xl", "console", "-t", "pv", "d")
    assert listen_command(hvm, IMAGE, "d").argv[-3:] == ("serial/0/tty", "pv", "d")


@pytest.mark.parametrize(
    ("menu", "console"),
    [
        ("linux /vmlinuz root=x console=ttyS0,115200 console=hvc0", "hvc0"),
        ("linux /vmlinuz root=x console=hvc0 console=tty0", "hvc0"),
        ("linux /vmlinuz root=x console=tty0 console=ttyS0,115200", "ttyS0"),
        ("linux /vmlinuz root=x quiet", "hvc0"),
        ("linux /vmlinuz root=x console=tty0", "hvc0"),
        ("", "hvc0"),
    ],
)
def test_an_image_of_others_may_log_in_elsewhere(smoke: JobSpec, menu: str, console: str) -> None:
    image = IMAGE.model_copy(update={"menu": menu})
    hvm = replace(smoke, virt=Virt.HVM, boot=Boot.BIOS)
    assert guest_console(hvm, image) == console
    spoken = "pv" if console == "hvc0" else "serial"
    assert listen_command(hvm, image, "d").argv[-2:] == (spoken, "d")
    assert guest_console(smoke, image) == "hvc0", "PV guests have no other"


def test_arguments_get_into_a_guest_that_boots_by_itself(smoke: JobSpec) -> None:
    menu = "menuentry 'x' {\n  linux /boot/vmlinuz root=x\n  initrd /boot/initrd\n}\n"
    image = IMAGE.model_copy(update={"menu": menu, "menu_path": "/boot/grub/grub.cfg"})
    pygrub = replace(smoke, boot=Boot.PYGRUB)
    assert menu_files(smoke, image) == menu_files(pygrub, image) == ()
    (file,) = menu_files(replace(pygrub, kernel_args="quiet"), image)
    assert file.path == "/boot/grub/grub.cfg"
    assert b"linux /boot/vmlinuz root=x quiet\n" in file.content
    with pytest.raises(LabError, match="need boot: direct"):
        menu_files(replace(pygrub, kernel_args="quiet"), IMAGE)


def test_a_guest_that_shall_not_know_of_xen(smoke: JobSpec) -> None:
    menu = "menuentry 'x' {\n  linux /boot/vmlinuz root=LABEL=x console=hvc0\n}\n"
    image = IMAGE.model_copy(update={"menu": menu, "menu_path": "/boot/grub/grub.cfg"})
    plain = replace(smoke, virt=Virt.HVM, boot=Boot.BIOS)
    pc = replace(plain, devices=Devices.EMULATED, kernel_args="quiet")
    (file,) = menu_files(pc, image)
    assert b"console=hvc0 nopv xen_emul_unplug=never console=ttyS0 quiet\n" in file.content
    assert (guest_console(plain, image), guest_console(pc, image)) == ("hvc0", "ttyS0")
    assert listen_command(pc, image, "d").argv[-3:] == ("console/tty", "serial", "d")
    assert "xen_platform_pci = 0\n" in config(pc).to_xl()
    assert "xen_platform_pci" not in config(plain).to_xl()


def test_an_emulated_disk_that_nobody_unplugs_is_left_alone(smoke: JobSpec) -> None:
    menu = "menuentry 'x' {\n  linux /boot/vmlinuz root=LABEL=x console=hvc0\n}\n"
    image = IMAGE.model_copy(update={"menu": menu, "menu_path": "/boot/grub/grub.cfg"})
    hvm = replace(smoke, virt=Virt.HVM, boot=Boot.BIOS)
    assert menu_files(hvm, image) == (), "the cloud kernel has no driver for it"
    (file,) = menu_files(replace(hvm, kernel="generic", kernel_args="quiet"), image)
    assert b"console=hvc0 modprobe.blacklist=ahci quiet\n" in file.content
    direct = replace(hvm, boot=Boot.DIRECT, kernel="generic")
    assert kernel_arguments(direct, image, "root=x").endswith("modprobe.blacklist=ahci")
    assert "ahci" not in kernel_arguments(replace(smoke, kernel="generic"), image, "root=x")


def test_a_builder_on_the_host_chooses_its_own_kernel(smoke: JobSpec) -> None:
    made = config(replace(smoke, kernel=DOM0_KERNEL, builder=Builder.XEN_CREATE_IMAGE))
    assert made.kernel == "/boot/k"


def test_what_the_host_or_the_image_lacks_is_the_labs_fault(smoke: JobSpec) -> None:
    with pytest.raises(LabError, match="no pvgrub-pvh"):
        config(replace(smoke, virt=Virt.PVH, boot=Boot.PVGRUB), other="/x")
    with pytest.raises(LabError, match="no kernel for a direct boot"):
        config(smoke, PreparedImage(golden="xf-golden-k"))


def test_only_guests_that_need_the_processors_help_are_given_more_time(smoke: JobSpec) -> None:
    host = FakeHost().host
    slow = Capabilities(hvm_slowdown=3.0)
    assert as_fast_as(smoke, host, slow) is host
    hvm = replace(smoke, virt=Virt.HVM)
    assert as_fast_as(hvm, host, Capabilities()) is host
    assert as_fast_as(hvm, host, slow).timeout_factor == 3 * host.timeout_factor


def test_a_menu_of_xen_create_image_is_helped_by_pygrub(smoke: JobSpec) -> None:
    """Its own line has neither net.ifnames nor, without swap, the right root."""
    built = replace(smoke, builder=Builder.XEN_CREATE_IMAGE, boot=Boot.PYGRUB)
    assert "root=/dev/xvda3 ro" in config(built).cmdline
    assert config(replace(smoke, boot=Boot.PYGRUB)).cmdline == ""
