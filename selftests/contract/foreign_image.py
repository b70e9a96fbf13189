"""Small disk images for tests: real partition tables and file systems, stubs for programs.

A kernel is a bzImage header around a gzipped ELF file with Xen's notes; an initramfs is a real
one, with empty modules. Everything is made without root, and each part can be left out or broken.
"""

from __future__ import annotations

import gzip
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.remote.command import Command
from harness.remote.local import LocalRunner

MIB = 1 << 20
UUID = "6b5f3c2e-8a9d-4e0b-9c1f-0123456789ab"
LABEL = "foreign"
RELEASE = "6.1.0-9-test"
KERNEL, INITRD = f"/boot/vmlinuz-{RELEASE}", f"/boot/initrd.img-{RELEASE}"
CONSOLES = "console=hvc0 console=ttyS0,115200n8"
MODULES = ("xen-blkfront", "ext4", "ahci", "sd_mod")

ROOT_AT, ROOT_SIZE = 10 * MIB, 24 * MIB
ESP_AT, ESP_SIZE = 2 * MIB, 8 * MIB
DISK_SIZE = 36 * MIB
_CORE_SECTOR = 2048
_TABLE = f"""\
label: gpt
start=2048, size=2048, type=21686148-6449-6E6F-744E-656564454649
start={ESP_AT // 512}, size={ESP_SIZE // 512}, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B
start={ROOT_AT // 512}, size={ROOT_SIZE // 512}, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4
"""


def elf_with_notes(*kinds: int) -> bytes:
    """A 64-bit x86 ELF file whose only segment holds a note of Xen's for each of *kinds*."""
    notes = b"".join(struct.pack("<III", 4, 8, kind) + b"Xen\0" + bytes(8) for kind in kinds)
    header = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHI", 2, 0x3E, 1)
    header += struct.pack("<QQQIHHHHHH", 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 4, 4, 120, 0, 0, len(notes), len(notes), 4)
    return header + segment + notes + bytes(4096)


