"""What can boot how: one table, and a job that breaks one of its rules is skipped at plan time.

A rule is about the job itself, whatever the host. What a host must be able to do is in
`harness.flight.needs`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.dists.kernels import DEFAULT_KERNEL, DOM0_KERNEL
from harness.dists.model import Init
from harness.flight.axes import (
    Arch,
    Boot,
    Builder,
    Devices,
    DiskFormat,
    Dist,
    Layout,
    Toolstack,
    Virt,
)
from harness.flight.kernels import from_dom0, is_version, kernel_of, known_dist
from harness.flight.model import JobSpec


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One thing that cannot be."""

    id: str
    forbids: Callable[[JobSpec], bool]
    reason: str
    """For people; ``{job.dist}`` and the like stand for the job's own words."""
    source: str
    """Where it is known from."""


def broken_rule(job: JobSpec) -> Rule | None:
    """The first rule that *job* breaks; None when it can be run."""
    return next((rule for rule in RULES if rule.forbids(job)), None)


def why_impossible(job: JobSpec) -> str:
    """Why *job* cannot run anywhere; empty when it can."""
    if job.whole_host:
        # It has no guest, so nothing that guests can't be matters.
        right = job.virt in (Virt.PV, Virt.PVH) and job.boot in _FIRMWARE
        return "" if right else "dom0 is PV or PVH, and its machine boots by bios or uefi"
    rule = broken_rule(job)
    return rule.reason.format(job=job) if rule else ""


_FIRMWARE = (Boot.BIOS, Boot.UEFI)
_LOADERS = (Boot.PYGRUB, Boot.PVGRUB)


def _arch_unknown(job: JobSpec) -> bool:
    dist = known_dist(job)
    return dist is not None and job.arch not in dist.arches


def _archived(job: JobSpec) -> bool:
    dist = known_dist(job)
    imported = job.builder is Builder.IMPORT
    return dist is not None and bool(dist.archived) and not job.mirror.url and not imported


def _sysv(job: JobSpec) -> bool:
    dist = known_dist(job)
    can = (Builder.XEN_CREATE_IMAGE, Builder.IMPORT)
    return dist is not None and dist.init is Init.SYSV and job.builder not in can


def _no_such_kernel(job: JobSpec) -> bool:
    return job.builder is not Builder.IMPORT and not from_dom0(job) and kernel_of(job) is None


def _kernel_without(job: JobSpec, virt: Virt) -> bool:
    if job.virt is not virt or job.builder is Builder.IMPORT:
        return False
    kernel = kernel_of(job)
    return kernel is not None and not getattr(kernel, virt.value)


def _grub_cannot_unpack(job: JobSpec) -> bool:
    if job.virt is not Virt.PV or job.boot is not Boot.PVGRUB or job.builder is Builder.IMPORT:
        return False
    kernel = kernel_of(job)
    return kernel is not None and kernel.pv and not kernel.pvgrub_pv


def _emulated(job: JobSpec) -> bool:
    return job.devices is Devices.EMULATED


def _no_drivers(job: JobSpec) -> bool:
    kernel = kernel_of(job)
    return _emulated(job) and kernel is not None and not kernel.emulated


def _made_by(job: JobSpec, builder: Builder) -> bool:
    return job.builder is builder


def _no_card_drivers(job: JobSpec) -> bool:
    kernel = None if job.builder.on_host or job.image else kernel_of(job)
    return job.passthrough and kernel is not None and not kernel.emulated


