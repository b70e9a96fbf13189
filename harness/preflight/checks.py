"""The checks behind `harness.preflight.rules`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.flight.axes import Boot, Virt
from harness.preflight.case import Case, Lookup
from harness.preflight.disk import BIOS_BOOT
from harness.preflight.esp import FALLBACK
from harness.preflight.evidence import Evidence, bad, doubt, good, note
from harness.preflight.kernel import BLOCK
from harness.preflight.model import BootCode, Driver, Partition
from harness.preflight.uefi import fallback_loader

# libxenguest. LZO and bzip2 are there only when it was built with their libraries: Debian's
# (4.17) was not. zstd came with Xen 4.15.
XEN_UNPACKS = frozenset({"none", "gzip", "xz", "lzma", "lz4", "zstd"})
XEN_MAY_UNPACK = frozenset({"lzo", "bzip2"})
# GRUB's filters for any file that it opens: gzio, xzio, lzopio. A PV guest's kernel is unpacked
# by its loader; on a PVH guest GRUB starts a bzImage, which unpacks itself.
GRUB_UNPACKS = frozenset({"none", "gzip", "xz", "lzo"})
GRUB_TO_PVH = (4, 20)
"""The first Linux that finds out by itself that it is in a PVH guest: GRUB does not tell it."""
_BITS_64 = 64
_A = {Virt.PV: "a PV", Virt.PVH: "a PVH", Virt.HVM: "an HVM"}
_ALWAYS_THERE = frozenset({"ext2", "ext3", "ext4"})


def table(case: Case) -> Iterator[Evidence]:
    """Whether the guest sees any partition."""
    disk = case.report.disk
    if disk.damage:
        yield bad(disk.damage)
    if not disk.partitions:
        yield bad("there is neither a partition nor a file system in the image")
    elif all(part.fs is None for part in disk.partitions):
        yield bad("none of its partitions has a file system")


def kernel_found(case: Case) -> Iterator[Evidence]:
    """Whether the boot method gets at a whole kernel and its initramfs."""
    choice = case.choice
    if choice.broken:
        yield bad(choice.broken)
    elif choice.doubt:
        yield doubt(choice.doubt)
    kernel, initrd = choice.kernel, choice.initrd
    if kernel is None:
        if not choice.broken and not choice.doubt:
            yield doubt("which kernel it would load is not known")
        return
    if kernel.problem:
        yield bad(f"{kernel.path}: {kernel.problem}")
    else:
        yield good(f"{kernel.path} is a whole kernel, {kernel.release or 'of unknown version'}")
    if case.boot is Boot.DIRECT:
        yield from _given_to_xen(case)
    if initrd is not None and not initrd.readable:
        yield doubt(f"what is in {initrd.path} is not known: {initrd.problem}")


def _given_to_xen(case: Case) -> Iterator[Evidence]:
    """The harness takes both files out of the root file system (`harness.guest.kernel_files`)."""
    kernel, initrd, root = case.choice.kernel, case.choice.initrd, case.report.root
    if root is None or kernel is None:
        return
    if initrd is None:
        yield doubt("there is no initramfs, and the harness boots no kernel directly without one")
    elif {kernel.partition, initrd.partition} != {root.partition}:
        yield doubt("its kernel is not in the root file system, where the harness takes it from")


def kernel_pv(case: Case) -> Iterator[Evidence]:
    """PV needs a kernel made for it."""
    kernel = case.choice.kernel
    if kernel is None or kernel.problem:
        return
    if kernel.pv is None:
        yield doubt(f"whether {kernel.path} has PV support could not be read in it")
    elif not kernel.pv:
        yield bad(f"{kernel.path} has no PV support ({kernel.source})")
    elif kernel.bits != _BITS_64:
        yield doubt(f"{kernel.path} is a 32-bit PV kernel: many Xen hosts run only 64-bit ones")
    else:
        yield good(f"{kernel.path} has PV support ({kernel.source})")


def kernel_pvh(case: Case) -> Iterator[Evidence]:
    """PVH needs a kernel made for it, whoever loads it."""
    kernel = case.choice.kernel
    if kernel is None or kernel.problem:
        return
    if kernel.pvh is None:
        yield doubt(f"whether {kernel.path} has PVH support could not be read in it")
    elif not kernel.pvh:
        yield bad(f"{kernel.path} has no PVH support ({kernel.source})")
    elif case.boot is Boot.PVGRUB and _older(kernel.release, GRUB_TO_PVH):
        yield doubt(f"{kernel.release} may be too old to be started by GRUB in a PVH guest")
    else:
        yield good(f"{kernel.path} has PVH support ({kernel.source})")


def _older(release: str, than: tuple[int, int]) -> bool:
    match = re.match(r"(\d+)\.(\d+)", release)
    return match is None or (int(match[1]), int(match[2])) < than


def unpacked_by_xen(case: Case) -> Iterator[Evidence]:
    """The toolstack unpacks the kernel in dom0."""
    kernel = case.choice.kernel
    if kernel is None or kernel.problem:
        return
    if kernel.compression in XEN_UNPACKS:
        yield good(f"Xen's tools unpack {kernel.compression}")
    elif kernel.compression in XEN_MAY_UNPACK:
        yield doubt(
            f"the kernel is packed by {kernel.compression}, which Xen's tools unpack only when "
            "they were built to; Debian's were not"
        )
    else:
        yield bad(f"{kernel.path} is packed in a way that Xen's tools do not know")


def unpacked_by_grub(case: Case) -> Iterator[Evidence]:
    """GRUB's loader for PV guests unpacks the kernel itself."""
    kernel = case.choice.kernel
    if kernel is None or kernel.problem:
        return
    if kernel.compression in GRUB_UNPACKS:
        yield good(f"GRUB unpacks {kernel.compression}")
    else:
        yield bad(
            f"the kernel is packed by {kernel.compression}; GRUB for PV guests unpacks only gzip, "
            'xz and lzo ("not xen image")'
        )


