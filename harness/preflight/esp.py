"""The EFI system partition: what OVMF finds there.

A guest's firmware starts with no variables of its own, so it looks only for the loader that every
removable disk has: ``\\EFI\\BOOT\\BOOTX64.EFI`` (UEFI specification, 3.5.1.1).
"""

from __future__ import annotations

import re
import struct

from harness.preflight.disk import EFI_SYSTEM, EFI_SYSTEM_MBR
from harness.preflight.files import Node, Tree, UnreadableError
from harness.preflight.model import Disk, EfiLoader, Esp, Partition

FALLBACK = "/efi/boot/bootx64.efi"
_MACHINES = {0x8664: "x86_64", 0x14C: "i386", 0xAA64: "aarch64"}
_DEPTH = 6
_SEARCH = re.compile(
    rb"search(?:\.fs_|\s+(?:--no-floppy\s+)?--(?:fs-)?)(?P<by>uuid|label)\s+"
    rb"(?:--set=root\s+)?(?P<what>[A-Za-z0-9_.-]+)"
)


def find_esp(disk: Disk) -> Partition | None:
    """The EFI system partition, by its type."""
    for part in disk.partitions:
        if part.kind.upper() == EFI_SYSTEM or (
            disk.table == "dos" and part.kind.lower() == EFI_SYSTEM_MBR
        ):
            return part
    return None


def read_esp(partition: Partition, tree: Tree) -> Esp:
    """The loaders in it."""
    try:
        loaders = tuple(
            _loader(path, tree.content(node), tree)
            for path, node in _files(tree, tree.top, "")
            if path.endswith(".efi")
        )
    except UnreadableError as error:
        return Esp(partition=partition.number, problem=str(error))
    return Esp(partition=partition.number, loaders=loaders)


def _files(tree: Tree, directory: Node, path: str) -> list[tuple[str, Node]]:
    """All files below *directory*, small letters, in order."""
    found: list[tuple[str, Node]] = []
    for name, node in sorted(tree.entries(directory).items()):
        here = f"{path}/{name}".lower()
        if node.is_dir and here.count("/") < _DEPTH:
            found += _files(tree, node, here)
        elif node.is_file:
            found.append((here, node))
    return found


def _loader(path: str, data: bytes, tree: Tree) -> EfiLoader:
    kind = _kind(data)
    return EfiLoader(
        path=path,
        machine=_machine(data),
        kind=kind,
        finds=_finds(data, tree) if kind == "GRUB" else "",
    )


def _machine(data: bytes) -> str:
    """Of a PE program, that it was built for; empty when it is none or not a whole one."""
    if data[:2] != b"MZ" or len(data) < 64:
        return ""
    (start,) = struct.unpack_from("<I", data, 0x3C)
    if data[start : start + 4] != b"PE\0\0" or len(data) < start + 24:
        return ""
    machine, sections = struct.unpack_from("<HH", data, start + 4)
    (optional,) = struct.unpack_from("<H", data, start + 20)
    table = start + 24 + optional
    for number in range(sections):
        at = table + 40 * number
        if at + 40 > len(data):
            return ""
        size, where = struct.unpack_from("<II", data, at + 16)
        if where + size > len(data):
            return ""
    return _MACHINES.get(machine, "")


def _kind(data: bytes) -> str:
    if b"LoaderInfo: systemd-boot" in data:
        return "systemd-boot"
    if b".linux\0\0" in data[:4096] and b".osrel" in data[:4096]:
        return "unified kernel"
    if b"UEFI SHIM" in data:
        return "shim"
    if b"GRUB" in data and b"grub_" in data:
        return "GRUB"
    return "other"


def _finds(data: bytes, tree: Tree) -> str:
    """How this GRUB finds its menu: by what is built in, or by the grub.cfg of a vendor."""
    texts = [data]
    for path, node in _files(tree, tree.top, ""):
        if path.endswith("/grub.cfg"):
            texts.append(tree.content(node))
    for text in texts:
        if match := _SEARCH.search(text):
            by = "fs-uuid" if match["by"] == b"uuid" else "label"
            return f"{by} {match['what'].decode()}"
    return ""
