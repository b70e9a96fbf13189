"""What a kernel can do under Xen, read out of the file itself and of its configuration.

Linux: Documentation/arch/x86/boot.rst for the header; Xen: public/elfnote.h for the notes.
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from harness.preflight.files import Tree, find, names, read_text
from harness.preflight.model import Driver, Kernel
from harness.preflight.opened import RawImage
from harness.preflight.unpack import NoProgram, compression_of, decompress
from harness.remote.command import Runner

_HEADER = 0x202
_OLDEST = 0x0208
"""The first boot protocol that says where the payload is; Xen's tools and GRUB need it."""
_ELF64 = 2
_PT_NOTE = 4
_XEN_ENTRY, _XEN_PHYS32_ENTRY = 1, 18
_PE_MAGIC = b"MZ"
_ELF_HEADER = 64
_MOST_SEGMENTS, _MOST_NOTES = 64, 1 << 16
"""Segments, and bytes of notes in each: a kernel has half a dozen, and some hundred bytes. A file
may claim 65535 that all are the whole file."""
_SHORTEST = 0x260
_XLF_KERNEL_64 = 1

BLOCK, NETWORK = "xen-blkfront", "xen-netfront"
# Driver -> its line in the kernel's configuration.
_OPTIONS = {
    BLOCK: "XEN_BLKDEV_FRONTEND",
    NETWORK: "XEN_NETDEV_FRONTEND",
    "ext4": "EXT4_FS",
    "xfs": "XFS_FS",
    "btrfs": "BTRFS_FS",
    "ahci": "SATA_AHCI",
    "sd-mod": "BLK_DEV_SD",
    "dm-mod": "BLK_DEV_DM",
}
INTERESTING = frozenset(_OPTIONS)
"""Drivers without which a guest may not find its root."""
_SURE = frozenset({"gzip", "bzip2", "xz"})
"""Compressions whose end is told by the data itself."""
_DRIVERS = {"y": Driver.BUILTIN, "m": Driver.MODULE}


@dataclass(frozen=True, kw_only=True)
class _Payload:
    """What the packed part of a kernel says. None: it could not be read."""

    compression: str = ""
    bits: int | None = None
    pv: bool | None = None
    pvh: bool | None = None
    problem: str = ""
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class _Config:
    """What the configuration beside it says."""

    options: Mapping[str, str] = field(default_factory=dict)
    path: str = ""

    def has(self, option: str) -> bool | None:
        """Whether the option is on; None without a configuration."""
        return self.options.get(option) == "y" if self.options else None


def read_kernel(
    image: RawImage, tree: Tree, partition: int, path: str, runner: Runner
) -> Kernel | None:
    """The kernel at *path*; None when there is no such file. `UnreadableError` for a bad disk."""
    found = find(tree, path)
    if found is None or not found[1].is_file:
        return None
    real, node = found
    data = tree.content(node)
    kernel = Kernel(
        partition=partition,
        path=real,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
    )
    if problem := _no_kernel(data):
        return replace(kernel, problem=problem)
    payload = _payload(data, image, runner)
    kernel = replace(
        kernel,
        version=_version(data),
        compression=payload.compression,
        bits=payload.bits or _bits(data),
        problem=payload.problem,
    )
    return with_config(kernel, tree, payload.pv, payload.pvh, payload.source)


def with_config(
    kernel: Kernel, tree: Tree, pv: bool | None, pvh: bool | None, source: str
) -> Kernel:
    """*kernel*, with what /boot/config-VERSION says. Notes in the kernel itself count more."""
    config = _config(tree, kernel)
    if pv is None:
        pv, pvh = config.has("CONFIG_XEN_PV"), config.has("CONFIG_PVH")
        source = config.path
    drivers = {
        name: _DRIVERS.get(config.options.get(f"CONFIG_{option}", ""), Driver.NONE)
        for name, option in _OPTIONS.items()
        if config.options
    }
    return replace(
        kernel,
        pv=pv,
        pvh=pvh,
        pvhvm=config.has("CONFIG_XEN_PVHVM"),
        drivers=drivers,
        source=source,
    )


def _no_kernel(data: bytes) -> str:
    if len(data) < _SHORTEST or data[_HEADER : _HEADER + 4] != b"HdrS":
        if data.startswith(b"\x7fELF"):
            return "" if len(data) >= _ELF_HEADER else f"it is cut short: {len(data)} bytes"
        return "it is no Linux kernel (it has no bzImage header)"
    (version,) = struct.unpack_from("<H", data, 0x206)
    if version < _OLDEST:
        return f"its boot protocol is {version >> 8}.{version & 0xFF:02}, older than 2.08"
    start, length = _payload_place(data)
    # The kernel's own size, in units of 16 bytes, without its setup part.
    (paragraphs,) = struct.unpack_from("<I", data, 0x1F4)
    whole = max(start + length, _setup_bytes(data) + (paragraphs - 1) * 16)
    if len(data) < whole:
        return f"it is cut short: {len(data)} bytes of {whole}"
    return ""


