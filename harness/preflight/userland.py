"""The system in a root file system: who it is, who shows a login prompt, what it mounts."""

from __future__ import annotations

import re
import struct
from pathlib import PurePosixPath

from harness.preflight.files import Tree, exists, find, link_at, names, read_text
from harness.preflight.model import Mount, Partition, Userland

_MACHINES = {0x3E: "amd64", 0x03: "i386", 0xB7: "arm64", 0x28: "armhf", 0xF3: "riscv64"}
"""e_machine of elf(5), by Debian's names."""
_ELF_HEAD = 20
"""Bytes up to the end of e_machine."""
_UNITS = "/etc/systemd/system"
_TERMINAL = re.compile(r"\b(hvc\d|ttyS\d|xvc\d|console)\b")
# One way only to read a long row of empty lines: from each of them to the next word would take for
# ever.
_IFACE = re.compile(r"^[ \t]*iface\s+(\S+)\s+inet\s+dhcp", re.MULTILINE)
_DHCP = re.compile(r"^[ \t]*(?:DHCP\s*=\s*(?:yes|ipv4|true)|dhcp4:\s*(?:true|yes))", re.MULTILINE)
_GETTY = re.compile(r"(?:serial-)?getty@(?P<tty>[A-Za-z]+\d*)\.service")
_DEVICE = re.compile(r"/|(?:UUID|LABEL|PARTUUID|PARTLABEL)=")
_SEARCH = ("/usr/sbin", "/sbin", "/usr/bin", "/bin")
_LEAST, _WITH_OPTIONS = 3, 4
"""Fields of a line of fstab(5)."""


def is_root(tree: Tree) -> bool:
    """Whether this is a root file system: one with an /etc that has something of a system."""
    return any(exists(tree, path) for path in ("/etc/passwd", "/etc/os-release", "/etc/fstab"))


def read_userland(tree: Tree, partition: Partition) -> Userland:
    """What the root file system in *partition* says."""
    init = _init(tree)
    return Userland(
        partition=partition.number,
        offset=partition.start,
        os=_os(tree),
        arch=_arch(tree),
        init=init,
        gettys=_gettys(tree, init),
        automatic=init == "systemd" and _has_generator(tree),
        no_login=_no_login(tree, init),
        sshd=_has_program(tree, "sshd", "dropbear"),
        root_ssh=exists(tree, "/root/.ssh/authorized_keys"),
        network=_network(tree),
        machine_id=(read_text(tree, "/etc/machine-id") or "").strip(),
        mounts=tuple(_mounts(read_text(tree, "/etc/fstab") or "")),
    )


def _os(tree: Tree) -> str:
    for path in ("/etc/os-release", "/usr/lib/os-release"):
        if match := re.search(r'^PRETTY_NAME="?([^"\n]*)', read_text(tree, path) or "", re.M):
            return match[1]
    return ""


def _arch(tree: Tree) -> str:
    for path in ("/bin/sh", "/sbin/init", "/usr/lib/systemd/systemd"):
        found = find(tree, path)
        if found is None or not found[1].is_file:
            continue
        head = tree.content(found[1])[:_ELF_HEAD]
        if head.startswith(b"\x7fELF") and len(head) == _ELF_HEAD:
            (machine,) = struct.unpack_from("<H", head, 18)
            return _MACHINES.get(machine, "")
    return ""


def _init(tree: Tree) -> str:
    for path in ("/sbin/init", "/etc/init", "/bin/init"):
        if found := find(tree, path):
            if "systemd" in found[0]:
                return "systemd"
            return "sysvinit" if exists(tree, "/etc/inittab") else "other"
    return ""


def _has_program(tree: Tree, *programs: str) -> bool:
    return any(exists(tree, f"{folder}/{name}") for folder in _SEARCH for name in programs)


def _has_generator(tree: Tree) -> bool:
    """systemd-getty-generator(8)."""
    name = "system-generators/systemd-getty-generator"
    masked = link_at(tree, f"/etc/systemd/{name}") == "/dev/null"
    return not masked and any(exists(tree, f"{top}/systemd/{name}") for top in ("/usr/lib", "/lib"))


def _masked(tree: Tree, unit: str) -> bool:
    return link_at(tree, f"{_UNITS}/{unit}") == "/dev/null"


def _gettys(tree: Tree, init: str) -> frozenset[str]:
    if init == "systemd":
        wanted = names(tree, f"{_UNITS}/getty.target.wants")
        found = (_GETTY.fullmatch(name) for name in wanted)
        return frozenset(match["tty"] for match in found if match)
    lines = (read_text(tree, "/etc/inittab") or "").splitlines()
    respawned = [
        line
        for line in lines
        if not line.lstrip().startswith("#") and re.search(r":(respawn|askfirst):", line)
    ]
    return frozenset(name for line in respawned for name in _TERMINAL.findall(line))


def _no_login(tree: Tree, init: str) -> str:
    if not init:
        return ""
    if not _has_program(tree, "agetty", "getty", "mingetty", "busybox"):
        return "it has no getty program"
    if init == "systemd" and _masked(tree, "serial-getty@.service"):
        return f"serial-getty@.service is masked in {_UNITS}"
    if init == "systemd" and _masked(tree, "getty.target"):
        return f"getty.target is masked in {_UNITS}"
    if not _has_program(tree, "login", "busybox"):
        return "it has no login program"
    return ""


def _network(tree: Tree) -> str:
    """How the first network interface is set up, in words; empty when nothing was found."""
    folders = {
        "/etc/network/interfaces.d": "",
        "/etc/netplan": ".yaml",
        "/etc/systemd/network": ".network",
        "/usr/lib/systemd/network": ".network",
        "/etc/NetworkManager/system-connections": "",
    }
    paths = ["/etc/network/interfaces"]
    for folder, ending in folders.items():
        paths += [f"{folder}/{name}" for name in names(tree, folder) if name.endswith(ending)]
    for path in paths:
        text = read_text(tree, path) or ""
        if match := _IFACE.search(text):
            return f"{match[1]} by DHCP ({path})"
        dhcp = re.search(
            r"^[ \t]*(?:DHCP\s*=\s*(?:yes|ipv4|true)|dhcp4:\s*(?:true|yes))", text, re.M
        )
        if dhcp and "80-container" not in path:
            return f"by DHCP ({path})"
    if exists(tree, "/usr/sbin/NetworkManager"):
        return "by NetworkManager, which uses DHCP unless told otherwise"
    return ""


def _mounts(fstab: str) -> list[Mount]:
    found = []
    for line in fstab.splitlines():
        words = line.split()
        if len(words) < _LEAST or words[0].startswith("#") or not _DEVICE.match(words[0]):
            continue
        options = set(words[3].split(",")) if len(words) >= _WITH_OPTIONS else set()
        if "noauto" in options:
            continue
        device = words[0].replace('"', "")
        found.append(
            Mount(
                device=device,
                point=str(PurePosixPath(words[1])),
                type=words[2],
                optional=bool(options & {"nofail", "x-systemd.automount"}),
            )
        )
    return found