RULES: tuple[Rule, ...] = (
    Rule(
        id="arm64-host",
        forbids=lambda job: job.arch is Arch.ARM64,
        reason="arm64 guests need an arm64 host; x86 hosts cannot run them",
        source="Xen runs guests of its own processor's architecture only; the harness's hosts "
        "and testboxes are x86",
    ),
    Rule(
        id="dist-other",
        forbids=lambda job: job.dist is Dist.OTHER and job.builder is not Builder.IMPORT,
        reason="dist other is for imported images: nothing is known of how to build it",
        source="harness/dists",
    ),
    Rule(
        id="import-image",
        forbids=lambda job: job.builder is Builder.IMPORT and job.image is None,
        reason="builder import needs an 'image' with its location",
        source="docs/flights.md",
    ),
    Rule(
        id="import-kernel",
        forbids=lambda job: job.builder is Builder.IMPORT and job.kernel != DEFAULT_KERNEL,
        reason="an imported image brings its own kernel; none can be chosen",
        source="docs/flights.md",
    ),
    Rule(
        id="dist-arch",
        forbids=_arch_unknown,
        reason="there is no {job.dist} for {job.arch}",
        source="harness/dists",
    ),
    Rule(
        id="firmware-pv",
        forbids=lambda job: job.virt is Virt.PV and job.boot in _FIRMWARE,
        reason="pv has no firmware: bios and uefi are for hvm",
        source='xl.cfg(5), "Non direct Kernel Boot"',
    ),
    Rule(
        id="firmware-pvh",
        forbids=lambda job: job.virt is Virt.PVH and job.boot in _FIRMWARE,
        reason="pvh has no firmware: bios and uefi are for hvm",
        source='xl.cfg(5), "PVH guest options": "Currently there\'s no firmware available for '
        'PVH guests"',
    ),
    Rule(
        id="loader-hvm",
        forbids=lambda job: job.virt is Virt.HVM and job.boot in _LOADERS,
        reason="hvm boots by its firmware: pygrub and pvgrub are for pv and pvh",
        source='xl.cfg(5): "bootloader" is an option of PV and PVH guests; grub-xen is built for '
        "the PV and PVH entry points only",
    ),
    Rule(
        id="archived-mirror",
        forbids=_archived,
        reason="the ordinary mirrors carry {job.dist} no longer; give the flight a mirror's url "
        "that does",
        source="harness/dists",
    ),
    Rule(
        id="sysv-builder",
        forbids=_sysv,
        reason="{job.dist} has no systemd, which {job.builder} relies on here; use "
        "xen-create-image or import",
        source="harness/dists; harness/guest/customise.py sets up systemd",
    ),
    Rule(
        id="xen-create-image-hvm",
        forbids=lambda job: _made_by(job, Builder.XEN_CREATE_IMAGE) and job.virt is Virt.HVM,
        reason="xen-create-image makes no hvm guests",
        source="xen-create-image(8): its disks have neither a partition table nor a boot loader",
    ),
    Rule(
        id="xen-create-image-direct",
        forbids=lambda job: (
            _made_by(job, Builder.XEN_CREATE_IMAGE)
            and job.boot is Boot.DIRECT
            and job.kernel not in (DEFAULT_KERNEL, DOM0_KERNEL)
            and not is_version(job.kernel)
        ),
        reason="xen-create-image and direct boot a kernel of dom0: write dom0, or the version of "
        "one in its /boot",
        source="xen-create-image(8), --kernel; hooks/debian/80-install-kernel installs one for "
        "pygrub only",
    ),
    Rule(
        id="xen-create-image-loader",
        forbids=lambda job: (
            _made_by(job, Builder.XEN_CREATE_IMAGE)
            and job.boot in _LOADERS
            and job.kernel not in (DEFAULT_KERNEL, DOM0_KERNEL)
        ),
        reason="xen-create-image chooses itself which kernel it puts into a guest",
        source="xen-tools, hooks/debian/80-install-kernel",
    ),
    Rule(
        id="xen-create-image-native",
        forbids=lambda job: (
            _made_by(job, Builder.XEN_CREATE_IMAGE)
            and job.boot in _LOADERS
            and job.kernel == DEFAULT_KERNEL
            and kernel_of(job) is None
        ),
        reason="{job.dist} has no kernel for {job.arch} itself, the only kind that "
        "xen-create-image puts into a guest",
        source="xen-tools, hooks/debian/80-install-kernel; harness/dists",
    ),
    Rule(
        id="installer-virt",
        forbids=lambda job: _made_by(job, Builder.DEBIAN_INSTALLER) and job.virt is not Virt.PV,
        reason="the installer's kernel for Xen runs in a pv domain, and what it installs is for pv",
        source="Debian's installer, netboot/xen; osstest's ts-debian-di-install",
    ),
    Rule(
        id="installer-boot",
        forbids=lambda job: _made_by(job, Builder.DEBIAN_INSTALLER) and job.boot is not Boot.PYGRUB,
        reason="an installed guest is booted by pygrub, as its own menu says",
        source="osstest's ts-debian-di-install",
    ),
    Rule(
        id="installer-i386",
        forbids=lambda job: _made_by(job, Builder.DEBIAN_INSTALLER) and job.arch is Arch.I386,
        reason="the i386 installer's kernel is a 32-bit one, without pv since Linux 5.9",
        source="Linux commit a13f2ef168cb; Debian's installer, netboot/xen",
    ),
    Rule(
        id="builder-raw",
        forbids=lambda job: job.builder.on_host and job.disk_format is not DiskFormat.RAW,
        reason="{job.builder} fills a logical volume itself: its disk_format is raw",
        source="xen-create-image(8), --lvm; harness/guest",
    ),
    Rule(
        id="builder-bare",
        forbids=lambda job: (
            _made_by(job, Builder.XEN_CREATE_IMAGE) and job.layout is not Layout.BARE
        ),
        reason="xen-create-image makes bare file systems, one a volume: leave out layout",
        source="xen-create-image(8), --lvm",
    ),
    Rule(
        id="builder-disk",
        forbids=lambda job: (
            job.builder in (Builder.DEBIAN_INSTALLER, Builder.IMPORT)
            and job.layout is not Layout.DISK
        ),
        reason="{job.builder} decides itself what is on the disk: leave out layout",
        source="docs/flights.md",
    ),
    Rule(
        id="layout-loader",
        forbids=lambda job: (
            _made_by(job, Builder.MMDEBSTRAP)
            and job.layout is Layout.BARE
            and job.boot is not Boot.DIRECT
        ),
        reason="{job.boot} reads the guest's own disk: layout bare has no boot loader on it",
        source="harness/flight/axes.py, Layout",
    ),
    Rule(
        id="dom0-kernel-direct",
        forbids=lambda job: job.kernel == DOM0_KERNEL and job.boot is not Boot.DIRECT,
        reason="dom0's kernel is not on the guest's disk: only boot direct can use it",
        source='xl.cfg(5), "Direct Kernel Boot"',
    ),
    Rule(
        id="kernel-exists",
        forbids=_no_such_kernel,
        reason="{job.dist} for {job.arch} has no kernel {job.kernel}",
        source="harness/dists",
    ),
    Rule(
        id="kernel-pv",
        forbids=lambda job: _kernel_without(job, Virt.PV),
        reason="a 32-bit kernel has no pv since Linux 5.9: i386 needs a 64-bit one",
        source="Linux commit a13f2ef168cb; CONFIG_XEN_PV in the package's /boot/config",
    ),
    Rule(
        id="kernel-pvgrub",
        forbids=_grub_cannot_unpack,
        reason="GRUB for PV guests unpacks gzip, xz and lzo only, and this kernel is packed in "
        "another way",
        source="GRUB: grub-core/loader/i386/xen_file.c and the filters gzio, xzio, lzopio; "
        "seen: 'not xen image'",
    ),
    Rule(
        id="kernel-pvh",
        forbids=lambda job: _kernel_without(job, Virt.PVH),
        reason="the kernel of {job.dist} is built without CONFIG_PVH",
        source="/boot/config in the kernel's package",
    ),
    Rule(
        id="kernel-hvm",
        forbids=lambda job: _kernel_without(job, Virt.HVM),
        reason="the kernel of {job.dist} is built without CONFIG_XEN_PVHVM",
        source="/boot/config in the kernel's package",
    ),
    Rule(
        id="emulated-hvm",
        forbids=lambda job: _emulated(job) and job.virt is not Virt.HVM,
        reason="{job.virt} guests have no emulated devices: those are for hvm",
        source='xl.cfg(5), "Fully-virtualised (HVM) Guest Specific Options"',
    ),
    Rule(
        id="emulated-firmware",
        forbids=lambda job: _emulated(job) and job.boot not in _FIRMWARE,
        reason="a guest with emulated devices finds its root by its own boot menu: use bios or "
        "uefi",
        source="harness/job/disks.py: direct names the root as Xen's driver does",
    ),
    Rule(
        id="emulated-builder",
        forbids=lambda job: _emulated(job) and job.builder is not Builder.MMDEBSTRAP,
        reason="only images of mmdebstrap are known to boot from emulated devices",
        source="harness/guest/customise.py: what is in the initramfs",
    ),
    Rule(
        id="emulated-disks",
        forbids=lambda job: _emulated(job) and bool(job.swap or job.extra_disks),
        reason="a guest with emulated devices has one disk here",
        source="harness/job/disks.py: the others are named as Xen's driver does",
    ),
    Rule(
        id="peer-disks",
        forbids=lambda job: (
            bool(job.peer)
            and (job.disk_format is not DiskFormat.RAW or bool(job.swap or job.extra_disks))
        ),
        reason="a guest with a second host has one disk, a raw one: that is lent to it there",
        source="harness/host/lend.py",
    ),
    Rule(
        id="peer-toolstack",
        forbids=lambda job: bool(job.peer) and job.toolstack is not Toolstack.XL,
        reason="between two hosts guests are moved by xl only",
        source="harness/host/crossing.py",
    ),
    Rule(
        id="kernel-emulated",
        forbids=_no_drivers,
        reason="this kernel has no drivers for emulated disks and networks: use kernel: generic",
        source="/boot/config in the kernel's package: CONFIG_SATA_AHCI, CONFIG_8139CP",
    ),
    Rule(
        id="passthrough-pvh",
        forbids=lambda job: job.passthrough and job.virt is Virt.PVH,
        reason="Xen gives no PCI devices to pvh guests",
        source='libxl, libxl_pci.c: PVH domains are refused; SUPPORT.md, "PCI Passthrough"',
    ),
    Rule(
        id="passthrough-libvirt",
        forbids=lambda job: job.passthrough and job.toolstack is Toolstack.LIBVIRT,
        reason="PCI devices are given by xl here, not by libvirt",
        source="harness/xen/libvirt.py",
    ),
    Rule(
        id="passthrough-kernel",
        forbids=_no_card_drivers,
        reason="this kernel has no drivers for network cards: use kernel: generic",
        source="/boot/config in the kernel's package: CONFIG_E1000E, CONFIG_XEN_PCIDEV_FRONTEND",
    ),
)
"""In the order in which they are tried: the first one broken gives the reason."""
