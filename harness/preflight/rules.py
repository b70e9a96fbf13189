"""What can boot how: one table of rules, each with where it is from.

A rule looks at one `Case` and gives what it found. It says nothing where it does not apply. What
was not read gives a doubt; a rule never guesses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from harness.flight.axes import Boot, Virt
from harness.preflight import firmware_checks, kernel_checks, system_checks
from harness.preflight.case import Case
from harness.preflight.evidence import Evidence

_ALL_VIRTS = frozenset(Virt)
_ALL_BOOTS = frozenset(Boot)
_BY_XEN = frozenset({Virt.PV, Virt.PVH})
_MENUS = frozenset({Boot.PYGRUB, Boot.PVGRUB, Boot.BIOS, Boot.UEFI})

Check = Callable[[Case], Iterator[Evidence]]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A check, for which cells of the matrix it is, and its source."""

    name: str
    check: Check
    source: str
    virts: frozenset[Virt] = _ALL_VIRTS
    boots: frozenset[Boot] = _ALL_BOOTS

    def look(self, case: Case) -> list[Evidence]:
        """What it finds, if it applies."""
        if case.virt not in self.virts or case.boot not in self.boots:
            return []
        return [replace(one, rule=self.name, source=self.source) for one in self.check(case)]


RULES: tuple[Rule, ...] = (
    Rule(
        name="table",
        check=system_checks.table,
        source="Linux, block/partitions; UEFI specification, 5.3",
    ),
    Rule(
        name="kernel-found",
        check=kernel_checks.kernel_found,
        source="Xen, tools/pygrub; GRUB manual; Debian's grub-xen-host",
    ),
    Rule(
        name="pv",
        check=kernel_checks.kernel_pv,
        source="Xen, public/elfnote.h; CONFIG_XEN_PV. Linux a13f2ef168cb: 64-bit only from 5.9 on",
        virts=frozenset({Virt.PV}),
    ),
    Rule(
        name="pvh",
        check=kernel_checks.kernel_pvh,
        source="Xen, docs/misc/pvh.pandoc: XEN_ELFNOTE_PHYS32_ENTRY; CONFIG_PVH",
        virts=frozenset({Virt.PVH}),
    ),
    Rule(
        name="xen-tools-unpack",
        check=kernel_checks.unpacked_by_xen,
        source="Xen, tools/libs/guest/xg_dom_bzimageloader.c",
        virts=_BY_XEN,
        boots=frozenset({Boot.DIRECT, Boot.PYGRUB}),
    ),
    Rule(
        name="grub-unpack",
        check=kernel_checks.unpacked_by_grub,
        source="GRUB, grub-core/loader/i386/xen_file.c and include/grub/file.h",
        virts=frozenset({Virt.PV}),
        boots=frozenset({Boot.PVGRUB}),
    ),
    Rule(
        name="bios-code",
        check=firmware_checks.bios,
        source="GRUB manual, 3.4 (BIOS installation)",
        boots=frozenset({Boot.BIOS}),
    ),
    Rule(
        name="efi-loader",
        check=firmware_checks.uefi,
        source="UEFI specification, 3.5.1.1 and 13.3",
        boots=frozenset({Boot.UEFI}),
    ),
    Rule(
        name="root-driver",
        check=system_checks.root_driver,
        source="Linux, arch/x86/xen/platform-pci-unplug.c; initramfs-tools(7)",
    ),
    Rule(
        name="root-device",
        check=system_checks.root_device,
        source="Linux, admin-guide/kernel-parameters: root=; xen-vbd-interface(7)",
    ),
    Rule(name="init", check=system_checks.init, source="Linux, init/main.c"),
    Rule(
        name="fstab",
        check=system_checks.fstab,
        source="fstab(5); systemd.mount(5): what is not nofail is required by local-fs.target",
    ),
    Rule(
        name="console",
        check=system_checks.console,
        source="systemd-getty-generator(8); inittab(5); Linux, admin-guide/serial-console",
    ),
    Rule(name="after-boot", check=system_checks.after_boot, source="harness.job"),
)


def findings(case: Case) -> list[Evidence]:
    """What all rules find."""
    return [one for rule in RULES for one in rule.look(case)]
