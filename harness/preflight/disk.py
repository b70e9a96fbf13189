"""Partition table, boot code, and what file system each partition has."""

from __future__ import annotations

import json
import struct
from typing import Any

from harness.errors import LabError
from harness.preflight.model import BootCode, Disk, FileSystem, Partition
from harness.preflight.opened import RawImage
from harness.preflight.tools import look
from harness.remote.command import Runner, pairs_in

BIOS_BOOT = "21686148-6449-6E6F-744E-656564454649"
EFI_SYSTEM = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
EFI_SYSTEM_MBR = "ef"
EXTENDED = frozenset({"5", "f", "85"})
"""MBR types of a partition that holds others."""

_PROTECTIVE = "ee"

_SECTOR = 512
_CODE = 440
# GRUB's boot.S: the word at the start of its messages, and the sector of its core.
_GRUB_MARK = b"GRUB \0Geom\0"
_CORE_SECTOR = 0x5C


def read_disk(image: RawImage, runner: Runner) -> Disk:
    """What is where on the disk. A disk without a table may be one file system."""
    result = look(runner, "sfdisk", "--json", image.path, check=False)
    code, core = _boot_code(image)
    if not result.ok:
        fs = _file_system(image, 0, image.size, runner)
        whole = (Partition(number=0, start=0, size=image.size, fs=fs),) if fs else ()
        return Disk(table="", partitions=whole, boot_code=code, core=core)
    table = json.loads(result.stdout)["partitiontable"]
    parts = tuple(
        _partition(image, table, entry, runner)
        for entry in table.get("partitions", ())
        if entry["size"] > 0
    )
    if table["label"] == "dos" and [part.kind.lower() for part in parts] == [_PROTECTIVE]:
        # Only what protects a GPT from old programs is left of it.
        damage = "its GPT is damaged, or names more than there is: is the image cut short?"
        return Disk(table="gpt", partitions=(), damage=damage, boot_code=code, core=core)
    if not parts and (fs := _file_system(image, 0, image.size, runner)):
        # A boot sector looks like an empty table: FAT's does.
        parts = (Partition(number=0, start=0, size=image.size, fs=fs),)
        return Disk(table="", partitions=parts, boot_code=code, core=core)
    return Disk(
        table=table["label"],
        partitions=parts,
        damage=_damage(result.stderr, parts, image.size),
        boot_code=code,
        core=core,
    )


def _partition(
    image: RawImage, table: dict[str, Any], entry: dict[str, Any], runner: Runner
) -> Partition:
    sector = int(table.get("sectorsize", _SECTOR))
    start, size = entry["start"] * sector, entry["size"] * sector
    number = int(entry["node"].removeprefix(table["device"]).lstrip("p"))
    uuid = entry.get("uuid", "").lower()
    if not uuid and table["label"] == "dos":
        # Linux: block/partitions/msdos.c. The disk's signature and the partition's number.
        uuid = f"{int(table.get('id', '0'), 16):08x}-{number:02x}"
    kind = entry["type"]
    if table["label"] == "dos" and kind.lower() in EXTENDED:
        return Partition(number=number, start=start, size=size, kind=kind)
    inside = start + size <= image.size
    fs = _file_system(image, start, size, runner) if inside else None
    return Partition(number=number, start=start, size=size, kind=kind, uuid=uuid, fs=fs)


def _damage(stderr: str, parts: tuple[Partition, ...], size: int) -> str:
    # Linux uses the backup table only when told to (block/partitions/efi.c, "gpt" parameter).
    if "primary GPT table is corrupt" in stderr:
        return "the primary GPT is damaged; only its backup at the end of the disk is whole"
    past = [part.number for part in parts if part.start + part.size > size]
    if past:
        numbers = ", ".join(map(str, past))
        return f"partition {numbers} reaches past the end of the image: is it cut short?"
    return ""


def _file_system(image: RawImage, start: int, size: int, runner: Runner) -> FileSystem | None:
    """By its signature, as blkid(8) knows it; None where there is none."""
    result = look(
        runner,
        *("blkid", "-p", "-o", "export", "-u", "filesystem,raid,crypto,other"),
        *("-O", start, "-S", size, image.path),
        check=False,
    )
    fields = pairs_in(result.stdout)
    if result.exit_status == _AMBIVALENT:
        return FileSystem(type="", problem="it has the signatures of several file systems")
    if not result.ok and result.exit_status != _NOTHING:
        raise LabError(result.check().stderr)
    if "TYPE" not in fields:
        return None
    return FileSystem(
        type=fields["TYPE"], uuid=fields.get("UUID", ""), label=_plain(fields.get("LABEL", ""))
    )


_NOTHING, _AMBIVALENT = 2, 8  # blkid(8), EXIT STATUS


def _plain(text: str) -> str:
    """Without the backslashes that blkid's export format puts before unusual characters."""
    return text.replace("\\", "")


def _boot_code(image: RawImage) -> tuple[BootCode, bool | None]:
    first = image.read(0, _SECTOR)
    if not first[:_CODE].strip(b"\0"):
        return BootCode.NONE, None
    if _GRUB_MARK not in first[:_CODE]:
        return BootCode.OTHER, None
    (sector,) = struct.unpack_from("<Q", first, _CORE_SECTOR)
    core = image.read(sector * _SECTOR, _SECTOR) if sector else b""
    return BootCode.GRUB, bool(core.strip(b"\0"))
