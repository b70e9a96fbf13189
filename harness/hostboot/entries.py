"""Entries for one boot, made of the one that update-grub wrote: for emergencies, and to fail."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from harness.errors import LabError
from harness.grub.entry import XenEntry
from harness.grub.model import Load, Menu
from harness.grub.resolve import Boot, Role, boots
from harness.grub.vocabulary import Speller

PREFIX = "xenflight-"
EMERGENCY, NO_ROOT, NO_INITRD, XEN_PANIC, BEFORE, UPGRADED = (
    f"{PREFIX}{name}"
    for name in ("emergency", "no-root", "no-initrd", "xen-panic", "before", "upgraded")
)
MISSING_ROOT = "/dev/mapper/xenflight-nowhere"
EMERGENCY_MEMORY = 896
"""MiB for dom0: enough for a Debian server, and less than a testbox's dom0 usually has."""
USUAL_BAUD = 19200
"""Where GRUB itself has no serial line whose speed could be kept."""
_FIRMWARE_WORDS = frozenset({"no-real-mode", "edd=off"})
"""update-grub's ``xen_rm_opts``, which the entry's own form puts in again."""
_REPLACED = frozenset(
    {"console", "earlyprintk", "quiet", "splash", "root", "ro", "rw", "nomodeset"}
)


def usual_boot(menu: Menu) -> Boot:
    """The first entry that boots Xen with a kernel and an initramfs. `LabError` without one."""
    for boot in boots(menu, Speller()):
        if boot.entry and boot.xen and boot.kernel and boot.with_role(Role.INITRD):
            return boot
    msg = f"{menu.file} has no entry that boots Xen with a kernel and an initramfs"
    raise LabError(msg, hint="is xen-system installed there, and did update-grub run?")


def boot_of(menu: Menu, release: str) -> Boot:
    """The first boot of Xen with the dom0 kernel *release*, which is the one that is no recovery
    mode. `LabError` without one."""
    for boot in boots(menu, Speller()):
        whole = boot.entry and boot.xen and boot.kernel and boot.with_role(Role.INITRD)
        if whole and _path(boot.kernel).endswith(f"-{release}"):
            return boot
    msg = f"{menu.file} has no entry that boots Xen with Linux {release}"
    raise LabError(msg, hint="did update-grub run?")


def place_of(boot: Boot) -> str:
    """What `grub-reboot` calls the entry, wherever it stands: ``1>0>2``, counted from 0."""
    return ">".join(map(str, boot.entry.number)) if boot.entry else ""


def name_of(boot: Boot) -> str:
    """What `grub-reboot` calls the entry: its id, or its title."""
    entry = boot.entry
    return (entry.id if entry else "") or boot.title


def described(boot: Boot, title: str, ident: str) -> XenEntry:
    """*boot* as an entry of its own. `LabError` where it can't be one."""
    entry = boot.entry
    initrds = boot.with_role(Role.INITRD)
    # update-grub leaves the first out where it does not know what the firmware calls a disk.
    if entry is None or not (entry.roots or entry.searches) or not initrds:
        msg = f"{boot.title!r} does not say on which disk its files are"
        raise LabError(msg)
    try:
        return XenEntry(
            title=title,
            ident=ident,
            root=entry.roots[0].text if entry.roots else "",
            uuid=entry.searches[0].text if entry.searches else "",
            xen=_path(boot.xen),
            xen_args=tuple(
                word.text for word in boot.xen_words if word.text not in _FIRMWARE_WORDS
            ),
            kernel=_path(boot.kernel),
            kernel_args=tuple(word.text for word in boot.dom0_words),
            initrd=_path(initrds[0]),
        )
    except ValueError as error:
        msg = f"{boot.title!r} can't be written anew: {error}"
        raise LabError(msg) from error


def emergency(boot: Boot) -> XenEntry:
    """Nothing but the serial line, and every word that can be had of it; dom0 with little memory.

    The line keeps the speed at which GRUB itself talks on it, if it does: whoever listens reads one
    speed only. What else dom0 is usually told is kept, since it may be needed to come up.
    """
    usual = described(boot, "xenflight: emergency", EMERGENCY)
    speeds = [serial.speed for serial in boot.menu.serials if serial.unit == 0]
    memory = f"{EMERGENCY_MEMORY}M"
    root = next((word for word in usual.kernel_args if word.startswith("root=")), None)
    if root is None:
        msg = f"{boot.title!r} does not say what dom0's root is"
        raise LabError(msg)
    kept = [word for word in usual.kernel_args if word.partition("=")[0] not in _REPLACED]
    return replace(
        usual,
        xen_args=(
            *("loglvl=all", "guest_loglvl=all", "sync_console", "console_to_ring"),
            *(f"com1={speeds[0] if speeds else USUAL_BAUD},8n1", "console=com1"),
            # Or the ring, which has 16 KiB at first, forgets how it began.
            "conring_size=4M",
            f"dom0_mem={memory},max:{memory}",
        ),
        kernel_args=(root, "ro", "console=hvc0", "earlyprintk=xen", "nomodeset", *kept),
    )


def without_root(boot: Boot) -> XenEntry:
    """dom0's root is a volume that is not there."""
    usual = described(boot, "xenflight: no root", NO_ROOT)
    words = [word for word in usual.kernel_args if not word.startswith("root=")]
    return replace(usual, kernel_args=(f"root={MISSING_ROOT}", *words))


def without_initrd(boot: Boot) -> XenEntry:
    """The initramfs is a file that is not there."""
    usual = described(boot, "xenflight: no initramfs", NO_INITRD)
    return replace(usual, initrd=f"{usual.initrd}.xenflight-missing")


def as_before(boot: Boot) -> XenEntry:
    """*boot*, under a name of ours: an upgrade may make another the first one."""
    return described(boot, "xenflight: as before the upgrade", BEFORE)


def with_words(boot: Boot, words: Iterable[str]) -> XenEntry:
    """*boot* with more words for dom0's kernel, which come last."""
    usual = described(boot, "xenflight: upgraded", UPGRADED)
    names = {word.partition("=")[0] for word in words if "=" in word} & {"root"}
    kept = [word for word in usual.kernel_args if word.partition("=")[0] not in names]
    return replace(usual, kernel_args=(*kept, *words))


def panicking(boot: Boot) -> XenEntry:
    """Xen is given an initramfs for a kernel, and panics: it can't build dom0 of that."""
    usual = described(boot, "xenflight: panic of Xen", XEN_PANIC)
    return replace(usual, kernel=usual.initrd or usual.kernel, initrd=None)


def _path(load: Load | None) -> str:
    if load is None or load.path is None:
        msg = "an entry loads no file"
        raise LabError(msg)
    return load.path.text
