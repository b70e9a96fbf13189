"""What a host's Xen says of its IOMMU: whether there is one, which, and what it does for guests."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from harness.remote.command import Command, Runner

# Groups are Linux's (/sys/kernel/iommu_groups): under Xen dom0 sees no IOMMU, so it has none.
_LOOK = """\
xl info | sed -n 's/^virt_caps *: */virt_caps /p'
xl dmesg | grep -E 'I/O virtualisation|Dom0 mode|[Ii]nterrupt [Rr]emapping|VT-d|AMD-Vi' || :
echo "groups $(ls /sys/kernel/iommu_groups 2>/dev/null | wc -l)"
"""
UNKNOWN = "unknown"
"""What Xen said when it booted is in its log no more."""
NONE = "none"
_KINDS: Mapping[str, str] = {"VT-d": "Intel VT-d", "AMD-Vi": "AMD-Vi"}
_MODE = re.compile(r"Dom0 mode: (.+)")
_DIRECTIO = frozenset({"hvm_directio", "pv_directio"})


@dataclass(frozen=True, kw_only=True)
class Iommu:
    """An IOMMU, or its lack. Each in words, or `UNKNOWN`."""

    used: bool
    """Whether Xen can give devices to guests behind it, as ``virt_caps`` says."""
    kind: str
    """``Intel VT-d``, ``AMD-Vi`` or `NONE`."""
    mode: str
    """How dom0's own devices are mapped: ``Relaxed``, ``Strict``, ``Passthrough``."""
    remapping: str
    """Whether interrupts are remapped: ``yes`` or ``no``."""
    groups: int
    """As many as dom0's Linux knows."""
    said: str
    """Xen's own words, a line each."""


def uses_iommu(virt_caps: Collection[str]) -> bool:
    """Whether `xl info`'s ``virt_caps`` tell of an IOMMU. Xen says either word only where it has
    switched one on (xen/arch/x86/sysctl.c)."""
    return not _DIRECTIO.isdisjoint(virt_caps)


def look_at_iommu(runner: Runner) -> Iommu:
    """Ask Xen on *runner*'s host."""
    return parse_iommu(runner.run(Command.script("show-iommu", _LOOK)).stdout)


def parse_iommu(text: str) -> Iommu:
    """What the command printed. Pure."""
    lines = text.splitlines()
    caps = next((line.split()[1:] for line in lines if line.startswith("virt_caps ")), [])
    groups = next((line.split()[1] for line in lines if line.startswith("groups ")), "0")
    said = [line.removeprefix("(XEN) ").strip() for line in lines if line.startswith("(XEN)")]
    used = uses_iommu(caps)
    words = "\n".join(said)
    kind = next((name for mark, name in _KINDS.items() if mark in words), UNKNOWN)
    mode = _MODE.search(words)
    remapping = UNKNOWN
    if said:
        remapping = "yes" if re.search(r"[Ii]nterrupt [Rr]emapping enabled", words) else "no"
    return Iommu(
        used=used,
        kind=kind if used else NONE,
        mode=(mode[1].strip() if mode else UNKNOWN) if used else NONE,
        remapping=remapping if used else NONE,
        groups=int(groups),
        said=words,
    )
