"""Checks of what a guest's firmware finds: boot code, and the EFI system partition."""

from __future__ import annotations

from collections.abc import Iterator

from harness.preflight.case import Case
from harness.preflight.disk import BIOS_BOOT
from harness.preflight.esp import FALLBACK
from harness.preflight.evidence import Evidence, bad, doubt, good, note
from harness.preflight.model import BootCode, Partition
from harness.preflight.uefi import fallback_loader


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