def bios(case: Case) -> Iterator[Evidence]:
    """What SeaBIOS finds in the first sector."""
    disk = case.report.disk
    if not disk.table:
        yield bad("the image is no disk with a partition table, so no BIOS starts from it")
        return
    if disk.boot_code is BootCode.NONE:
        yield bad("there is no boot code in its first sector")
    elif disk.boot_code is BootCode.OTHER:
        yield doubt("the boot code in its first sector is not GRUB's; what it does is not known")
    elif not disk.core:
        yield bad("GRUB's boot code is in its first sector, but GRUB's core is not where it looks")
    else:
        yield good("GRUB's boot code and core are there")
        if disk.table == "gpt" and not any(p.kind.upper() == BIOS_BOOT for p in disk.partitions):
            yield note("there is no BIOS boot partition: GRUB's core is between others")


def uefi(case: Case) -> Iterator[Evidence]:
    """What OVMF finds in the EFI system partition."""
    esp = case.report.esp
    if esp is None:
        yield bad("it has no EFI system partition")
        return
    if esp.problem:
        yield bad(f"its EFI system partition cannot be read: {esp.problem}")
        return
    loader = fallback_loader(esp)
    if loader is None:
        others = ", ".join(one.path for one in esp.loaders) or "none at all"
        yield bad(f"its EFI system partition has no {FALLBACK} (loaders: {others})")
    elif loader.machine != "x86_64":
        what = f"for {loader.machine}" if loader.machine else "no whole EFI program"
        yield bad(f"{loader.path} is {what}; the firmware is 64-bit x86")
    else:
        yield from _loader(case, loader.kind, loader.finds)


def _loader(case: Case, kind: str, finds: str) -> Iterator[Evidence]:
    esp = case.report.esp
    paths = {loader.path for loader in esp.loaders} if esp else set()
    if kind == "shim":
        if "/efi/boot/grubx64.efi" not in paths and "/efi/boot/fbx64.efi" not in paths:
            yield bad("shim is there, but neither grubx64.efi nor fbx64.efi beside it")
            return
        others = [loader for loader in esp.loaders if loader.finds] if esp else []
        finds = others[0].finds if others else ""
        kind = "GRUB"
    if kind == "GRUB" and not finds:
        yield doubt("how the GRUB in its EFI system partition finds its menu could not be read")
    elif kind == "GRUB":
        by, _, value = finds.partition(" ")
        tag = "UUID" if by == "fs-uuid" else "LABEL"
        if isinstance(case.device(f"{tag}={value}"), Partition):
            yield good(f"GRUB is in its EFI system partition, and looks for {finds}")
        else:
            yield doubt(f"its EFI GRUB looks for {finds}, which is not in the image")
    elif kind == "systemd-boot":
        yield good("systemd-boot is in its EFI system partition")


def root_driver(case: Case) -> Iterator[Evidence]:
    """Whether the driver of the root disk is in the kernel or the initramfs."""
    kernel = case.choice.kernel
    if kernel is None or kernel.problem:
        return
    initrd = case.choice.initrd
    if initrd is not None and not initrd.readable:
        return
    wanted = [BLOCK]
    if case.virt is Virt.HVM and case.xen_disks is False:
        wanted = ["ata-piix", "sd-mod"]
    fs = _root_type(case)
    if fs in _ALWAYS_THERE:
        wanted.append("ext4")
    elif fs in {"xfs", "btrfs"}:
        wanted.append(fs)
    for name in wanted:
        yield _driver(case, name)


def _root_type(case: Case) -> str:
    found = [case.device(value) for value in case.values("root")]
    part = found[-1] if found else None
    return part.fs.type if isinstance(part, Partition) and part.fs else ""


def _driver(case: Case, name: str) -> Evidence:
    kernel, initrd = case.choice.kernel, case.choice.initrd
    assert kernel is not None
    where = kernel.drivers.get(name)
    if where is Driver.BUILTIN or (initrd and name in initrd.builtin):
        return good(f"{name} is built into the kernel")
    if initrd and name in initrd.modules:
        return good(f"{initrd.path} has {name}")
    if where is None:
        return doubt(
            f"where {name} is could not be found out: the kernel's configuration is not there"
        )
    if where is Driver.NONE:
        return bad(f"the kernel was built without {name}")
    if initrd is None:
        return bad(f"{name} is a module, and there is no initramfs to load it")
    state = f" ({initrd.problem})" if initrd.problem else ""
    return bad(f"{name} is a module, and {initrd.path} does not have it{state}")


