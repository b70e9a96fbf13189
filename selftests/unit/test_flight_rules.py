"""The table of what can boot how."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from harness.dists.table import TABLE
from harness.errors import UsageError
from harness.flight.axes import (
    Arch,
    Boot,
    Builder,
    Devices,
    DiskFormat,
    Dist,
    Layout,
    Peer,
    Toolstack,
    Virt,
)
from harness.flight.kernels import kernel_of
from harness.flight.model import DEFAULT_TIMEOUTS, ImageSource, JobSpec, MirrorSpec
from harness.flight.rules import RULES, broken_rule, why_impossible
from harness.guest.kernels import choose_kernel
from harness.units import Size

IMAGE = ImageSource(location="/an/image.raw", sha256="")
ELSEWHERE = MirrorSpec(url="http://archive.example/debian")


def job(words: str = "", **changes: object) -> JobSpec:
    """A job as ``dist arch virt boot``; what is left out is of one that can run."""
    usual = ("bookworm", "amd64", "pv", "direct")
    dist, arch, virt, boot = (*words.split(), *usual[len(words.split()) :])
    made = JobSpec(
        name="j",
        suite="boot",
        dist=Dist(dist),
        arch=Arch(arch),
        virt=Virt(virt),
        boot=Boot(boot),
        variant=None,
        memory=Size.parse("512M"),
        vcpus=1,
        disk=Size.parse("2G"),
        kernel_args="",
        packages=(),
        timeouts=DEFAULT_TIMEOUTS,
        layout=Layout.DISK,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def by_xen_create_image(words: str, **changes: object) -> JobSpec:
    return job(words, builder=Builder.XEN_CREATE_IMAGE, **{"layout": Layout.BARE, **changes})


def installed(words: str, **changes: object) -> JobSpec:
    return job(words, builder=Builder.DEBIAN_INSTALLER, **changes)


def imported(words: str, **changes: object) -> JobSpec:
    return job(words, builder=Builder.IMPORT, **{"image": IMAGE, **changes})


POSSIBLE = {
    (Virt.PV, Boot.DIRECT),
    (Virt.PV, Boot.PYGRUB),
    (Virt.PV, Boot.PVGRUB),
    (Virt.PVH, Boot.DIRECT),
    (Virt.PVH, Boot.PYGRUB),
    (Virt.PVH, Boot.PVGRUB),
    (Virt.HVM, Boot.DIRECT),
    (Virt.HVM, Boot.BIOS),
    (Virt.HVM, Boot.UEFI),
}


@pytest.mark.parametrize(("virt", "boot"), list(product(Virt, Boot)))
@pytest.mark.parametrize("dist", ["bullseye", "bookworm", "trixie", "forky", "sid"])
@pytest.mark.parametrize("arch", ["amd64", "i386"])
def test_what_a_disk_image_of_debian_can_boot_by(
    dist: str, arch: str, virt: Virt, boot: Boot
) -> None:
    # The ordinary kernel of these two is one that GRUB for PV guests can unpack.
    kernel = "generic" if dist in ("bullseye", "bookworm") else "default"
    cannot_unpack = kernel == "default" and (virt, boot) == (Virt.PV, Boot.PVGRUB)
    reason = why_impossible(job(f"{dist} {arch} {virt} {boot}", kernel=kernel))
    assert (reason == "") == ((virt, boot) in POSSIBLE and not cannot_unpack)


BROKEN = [
    (job(peer=Peer.ANY, disk_format=DiskFormat.QCOW2), "peer-disks"),
    (job(peer=Peer.SAME, swap=Size.parse("64M")), "peer-disks"),
    (job(peer=Peer.SAME, extra_disks=(Size.parse("64M"),)), "peer-disks"),
    (job(peer=Peer.NEWER, toolstack=Toolstack.LIBVIRT), "peer-toolstack"),
    (job("bookworm arm64"), "arm64-host"),
    (imported("other arm64"), "arm64-host"),
    (job("other"), "dist-other"),
    (job(builder=Builder.IMPORT), "import-image"),
    (imported("other", kernel="cloud"), "import-kernel"),
    (imported("other", kernel="dom0"), "import-kernel"),
    (job("bookworm amd64 pv bios"), "firmware-pv"),
    (job("bookworm amd64 pvh uefi"), "firmware-pvh"),
    (job("bookworm amd64 hvm pygrub"), "loader-hvm"),
    (job("bookworm amd64 hvm pvgrub"), "loader-hvm"),
    (by_xen_create_image("squeeze i386"), "archived-mirror"),
    (job("squeeze amd64", mirror=ELSEWHERE), "sysv-builder"),
    (installed("squeeze amd64 pv pygrub", mirror=ELSEWHERE), "sysv-builder"),
    (by_xen_create_image("bookworm amd64 hvm direct"), "xen-create-image-hvm"),
    (
        by_xen_create_image("bookworm amd64 pv direct", kernel="cloud"),
        "xen-create-image-direct",
    ),
    (
        by_xen_create_image("bookworm amd64 pv pygrub", kernel="cloud"),
        "xen-create-image-loader",
    ),
    (by_xen_create_image("trixie i386 pvh pygrub"), "xen-create-image-native"),
    (by_xen_create_image("bookworm i386 pv pygrub"), "kernel-pv"),
    (by_xen_create_image("squeeze i386 pvh pygrub", mirror=ELSEWHERE), "kernel-pvh"),
    (by_xen_create_image("", disk_format=DiskFormat.QCOW2), "builder-raw"),
    (by_xen_create_image("", layout=Layout.DISK), "builder-bare"),
    (installed("bookworm amd64 pvh pygrub"), "installer-virt"),
    (installed("bookworm amd64 pv pvgrub"), "installer-boot"),
    (installed("bookworm i386 pv pygrub"), "installer-i386"),
    (installed("bookworm amd64 pv pygrub", disk_format=DiskFormat.QCOW2), "builder-raw"),
    (installed("bookworm amd64 pv pygrub", layout=Layout.BARE), "builder-disk"),
    (imported("other", layout=Layout.BARE), "builder-disk"),
    (job("bookworm amd64 pv pygrub", layout=Layout.BARE), "layout-loader"),
    (job("bookworm amd64 hvm uefi", layout=Layout.BARE), "layout-loader"),
    (job("bookworm amd64 pv pvgrub", kernel="dom0"), "dom0-kernel-direct"),
    (by_xen_create_image("bookworm amd64 pv pygrub", kernel="dom0"), "dom0-kernel-direct"),
    (job("bookworm amd64 pvh direct", devices=Devices.EMULATED), "emulated-hvm"),
    (job("bookworm amd64 hvm direct", devices=Devices.EMULATED), "emulated-firmware"),
    (imported("other amd64 hvm bios", devices=Devices.EMULATED), "emulated-builder"),
    (
        job("bookworm amd64 hvm bios", devices=Devices.EMULATED, swap=Size.parse("16M")),
        "emulated-disks",
    ),
    (job("bookworm amd64 hvm bios", devices=Devices.EMULATED), "kernel-emulated"),
    (job("bookworm amd64 pvh", passthrough=True, kernel="generic"), "passthrough-pvh"),
    (
        job("bookworm amd64", passthrough=True, kernel="generic", toolstack=Toolstack.LIBVIRT),
        "passthrough-libvirt",
    ),
    (job("bookworm amd64", passthrough=True), "passthrough-kernel"),
    (job("trixie i386", kernel="686-pae"), "kernel-exists"),
    (job("bookworm amd64", kernel="686-pae"), "kernel-exists"),
    (job("bookworm amd64", kernel="6.1.0-50-rt-amd64x"), "kernel-exists"),
    (job("bookworm i386", kernel="686-pae"), "kernel-pv"),
    (job("bookworm i386", kernel="6.1.0-50-686-pae"), "kernel-pv"),
    (job("bookworm i386 pv pvgrub", kernel="686-pae"), "kernel-pv"),
    *[
        (job(f"{dist} {arch} pv pvgrub", kernel=kernel), "kernel-pvgrub")
        for dist in ("bullseye", "bookworm", "trixie", "forky", "sid")
        for arch in ("amd64", "i386")
        for kernel in ("default", "cloud")
    ],
    (job("bookworm amd64 pv pvgrub", kernel="6.1.0-50-cloud-amd64"), "kernel-pvgrub"),
    (job("trixie amd64 pv pvgrub", kernel="generic"), "kernel-pvgrub"),
    (job("forky i386 pv pvgrub", kernel="generic"), "kernel-pvgrub"),
    (job("sid amd64 pv pvgrub", kernel="7.2.13+deb14-amd64"), "kernel-pvgrub"),
    (by_xen_create_image("trixie amd64 pv pvgrub"), "kernel-pvgrub"),
]


@pytest.mark.parametrize(("spec", "rule"), BROKEN)
def test_each_impossible_job_breaks_its_rule(spec: JobSpec, rule: str) -> None:
    found = broken_rule(spec)
    assert found is not None
    assert found.id == rule
    reason = why_impossible(spec)
    assert reason
    assert "{" not in reason


@pytest.mark.parametrize(
    "spec",
    [
        job("bookworm amd64 pv direct", layout=Layout.BARE),
        job("bookworm amd64 hvm direct", layout=Layout.BARE),
        job("bookworm amd64 pv direct", kernel="dom0"),
        job("bookworm i386 pvh direct", kernel="dom0"),
        job("bookworm i386 pvh pvgrub", kernel="686-pae"),
        job("bookworm i386 hvm uefi", kernel="6.1.0-50-686-pae"),
        job("bookworm i386 pv pygrub", kernel="6.1.0-50-cloud-amd64"),
        job("bookworm amd64 pv pygrub", disk_format=DiskFormat.QCOW2),
        job("sid amd64 pv direct", kernel="generic"),
        job("bullseye amd64 pv pvgrub", kernel="generic"),
        job("bookworm i386 pv pvgrub", kernel="generic"),
        job("bookworm amd64 pv pvgrub", kernel="6.1.0-50-amd64"),
        job("bookworm amd64 pv pygrub", kernel="cloud"),
        job("trixie amd64 pvh pvgrub", kernel="cloud"),
        job("sid i386 pvh pvgrub", kernel="generic"),
        by_xen_create_image("bookworm amd64 pv pvgrub"),
        by_xen_create_image("squeeze amd64 pv pvgrub", mirror=ELSEWHERE),
        by_xen_create_image("squeeze i386 pv pvgrub", mirror=ELSEWHERE),
        by_xen_create_image("bookworm i386 pv direct"),
        by_xen_create_image("bookworm i386 pv direct", kernel="dom0"),
        by_xen_create_image("bookworm i386 pv direct", kernel="6.1.0-49-amd64"),
        by_xen_create_image("bookworm i386 pvh pygrub"),
        by_xen_create_image("bookworm amd64 pvh pvgrub"),
        by_xen_create_image("squeeze i386 pv direct", kernel="2.6.32.57", mirror=ELSEWHERE),
        by_xen_create_image("squeeze i386 pv pygrub", mirror=ELSEWHERE),
        installed("trixie amd64 pv pygrub"),
        imported("other amd64 hvm uefi"),
        imported("other i386 pv direct"),
        imported("other amd64 pv pvgrub", disk_format=DiskFormat.QCOW2),
        imported("squeeze amd64 pv pygrub"),
        imported("trixie amd64 pv pvgrub"),
    ],
)
def test_what_can_run_breaks_no_rule(spec: JobSpec) -> None:
    assert why_impossible(spec) == ""


def test_every_rule_that_a_job_of_today_can_break_is_broken_by_one() -> None:
    # All dists have both x86 architectures, and all kernels have Xen's drivers for HVM.
    of_tomorrow = {"dist-arch", "kernel-hvm"}
    assert {rule.id for rule in RULES} - {rule for _, rule in BROKEN} == of_tomorrow


def test_every_rule_is_complete_and_has_a_name_of_its_own() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert all(rule.reason and rule.source for rule in RULES)


def test_every_known_dist_can_be_named_in_a_flight() -> None:
    assert set(TABLE) == set(Dist) - {Dist.OTHER}


WORDS = ["default", "cloud", "generic", "686-pae", "xen", "6.1.0-50-cloud-amd64", "6.1.0-50-amd64"]
WORDS += ["6.1.0-50-686-pae", "5.10~rc1+2-1-amd64", "amd64", "-amd64", "6.1.0-50-rt-amd64", "6.1"]


@pytest.mark.parametrize("kernel", WORDS)
@pytest.mark.parametrize("arch", ["amd64", "i386"])
@pytest.mark.parametrize("dist", sorted(TABLE))
def test_the_plan_and_the_builder_mean_the_same_kernel(dist: str, arch: str, kernel: str) -> None:
    try:
        built = choose_kernel(TABLE[dist], arch, kernel).flavour
    except UsageError:
        built = None
    assert kernel_of(job(f"{dist} {arch}", kernel=kernel)) == built
