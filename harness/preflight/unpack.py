"""The compressions of kernels and initramfs, told by their first bytes."""

from __future__ import annotations

import bz2
import lzma
import zlib
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from harness.errors import LabError
from harness.preflight.tools import PACKAGES
from harness.remote.command import Command, Runner
from harness.remote.outcome import NOT_FOUND

_TIMEOUT = timedelta(minutes=2)
_MOST = 1 << 30
"""Bytes that anything may unpack to."""

# Linux: lib/decompress.c. What lz4 -l and the kernel call "legacy" is the only LZ4 there.
MAGIC: dict[bytes, str] = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"\x5d\0\0": "lzma",
    b"\x89LZO": "lzo",
    b"\x02\x21\x4c\x18": "lz4",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x7fELF": "none",
}
_PROGRAMS = {"zstd": ("zstd", "-dc"), "lz4": ("lz4", "-dc"), "lzo": ("lzop", "-dc")}


class NoProgram(LabError):
    """The program for a compression is not installed, so nothing is known of what is in it."""


class Decompressor(Protocol):
    """One of the standard library's."""

    @property
    def eof(self) -> bool:
        """Whether the end of the packed data was seen."""
        ...

    @property
    def unused_data(self) -> bytes:
        """What came after that."""
        ...

    def decompress(self, data: bytes, max_length: int = ..., /) -> bytes:
        """Unpack some."""
        ...


def compression_of(data: bytes) -> str:
    """Which compression it is; empty when it is none that Linux knows."""
    return next((name for magic, name in MAGIC.items() if data.startswith(magic)), "")


def decompress(data: bytes, kind: str, runner: Runner, scratch: Path) -> tuple[bytes, bool]:
    """What *data* holds, and whether it is whole: of damaged data, what comes before the damage.

    What follows the packed data is ignored, as a kernel's payload has its size there.
    `NoProgram` when the program that it takes is not installed.
    """
    if kind == "none":
        return data, True
    if kind in _PROGRAMS:
        return _by_program(data, _PROGRAMS[kind], runner, scratch)
    found: Decompressor
    if kind == "gzip":
        found = zlib.decompressobj(wbits=31)
    elif kind == "bzip2":
        found = bz2.BZ2Decompressor()
    else:
        form = lzma.FORMAT_XZ if kind == "xz" else lzma.FORMAT_ALONE
        found = lzma.LZMADecompressor(format=form)
    return _by_library(data, found)


def _by_library(data: bytes, found: Decompressor) -> tuple[bytes, bool]:
    """In pieces, so that what comes before the damage is kept."""
    out = bytearray()
    # Small pieces: one of 64 KiB may become more than a GiB at once.
    piece = 1 << 12
    for at in range(0, len(data), piece):
        try:
            out += found.decompress(data[at : at + piece])
        except (zlib.error, lzma.LZMAError, OSError, EOFError):
            return bytes(out), False
        if found.eof:
            return bytes(out), True
        if len(out) > _MOST:
            break
    return bytes(out), False


def _by_program(
    data: bytes, program: tuple[str, str], runner: Runner, scratch: Path
) -> tuple[bytes, bool]:
    packed, plain = scratch / "packed", scratch / "plain"
    packed.write_bytes(data)
    plain.write_bytes(b"")
    # The file size limit, in blocks of 512 bytes, ends what would unpack to a full disk.
    script = 'ulimit -f "$3"; out=$2; in=$1; shift 3; exec "$@" <"$in" >"$out"'
    words = ("sh", "-ec", script, "sh", str(packed), str(plain), str(_MOST // 512), *program)
    result = runner.run(Command(words), timeout=_TIMEOUT, check=False)
    if result.exit_status == NOT_FOUND:
        name = program[0]
        msg = f"{name} is not installed"
        raise NoProgram(msg, hint=f"install {PACKAGES[name]}")
    return plain.read_bytes(), result.ok
