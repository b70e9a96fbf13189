"""Predictions from reports made by hand: every rule, both ways."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.flight.axes import Boot, Virt
from harness.flight.needs import HostFlag
from harness.preflight.case import Case, Lookup
from harness.preflight.evidence import Outcome, judge
from harness.preflight.model import (
    BootCode,
    Choice,
    Disk,
    Driver,
    EfiLoader,
    Esp,
    FileSystem,
    ImageReport,
    Initrd,
    Kernel,
    Partition,
    Userland,
)
from harness.preflight.predict import CELLS, predict
from harness.preflight.rules import RULES

WILL, WILL_NOT, UNKNOWN = Outcome.WILL, Outcome.WILL_NOT, Outcome.UNKNOWN
ROOT = Partition(
    number=1,
    start=1 << 20,
    size=1 << 30,
    uuid="p-1",
    fs=FileSystem(type="ext4", uuid="u-1", label="r"),
)
KERNEL = Kernel(
    partition=1,
    path="/boot/vmlinuz-6.1",
    size=1,
    sha256="",
    version="6.1 (x)",
    compression="xz",
    bits=64,
    pv=True,
    pvh=True,
    pvhvm=True,
    drivers={"xen-blkfront": Driver.MODULE, "ext4": Driver.BUILTIN},
    source="x",
)
INITRD = Initrd(
    partition=1, path="/boot/initrd.img-6.1", size=1, sha256="", modules=frozenset({"xen-blkfront"})
)
CHOICE = Choice(
    menu="/boot/grub/grub.cfg",
    partition=1,
    title="x",
    kernel=KERNEL,
    initrd=INITRD,
    args="root=UUID=u-1 ro console=hvc0 console=ttyS0",
)
USERLAND = Userland(
    partition=1,
    offset=1 << 20,
    arch="amd64",
    init="systemd",
    automatic=True,
    sshd=True,
    network="x",
)


def report(choice: Choice = CHOICE, **changes: object) -> ImageReport:
    found = ImageReport(
        path="x",
        format="raw",
        packed="",
        size=2 << 30,
        disk=Disk(table="dos", partitions=(ROOT,), boot_code=BootCode.GRUB, core=True),
        esp=Esp(
            partition=2,
            loaders=(
                EfiLoader(
                    path="/efi/boot/bootx64.efi", machine="x86_64", kind="GRUB", finds="fs-uuid u-1"
                ),
            ),
        ),
        direct=choice,
        pygrub=choice,
        pvgrub=choice,
        bios=choice,
        uefi=choice,
        root=USERLAND,
    )
    return replace(found, **changes)  # type: ignore[arg-type]


def with_kernel(**changes: object) -> ImageReport:
    return report(replace(CHOICE, kernel=replace(KERNEL, **changes)))  # type: ignore[arg-type]


def with_args(args: str) -> ImageReport:
    return report(replace(CHOICE, args=args))


def outcome(found: ImageReport, virt: str, boot: str) -> Outcome:
    return predict(found, Virt(virt), Boot(boot)).outcome


@pytest.mark.parametrize(("virt", "boot"), CELLS)
def test_a_sound_report_will_boot(virt: Virt, boot: Boot) -> None:
    found = predict(report(), virt, boot)
    assert found.outcome is WILL
    assert found.reason == ""
    assert all(one.rule and one.source for one in found.reasons)


@pytest.mark.parametrize(
    ("compression", "by_xen", "by_grub"),
    [
        ("none", WILL, WILL),
        ("gzip", WILL, WILL),
        ("xz", WILL, WILL),
        ("lzma", WILL, WILL_NOT),
        ("lz4", WILL, WILL_NOT),
        ("zstd", WILL, WILL_NOT),
        ("lzo", UNKNOWN, WILL),
        ("bzip2", UNKNOWN, WILL_NOT),
        ("unknown", WILL_NOT, WILL_NOT),
    ],
)
def test_who_unpacks_which_kernel(compression: str, by_xen: Outcome, by_grub: Outcome) -> None:
    found = with_kernel(compression=compression)
    for virt in ("pv", "pvh"):
        assert outcome(found, virt, "direct") is by_xen
        assert outcome(found, virt, "pygrub") is by_xen
    assert outcome(found, "pv", "pvgrub") is by_grub
    # These start a bzImage, which unpacks itself.
    for virt, boot in (("pvh", "pvgrub"), ("hvm", "direct"), ("hvm", "bios"), ("hvm", "uefi")):
        assert outcome(found, virt, boot) is WILL


@pytest.mark.parametrize(
    ("changes", "pv", "pvh", "hvm"),
    [
        ({"pv": False}, WILL_NOT, WILL, WILL),
        ({"pv": None}, UNKNOWN, WILL, WILL),
        ({"pvh": False}, WILL, WILL_NOT, WILL),
        ({"pvh": None}, WILL, UNKNOWN, WILL),
        ({"bits": 32}, UNKNOWN, WILL_NOT, WILL_NOT),
        ({"problem": "cut short"}, WILL_NOT, WILL_NOT, WILL_NOT),
        ({"drivers": {}}, UNKNOWN, UNKNOWN, UNKNOWN),
        ({"pvhvm": None}, WILL, WILL, WILL),
    ],
)
def test_kernels(changes: dict[str, object], pv: Outcome, pvh: Outcome, hvm: Outcome) -> None:
    found = with_kernel(**changes)
    if changes == {"bits": 32}:
        # 64-bit programs on it end the matter for PV, too.
        assert outcome(found, "pv", "pygrub") is WILL_NOT
        found = replace(found, root=replace(USERLAND, arch="i386"))
        pvh = hvm = WILL
    assert outcome(found, "pv", "pygrub") is pv
    assert outcome(found, "pvh", "pygrub") is pvh
    assert outcome(found, "hvm", "bios") is hvm


def test_an_old_kernel_may_not_know_that_grub_started_it_in_pvh() -> None:
    found = with_kernel(version="4.19.0 (x)")
    assert outcome(found, "pvh", "pvgrub") is UNKNOWN
    assert outcome(found, "pvh", "direct") is WILL


@pytest.mark.parametrize(
    ("root", "pv", "hvm"),
    [
        ("UUID=u-1", WILL, WILL),
        ("UUID=U-1", WILL, WILL),
        ("UUID=u-2", WILL_NOT, WILL_NOT),
        ("LABEL=r", WILL, WILL),
        ("LABEL=R", WILL_NOT, WILL_NOT),
        ("PARTUUID=p-1", WILL, WILL),
        ("/dev/disk/by-uuid/u-1", WILL, WILL),
        ("/dev/xvda1", WILL, WILL),
        ("/dev/xvda2", WILL_NOT, WILL_NOT),
        ("/dev/xvdb1", WILL_NOT, WILL_NOT),
        ("/dev/sda1", WILL_NOT, WILL_NOT),
        ("/dev/vda1", WILL_NOT, WILL_NOT),
        ("/dev/loop0p1", WILL_NOT, WILL_NOT),
        ("/dev/mapper/vg-root", UNKNOWN, UNKNOWN),
        ("ZFS=rpool", UNKNOWN, UNKNOWN),
    ],
)
def test_roots(root: str, pv: Outcome, hvm: Outcome) -> None:
    found = with_args(f"root={root} console=hvc0 console=ttyS0")
    assert outcome(found, "pv", "pvgrub") is pv
    assert outcome(found, "hvm", "bios") is hvm
    # The harness names the root itself.
    assert outcome(found, "pv", "direct") is WILL


def test_an_hvm_guest_without_xen_drivers_has_its_root_on_sda() -> None:
    kernel = replace(
        KERNEL,
        pvhvm=False,
        drivers={"ahci": Driver.BUILTIN, "sd-mod": Driver.BUILTIN, "ext4": Driver.BUILTIN},
    )
    choice = replace(CHOICE, kernel=kernel, args="root=/dev/sda1 console=ttyS0")
    assert outcome(report(choice), "hvm", "bios") is WILL
    other = replace(choice, args="root=/dev/xvda1 console=ttyS0")
    assert outcome(report(other), "hvm", "bios") is WILL_NOT


def test_a_file_system_alone_is_the_guests_first_partition() -> None:
    disk = Disk(table="", partitions=(replace(ROOT, number=0, start=0),))
    root = replace(USERLAND, partition=0, offset=0)
    choice = replace(
        CHOICE,
        partition=0,
        kernel=replace(KERNEL, partition=0),
        initrd=replace(INITRD, partition=0),
        args="root=/dev/xvda1 console=hvc0",
    )
    found = report(choice, disk=disk, root=root)
    assert outcome(found, "pv", "pygrub") is WILL
    assert outcome(found, "pv", "direct") is WILL
    case = Case(report=found, virt=Virt.PV, boot=Boot.PYGRUB)
    assert case.device("/dev/xvda") is Lookup.ABSENT


def test_inside_a_volume_group_there_may_be_anything() -> None:
    disk = replace(
        report().disk,
        partitions=(
            ROOT,
            Partition(number=2, start=0, size=1, fs=FileSystem(type="LVM2_member", problem="x")),
        ),
    )
    found = report(replace(CHOICE, args="root=UUID=u-9 console=hvc0"), disk=disk)
    assert outcome(found, "pv", "pygrub") is UNKNOWN


@pytest.mark.parametrize(
    ("args", "kernel_args", "pv", "pvh", "hvm"),
    [
        ("console=hvc0", "", WILL, WILL, WILL),
        ("console=ttyS0,115200", "", UNKNOWN, UNKNOWN, WILL),
        ("", "", WILL, UNKNOWN, UNKNOWN),
        ("", "console=hvc0 console=ttyS0", WILL, WILL, WILL),
    ],
)
def test_consoles(args: str, kernel_args: str, pv: Outcome, pvh: Outcome, hvm: Outcome) -> None:
    found = with_args(f"root=UUID=u-1 {args}")
    cells = [(Virt.PV, Boot.PYGRUB), (Virt.PVH, Boot.PYGRUB), (Virt.HVM, Boot.BIOS)]
    outcomes = [predict(found, *cell, kernel_args=kernel_args).outcome for cell in cells]
    assert outcomes == [pv, pvh, hvm]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"init": "sysvinit", "automatic": False, "gettys": frozenset({"hvc0"})}, WILL),
        ({"init": "sysvinit", "automatic": False, "gettys": frozenset({"tty1"})}, WILL_NOT),
        ({"init": "other", "automatic": False}, UNKNOWN),
        ({"init": ""}, WILL_NOT),
        ({"no_login": "it has no login program"}, WILL_NOT),
        ({"arch": "arm64"}, WILL_NOT),
        ({"arch": "i386"}, WILL),
    ],
)
def test_systems(changes: dict[str, object], expected: Outcome) -> None:
    root = replace(USERLAND, **changes)  # type: ignore[arg-type]
    assert outcome(report(root=root), "pv", "pygrub") is expected


def test_what_was_not_read_is_never_promised() -> None:
    unread = replace(ROOT, fs=FileSystem(type="btrfs", uuid="u-1", problem="btrfs"))
    disk = replace(report().disk, partitions=(unread,))
    drivers = dict.fromkeys(("xen-blkfront", "btrfs", "ext4"), Driver.BUILTIN)
    choice = replace(CHOICE, kernel=replace(KERNEL, drivers=drivers))
    found = report(choice, disk=disk, root=None, root_problem="partition 1: btrfs")
    assert {predict(found, virt, boot).outcome for virt, boot in CELLS} == {UNKNOWN}
    nothing = Choice(menu="")
    assert {predict(report(nothing), virt, boot).outcome for virt, boot in CELLS} == {UNKNOWN}
    assert judge(Virt.PV, Boot.DIRECT, []).outcome is UNKNOWN


def test_an_unreadable_initramfs_is_a_doubt() -> None:
    initrd = replace(INITRD, readable=False, problem="zstd is not installed", modules=frozenset())
    assert outcome(report(replace(CHOICE, initrd=initrd)), "pv", "direct") is UNKNOWN


def test_without_an_initramfs() -> None:
    drivers = {"xen-blkfront": Driver.BUILTIN, "ext4": Driver.BUILTIN}
    choice = replace(CHOICE, initrd=None, kernel=replace(KERNEL, drivers=drivers))
    assert outcome(report(choice), "pv", "pygrub") is WILL_NOT
    assert outcome(report(choice), "pv", "direct") is UNKNOWN
    by_name = replace(choice, args="root=/dev/xvda1 console=hvc0")
    assert outcome(report(by_name), "pv", "pygrub") is WILL
    modular = replace(by_name, kernel=KERNEL)
    assert outcome(report(modular), "pv", "pygrub") is WILL_NOT


@pytest.mark.parametrize(
    ("code", "core", "expected"),
    [
        (BootCode.GRUB, True, WILL),
        (BootCode.GRUB, False, WILL_NOT),
        (BootCode.NONE, None, WILL_NOT),
        (BootCode.OTHER, None, UNKNOWN),
    ],
)
def test_boot_code(code: BootCode, core: bool | None, expected: Outcome) -> None:
    disk = replace(report().disk, boot_code=code, core=core)
    assert outcome(report(disk=disk), "hvm", "bios") is expected
    assert outcome(report(disk=disk), "hvm", "uefi") is WILL


def loader(path: str, kind: str, machine: str = "x86_64", finds: str = "") -> EfiLoader:
    return EfiLoader(path=path, machine=machine, kind=kind, finds=finds)


BOOT = "/efi/boot/bootx64.efi"


@pytest.mark.parametrize(
    ("loaders", "expected"),
    [
        ((loader(BOOT, "GRUB", finds="fs-uuid u-1"),), WILL),
        ((loader(BOOT, "GRUB", finds="label r"),), WILL),
        ((loader(BOOT, "GRUB", finds="fs-uuid u-9"),), UNKNOWN),
        ((loader(BOOT, "GRUB"),), UNKNOWN),
        ((loader(BOOT, "systemd-boot"),), WILL),
        ((loader(BOOT, "GRUB", machine="i386"),), WILL_NOT),
        ((loader(BOOT, "other", machine=""),), WILL_NOT),
        ((loader("/efi/debian/grubx64.efi", "GRUB"),), WILL_NOT),
        ((loader(BOOT, "shim"),), WILL_NOT),
        (
            (
                loader(BOOT, "shim"),
                loader("/efi/boot/grubx64.efi", "GRUB", finds="fs-uuid u-1"),
            ),
            WILL,
        ),
        ((), WILL_NOT),
    ],
)
def test_efi_loaders(loaders: tuple[EfiLoader, ...], expected: Outcome) -> None:
    found = report(esp=Esp(partition=2, loaders=loaders))
    assert outcome(found, "hvm", "uefi") is expected
    assert outcome(found, "hvm", "bios") is WILL


def test_without_an_esp_or_with_one_that_cannot_be_read() -> None:
    assert outcome(report(esp=None), "hvm", "uefi") is WILL_NOT
    assert outcome(report(esp=Esp(partition=2, problem="bad")), "hvm", "uefi") is WILL_NOT


def test_a_host_without_a_loader() -> None:
    able = set(HostFlag) - {HostFlag.PVGRUB_PVH, HostFlag.HVM}
    outcomes = {
        (virt, boot): predict(report(), virt, boot, capabilities=able).outcome
        for virt, boot in CELLS
    }
    lacking = {cell for cell, one in outcomes.items() if one is WILL_NOT}
    assert lacking == {
        (Virt.PVH, Boot.PVGRUB),
        (Virt.HVM, Boot.DIRECT),
        (Virt.HVM, Boot.BIOS),
        (Virt.HVM, Boot.UEFI),
    }


def test_every_rule_has_a_name_of_its_own_and_a_source() -> None:
    names = [rule.name for rule in RULES]
    assert len(names) == len(set(names))
    assert all(rule.source for rule in RULES)