def _setup_bytes(data: bytes) -> int:
    return ((data[0x1F1] or 4) + 1) * 512


def _payload_place(data: bytes) -> tuple[int, int]:
    offset, length = struct.unpack_from("<II", data, 0x248)
    return _setup_bytes(data) + offset, length


def _version(data: bytes) -> str:
    if data.startswith(b"\x7fELF"):
        return ""
    (at,) = struct.unpack_from("<H", data, 0x20E)
    return data[at + 0x200 : at + 0x400].split(b"\0")[0].decode(errors="replace") if at else ""


def _bits(data: bytes) -> int | None:
    if data.startswith(b"\x7fELF"):
        return 64 if data[4] == _ELF64 else 32
    (flags,) = struct.unpack_from("<H", data, 0x236)
    return 64 if flags & _XLF_KERNEL_64 else 32


def _payload(data: bytes, image: RawImage, runner: Runner) -> _Payload:
    if data.startswith(b"\x7fELF"):
        return _notes_of(data, "none")
    start, length = _payload_place(data)
    packed = data[start : start + length]
    kind = compression_of(packed)
    if not kind:
        return _Payload(compression="unknown")
    try:
        plain, whole = decompress(packed, kind, runner, image.directory)
    except NoProgram:
        return _Payload(compression=kind)
    # The programs complain of the size that stands after the data, which may still be whole.
    if not whole and (kind in _SURE or len(plain) < _stated_size(packed)):
        return _Payload(compression=kind, problem=f"its {kind} payload is damaged")
    return _notes_of(plain, kind)


def _stated_size(packed: bytes) -> int:
    """The size of the unpacked kernel, which its makefile puts after most compressions."""
    return int.from_bytes(packed[-4:], "little")


def _notes_of(elf: bytes, compression: str) -> _Payload:
    if not elf.startswith(b"\x7fELF") or len(elf) < _ELF_HEADER:
        return _Payload(compression=compression)
    try:
        kinds = {kind for owner, kind in _notes(elf) if owner == b"Xen"}
    except struct.error:
        return _Payload(compression=compression)
    return _Payload(
        compression=compression,
        bits=64 if elf[4] == _ELF64 else 32,
        pv=_XEN_ENTRY in kinds,
        pvh=_XEN_PHYS32_ENTRY in kinds,
        source="its ELF notes",
    )


def _notes(elf: bytes) -> Iterator[tuple[bytes, int]]:
    """Owner and type of each note in the program headers (elf(5))."""
    wide = elf[4] == _ELF64
    (table,) = struct.unpack_from("<Q" if wide else "<I", elf, 32 if wide else 28)
    size, count = struct.unpack_from("<HH", elf, 54 if wide else 42)
    for number in range(min(count, _MOST_SEGMENTS)):
        at = table + number * size
        (kind,) = struct.unpack_from("<I", elf, at)
        if kind != _PT_NOTE:
            continue
        offset, length = _extent(elf, at, wide=wide)
        yield from _notes_in(elf[offset : offset + min(length, _MOST_NOTES)])


def _extent(elf: bytes, at: int, *, wide: bool) -> tuple[int, int]:
    if wide:
        (offset,) = struct.unpack_from("<Q", elf, at + 8)
        (length,) = struct.unpack_from("<Q", elf, at + 32)
    else:
        (offset,) = struct.unpack_from("<I", elf, at + 4)
        (length,) = struct.unpack_from("<I", elf, at + 16)
    return offset, length


def _notes_in(data: bytes) -> Iterator[tuple[bytes, int]]:
    at = 0
    while at + 12 <= len(data):
        name_size, size, kind = struct.unpack_from("<III", data, at)
        name = data[at + 12 : at + 12 + name_size].rstrip(b"\0")
        yield name, kind
        at += 12 + -(-name_size // 4) * 4 + -(-size // 4) * 4


def _config(tree: Tree, kernel: Kernel) -> _Config:
    """Beside the kernel, as Debian and most others have it, or with the modules, as Fedora."""
    folder = kernel.path.rpartition("/")[0]
    release = kernel.release or re.sub(r"^[a-z]+-", "", kernel.path.rpartition("/")[2])
    for path in (f"{folder}/config-{release}", f"/lib/modules/{release}/config"):
        text = read_text(tree, path)
        if text is not None and "CONFIG_" in text:
            lines = (line.partition("=") for line in text.splitlines() if line[:7] == "CONFIG_")
            return _Config(options={name: value for name, _, value in lines}, path=path)
    return _Config()


def newest_kernel(tree: Tree, folder: str) -> str | None:
    """The path of the newest ``vmlinuz*`` in *folder*, by version; None without one."""
    found = [name for name in names(tree, folder) if re.match(r"vmlinuz|bzImage", name)]
    return f"{folder}/{max(found, key=_by_version)}" if found else None


def _by_version(name: str) -> list[tuple[int, str]]:
    """For sorting: numbers in a name count as numbers."""
    parts = re.split(r"([0-9]+)", name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