def bzimage(payload: bytes, release: str = RELEASE) -> bytes:
    """A kernel file of boot protocol 2.15 around a packed *payload*."""
    head = bytearray(2 * 512)
    head[0x1F1] = 1
    head[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", head, 0x206, 0x20F)
    struct.pack_into("<H", head, 0x20E, 0x100)
    struct.pack_into("<H", head, 0x236, 1)
    struct.pack_into("<II", head, 0x248, 0, len(payload))
    version = f"{release} (test)".encode()
    head[0x300 : 0x300 + len(version)] = version
    body = payload + bytes(-len(payload) % 16)
    struct.pack_into("<I", head, 0x1F4, len(body) // 16)
    return bytes(head) + body


def cpio(members: Mapping[str, bytes]) -> bytes:
    """A cpio archive of the kind that the kernel reads."""
    out = bytearray()
    for name, content in [*members.items(), ("TRAILER!!!", b"")]:
        fields = [0, 0o100644, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0]
        out += b"070701" + b"".join(b"%08X" % value for value in fields)
        out += name.encode() + b"\0"
        out += bytes(-len(out) % 4)
        out += content
        out += bytes(-len(out) % 4)
    return bytes(out)


def initramfs(modules: tuple[str, ...] = MODULES) -> bytes:
    """Microcode in an archive of its own, then a packed one with *modules*."""
    early = cpio({"kernel/x86/microcode/GenuineIntel.bin": b"x" * 100})
    folder = f"usr/lib/modules/{RELEASE}/kernel/drivers"
    members = {"init": b"#!/bin/sh\n"} | {f"{folder}/{name}.ko": b"m" * 64 for name in modules}
    return early + bytes(-len(early) % 512) + gzip.compress(cpio(members), mtime=0)


def efi_program(text: bytes = b"", machine: int = 0x8664) -> bytes:
    """A PE program with one section, in which *text* stands."""
    head = bytearray(512)
    head[0:2] = b"MZ"
    struct.pack_into("<I", head, 0x3C, 64)
    head[64:68] = b"PE\0\0"
    struct.pack_into("<HH", head, 68, machine, 1)
    struct.pack_into("<II", head, 64 + 24 + 16, 512, 512)
    return bytes(head) + text.ljust(512, b"\0")


def grub_efi() -> bytes:
    """GRUB, as grub-mkimage makes it with a search in its built-in configuration."""
    return efi_program(b"GRUB grub_main search.fs_uuid " + UUID.encode() + b" root\n")


def menu(root: str = f"UUID={UUID}", consoles: str = CONSOLES) -> str:
    """A grub.cfg such as grub-mkconfig writes, with a submenu after the default entry."""
    entry = f"""\
menuentry 'Test' --class gnu-linux $menuentry_id_option 'gnulinux-simple' {{
        insmod gzio
        search --no-floppy --fs-uuid --set=root {UUID}
        echo    'Loading ...'
        linux   {KERNEL} root={root} ro {consoles}
        initrd  {INITRD}
}}
"""
    return f"""\
set default="0"
set timeout=5
function savedefault {{
  save_env saved_entry
}}
{entry}submenu 'Advanced' $menuentry_id_option 'advanced' {{
{entry}}}
"""


_ELF_STUB = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", 2, 0x3E) + bytes(44)


def tree_files() -> dict[str, bytes]:
    """A root file system that boots, by path."""
    config = "".join(
        f"CONFIG_{name}={value}\n"
        for name, value in {
            "XEN_PV": "y",
            "PVH": "y",
            "XEN_PVHVM": "y",
            "XEN_BLKDEV_FRONTEND": "m",
            "EXT4_FS": "m",
            "ATA_PIIX": "m",
            "BLK_DEV_SD": "m",
        }.items()
    )
    return {
        "/etc/os-release": b'PRETTY_NAME="Test 1.0"\n',
        "/etc/passwd": b"root:x:0:0::/root:/bin/sh\n",
        "/etc/fstab": f"UUID={UUID} / ext4 errors=remount-ro 0 1\n".encode(),
        "/etc/machine-id": b"",
        "/etc/network/interfaces": b"auto eth0\niface eth0 inet dhcp\n",
        "/bin/sh": _ELF_STUB,
        "/bin/login": _ELF_STUB,
        "/sbin/agetty": _ELF_STUB,
        "/usr/sbin/sshd": _ELF_STUB,
        "/usr/lib/systemd/systemd": _ELF_STUB,
        "/usr/lib/systemd/system-generators/systemd-getty-generator": _ELF_STUB,
        "/boot/grub/grub.cfg": menu().encode(),
        f"/boot/config-{RELEASE}": config.encode(),
        KERNEL: bzimage(gzip.compress(elf_with_notes(1, 5, 18), mtime=0)),
        INITRD: initramfs(),
    }


@dataclass(kw_only=True)
class Foreign:
    """An image to make. Change its parts, then call `make`."""

    files: dict[str, bytes] = field(default_factory=tree_files)
    links: dict[str, str] = field(default_factory=lambda: {"/sbin/init": "/lib/systemd/systemd"})
    esp: dict[str, bytes] = field(default_factory=lambda: {"/EFI/BOOT/BOOTX64.EFI": grub_efi()})
    boot_code: bool = True
    root_fs: str = "ext4"

    def make(self, directory: Path) -> Path:
        """The disk image, as a raw file in *directory*."""
        runner = LocalRunner()
        path = directory / "foreign.img"
        with path.open("wb") as file:
            file.truncate(DISK_SIZE)
        runner.run(Command.of("sfdisk", "-q", path), stdin=_TABLE.encode())
        _write(path, ROOT_AT, self.make_root(directory).read_bytes())
        _write(path, ESP_AT, self._make_esp(directory).read_bytes())
        if self.boot_code:
            code = bytearray(440)
            code[0x5C:0x64] = struct.pack("<Q", _CORE_SECTOR)
            code[0x180 : 0x180 + 20] = b"GRUB \0Geom\0Hard Disk"
            _write(path, 0, bytes(code))
            _write(path, _CORE_SECTOR * 512, b"\x52\xe8" * 256)
        return path

    def make_root(self, directory: Path) -> Path:
        """Its root file system alone."""
        path = directory / "root.part"
        if self.root_fs == "btrfs":
            path.write_bytes(btrfs_superblock())
            return path
        tree = directory / "tree"
        for name, content in self.files.items():
            place = tree / name.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        (tree / "lib").symlink_to("usr/lib")
        for name, target in self.links.items():
            place = tree / name.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(target)
        options = ("-q", "-F", "-t", self.root_fs, "-U", UUID, "-L", LABEL, "-d", tree)
        LocalRunner().run(Command.of("mke2fs", *options, path, f"{ROOT_SIZE // 1024}k"))
        return path

    def _make_esp(self, directory: Path) -> Path:
        path = directory / "esp.part"
        with path.open("wb") as file:
            file.truncate(ESP_SIZE)
        runner = LocalRunner()
        runner.run(Command.of("mformat", "-i", path, "::"))
        made: set[str] = set()
        for name, content in self.esp.items():
            for folder in reversed(Path(name).parents):
                if str(folder) not in {"/", *made}:
                    made.add(str(folder))
                    runner.run(Command.of("mmd", "-i", path, f"::{folder}"))
            source = directory / "esp.file"
            source.write_bytes(content)
            runner.run(Command.of("mcopy", "-i", path, source, f"::{name}"))
        return path


def _write(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def btrfs_superblock() -> bytes:
    """What blkid knows btrfs by: a file system of which only the signature can be read."""
    block = bytearray(4096)
    block[0x20:0x30] = bytes.fromhex(UUID.replace("-", ""))
    struct.pack_into("<Q", block, 0x30, 1 << 16)
    block[0x40:0x48] = b"_BHRfS_M"
    struct.pack_into("<I", block, 0x90, 4096)
    struct.pack_into("<I", block, 0, _crc32c(bytes(block[0x20:])))
    return bytes(1 << 16) + bytes(block) + bytes(MIB)


def _crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF
