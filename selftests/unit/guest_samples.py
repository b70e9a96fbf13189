"""Stand-ins for what GRUB's packages make, with the same numbers in the same places."""

from __future__ import annotations


def _with(size: int, values: dict[int, bytes]) -> bytes:
    data = bytearray(b"G" * size)
    for offset, value in values.items():
        data[offset : offset + len(value)] = value
    return bytes(data)


BOOT_IMG = _with(
    512, {0x5C: (1).to_bytes(8, "little"), 0x64: b"\xff\xfa\xeb\x05", 510: b"\x55\xaa"}
)
"""As boot.img of GRUB 2.06: the sector of the core image, the drive, the check of it."""

CORE_IMG = _with(512 * 5 + 100, {500: (2).to_bytes(8, "little") + b"\x06\x00\x20\x08"})
"""As core.img: its list of blocks is not yet right."""