def root_device(case: Case) -> Iterator[Evidence]:
    """Whether what ``root=`` names is there."""
    initrd = case.choice.initrd
    if initrd is not None and initrd.problem and initrd.readable:
        yield doubt(f"{initrd.path}: {initrd.problem}")
    if case.choice.kernel is None:
        return
    if case.boot is Boot.DIRECT and case.report.root is None:
        yield doubt(f"which partition is the root is not known: {case.report.root_problem}")
        return
    values = case.values("root")
    if not values:
        yield doubt("the kernel's line has no root=: what the initramfs does then is not known")
        return
    found = case.device(values[-1])
    if found is Lookup.ABSENT:
        yield bad(f"root={values[-1]} is not in the image, as {_A[case.virt]} guest sees it")
    elif isinstance(found, Lookup):
        yield doubt(f"whether root={values[-1]} will be there is not known")
    elif initrd is None and values[-1].startswith(("UUID=", "LABEL=")):
        yield bad(f"root={values[-1]} needs an initramfs, and there is none")
    else:
        yield from _right_root(case, values[-1], found)


def _right_root(case: Case, name: str, found: Partition) -> Iterator[Evidence]:
    root = case.report.root
    if found.fs is None:
        yield bad(f"root={name} is {found}, which has no file system")
    elif root is not None and found.number == root.partition:
        yield good(f"root={name} is {found}, {found.fs.type}")
    elif found.fs.problem:
        yield doubt(f"root={name} is {found}, unread: {found.fs.problem}")
    else:
        yield bad(f"root={name} is {found}, which holds no system")


def init(case: Case) -> Iterator[Evidence]:
    """Whether there is a system to start, for this processor."""
    root = case.report.root
    if root is None:
        yield doubt(f"the root file system was not read: {case.report.root_problem}")
        return
    if case.values("init"):
        yield doubt(f"the kernel's line names another init: {case.values('init')[-1]}")
    elif not root.init:
        yield bad("there is no /sbin/init in the root file system")
    kernel = case.choice.kernel
    if root.arch and root.arch not in {"amd64", "i386"}:
        yield bad(f"its programs are for {root.arch}, not for x86")
    elif kernel and kernel.bits and kernel.bits < _BITS_64 and root.arch == "amd64":
        yield bad("its programs are 64-bit and its kernel is not")


def fstab(case: Case) -> Iterator[Evidence]:
    """Whether what it mounts at boot is there."""
    root = case.report.root if case.choice.kernel else None
    for mount in root.mounts if root else ():
        found = case.device(mount.device)
        if isinstance(found, Partition) or mount.optional:
            continue
        what = f"/etc/fstab: {mount.device} on {mount.point}"
        if found is Lookup.UNKNOWN:
            yield doubt(f"{what} may not be there")
        elif mount.point == "/":
            yield doubt(f"{what} is not there: the root may stay read-only")
        elif mount.type == "swap":
            yield doubt(f"{what} is not there: the boot waits for it, systemd for 90 s")
        else:
            yield bad(f"{what} is not there, and the boot does not go on without it")


def console(case: Case) -> Iterator[Evidence]:
    """Whether the boot is heard where the harness listens, and ends in a login prompt there."""
    if case.choice.kernel is None:
        return
    root = case.report.root
    where = case.console
    named = [value.partition(",")[0] for value in case.values("console")]
    heard = where in named or (not named and case.virt is Virt.PV)
    if root is not None and root.no_login:
        yield bad(f"nobody could log in: {root.no_login}")
        return
    prompt = _prompt(case, heard=heard)
    if prompt is False:
        yield bad(
            f"no login prompt comes on {where}: neither the kernel's line nor a getty names it"
        )
    elif prompt is None:
        yield doubt(f"whether a login prompt comes on {where} is not known")
    elif not heard:
        yield doubt(
            f"the kernel's line has no console={where}: the boot is silent up to the login prompt"
        )
    else:
        yield good(f"the boot is heard on {where}")


def _prompt(case: Case, *, heard: bool) -> bool | None:
    root = case.report.root
    if root is None:
        return None
    if case.console in root.gettys or (heard and "console" in root.gettys):
        return True
    if root.automatic:
        # systemd's generator: hvc0 when it is there, and the kernel's consoles.
        return heard or case.console == "hvc0"
    return False if root.init in {"systemd", "sysvinit"} else None


def after_boot(case: Case) -> Iterator[Evidence]:
    """What the boot does not need, but most suites do."""
    root = case.report.root
    if root is None:
        return
    if not root.sshd:
        yield note("it has no SSH server: the step guest-ssh will not pass")
    if not root.network:
        yield note("no DHCP was found in its network set-up: the step guest-network may not pass")
