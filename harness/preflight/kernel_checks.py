"""Checks of the kernel: is it found, can it do what is asked, and who unpacks it?"""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.flight.axes import Boot
from harness.preflight.case import Case
from harness.preflight.evidence import Evidence, bad, doubt, good

# libxenguest. LZO and bzip2 are there only when it was built with their libraries: Debian's
# (4.17) was not. zstd came with Xen 4.15.
XEN_UNPACKS = frozenset({"none", "gzip", "xz", "lzma", "lz4", "zstd"})
XEN_MAY_UNPACK = frozenset({"lzo", "bzip2"})
# GRUB's filters for any file that it opens: gzio, xzio, lzopio. A PV guest's kernel is unpacked
# by its loader; on a PVH guest GRUB starts a bzImage, which unpacks itself.
GRUB_UNPACKS = frozenset({"none", "gzip", "xz", "lzo"})
GRUB_TO_PVH = (4, 20)
"""The first Linux that finds out by itself that it is in a PVH guest: GRUB does not tell it."""
BITS_64 = 64


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
    elif kernel.bits != BITS_64:
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
