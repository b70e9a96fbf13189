"""What an entry loads, by which command and in which order.

Xen takes the first module for dom0's kernel and the next one for its initramfs, whatever their
names are (xen/arch/x86/setup.c).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.grub import commands
from harness.grub.model import Finding, Form, Load, Severity, Word
from harness.grub.resolve import Boot, Role, role
from harness.grub.rules import Rule, finding

_MODULE_OF = {
    "multiboot": "module",
    "multiboot2": "module2",
    "xen_hypervisor": "xen_module",
}
_RELEASE = re.compile(r"^(?:vmlinu[xz]|bzimage|kernel|linux)-(?P<release>[0-9].*)$", re.IGNORECASE)
_PARTITION_ZERO = re.compile(r"\(?[a-z]+[0-9]+,(?:[a-z]*)0\)?")
_UUID = re.compile(r"[0-9A-Fa-f-]{4,36}")
_BY_ID = ("UUID=", "LABEL=", "/dev/disk/by-uuid/", "/dev/disk/by-label/", "/dev/mapper/")
_PLAIN_DEVICE = re.compile(
    r"/dev/(?:[shv]d[a-z]+|xvd[a-z]+|nvme|mmcblk|md|sr|ram|nfs|root)[0-9a-z]*"
)
_OWN_ROOT = ("boot", "nfsroot", "netroot", "netboot", "rdinit", "root_zfs", "bootfs", "zfs")
"""Options that say in another way where the root file system is, or that there is none."""


def check_loads(boot: Boot) -> Iterator[Finding]:
    """What is wrong with the files that an entry loads, as far as the menu itself tells."""
    if boot.entry is None or boot.entry.chain is not None:
        return
    yield from _check_present(boot)
    yield from _check_commands(boot)
    yield from _check_order(boot)
    yield from _check_initrd(boot)
    yield from _check_partitions(boot)


def check_root(boot: Boot) -> Iterator[Finding]:
    """Whether dom0's kernel is told where its root file system is, and the search for files."""
    for word in boot.entry.searches if boot.entry else ():
        if not word.variables and not _UUID.fullmatch(word.text):
            text = f"GRUB looks for a file system with the UUID {word.text!r}, which is none"
            hint = "put the one in that blkid shows"
            yield finding(boot, word, Rule.PLACEHOLDER, text, hint, Severity.WARNING)
    roots = [word for word in boot.dom0_words if word.name == "root"]
    for word in roots:
        kind, mark, value = (word.value or "").rpartition("UUID=")
        if mark and kind in {"", "PART"} and not word.variables and not _UUID.fullmatch(value):
            text = f"{word.text!r} holds no UUID: dom0 will not find its root file system"
            yield finding(boot, word, Rule.PLACEHOLDER, text, "put the one in that blkid shows")
        elif not word.value:
            text = "`root` has no value: dom0 will not find its root file system"
            yield finding(boot, word, Rule.NO_ROOT, text, "such as root=/dev/vg00/lv01")
    if boot.kernel is None or roots or _has_own_root(boot):
        return
    text = "dom0's kernel is not told its root file system: there is no root="
    yield finding(boot, boot.kernel.command, Rule.NO_ROOT, text, "such as root=/dev/vg00/lv01")


def _has_own_root(boot: Boot) -> bool:
    words = boot.dom0_words
    return any(w.name in _OWN_ROOT or w.name.startswith("rd.") or "$" in w.name for w in words)


def _check_present(boot: Boot) -> Iterator[Finding]:
    for load in boot.loads:
        if load.path is None:
            text = f"`{load.command.text}` names no file"
            yield finding(boot, load.command, Rule.SYNTAX, text)
    if boot.xen is None:
        text = "this entry loads modules, but no Xen that could take them"
        wanted = "kernel /xen.gz" if boot.menu.form is Form.LEGACY else "multiboot2 /xen.gz"
        yield finding(boot, boot.line, Rule.NO_XEN, text, f"its first line would be: {wanted}")
    elif boot.kernel is None:
        text = "no kernel for dom0 is loaded: Xen stops with 'dom0 kernel not specified'"
        yield finding(boot, boot.xen.command, Rule.NO_KERNEL, text)


def _check_commands(boot: Boot) -> Iterator[Finding]:
    legacy = boot.menu.form is Form.LEGACY
    loader = "kernel" if legacy else "multiboot2"
    if boot.xen is not None and boot.xen.command.text not in commands.XEN | {"kernel"}:
        text = f"Xen is loaded by `{boot.xen.command.text}`; it takes `{loader}`"
        yield finding(boot, boot.xen.command, Rule.WRONG_LOADER, text)
    wanted = "module" if legacy else _module_command(boot)
    for load in boot.loads:
        name = load.command.text
        if load is boot.xen or load.path is None:
            continue
        if name not in commands.MODULES:
            what = f"{load.path.text} is loaded by `{name}`"
            text = f"{what}, and behind Xen everything is a module: `{wanted}`"
            yield finding(boot, load.command, Rule.WRONG_LOADER, text)
        elif not legacy and boot.xen is not None and name != wanted:
            text = f"`{name}` does not go with `{boot.xen.command.text}`; write `{wanted}`"
            hint = "GRUB says: you need to load the kernel first"
            yield finding(boot, load.command, Rule.MODULE_KIND, text, hint)


def _module_command(boot: Boot) -> str:
    return _MODULE_OF.get(boot.xen.command.text if boot.xen else "", "module2")


def _check_order(boot: Boot) -> Iterator[Finding]:
    if boot.xen is not None and boot.loads and boot.loads[0] is not boot.xen:
        text = f"Xen is loaded behind {_name(boot.loads[0])}, and must come first"
        yield finding(boot, boot.xen.command, Rule.LOAD_ORDER, text)
    modules = [load for load in boot.loads if load is not boot.xen and load.path is not None]
    if boot.kernel in modules and modules[0] is not boot.kernel:
        text = f"{_name(modules[0])} comes before dom0's kernel {_name(boot.kernel)}"
        hint = "Xen takes the first module for the kernel"
        yield finding(boot, modules[0].command, Rule.LOAD_ORDER, text, hint)
        return
    behind = modules[1:]
    told = any(word.name == "ucode" for word in boot.xen_words)
    if behind and role(behind[0]) is Role.MICROCODE and not told:
        text = f"Xen takes {_name(behind[0])} for dom0's initramfs: it is the first one behind it"
        hint = "load the initramfs first, or say ucode= on Xen's line"
        yield finding(boot, behind[0].command, Rule.LOAD_ORDER, text, hint, Severity.WARNING)


def _name(load: Load | None) -> str:
    return load.path.text if load and load.path else "a module"


def _check_initrd(boot: Boot) -> Iterator[Finding]:
    if boot.kernel is None:
        return
    for load in boot.loads:
        if role(load) in {Role.INITRD, Role.MICROCODE}:
            yield from _check_arguments(boot, load)
    others = [load for load in boot.loads if load not in (boot.xen, boot.kernel)]
    images = [load for load in others if role(load) in {Role.INITRD, Role.UNKNOWN}]
    if not images:
        yield from _without_initrd(boot)
        return
    path = boot.kernel.path.text.rpartition("/")[2] if boot.kernel.path else ""
    release = _RELEASE.match(path)
    named = [_name(load) for load in images if any(c.isdigit() for c in _name(load))]
    if release and named and not any(release["release"] in name for name in named):
        text = f"{named[0]} is not of the same version as the kernel {path}"
        hint = "its modules will not load into that kernel"
        yield finding(boot, images[0].command, Rule.INITRD_VERSION, text, hint)


def _check_arguments(boot: Boot, load: Load) -> Iterator[Finding]:
    for word in load.arguments:
        if word.text.startswith(("/", "(")):
            text = f"`{load.command.text}` loads one file, and {word.text} is a second one"
            hint = "give it a line of its own; here it is only an argument"
            yield finding(boot, word, Rule.MODULE_ARGUMENTS, text, hint)


def _without_initrd(boot: Boot) -> Iterator[Finding]:
    if boot.kernel is None:
        return
    word = next((w for w in boot.dom0_words if w.name == "root" and w.value), None)
    if word is not None and word.variables:
        return
    if word is not None and _needs_initrd(word):
        text = f"there is no initramfs, and without one no kernel finds {word.text}"
        yield finding(boot, boot.kernel.command, Rule.NO_INITRD, text)
        return
    text = "there is no initramfs: only a kernel with all drivers built in starts so"
    yield finding(boot, boot.kernel.command, Rule.NO_INITRD, text, severity=Severity.NOTE)


def _needs_initrd(root: Word) -> bool:
    """A kernel alone knows PARTUUID= and plain devices (init/do_mounts.c), and no LV."""
    value = root.value or ""
    if value.startswith(_BY_ID):
        return True
    return value.startswith("/dev/") and not _PLAIN_DEVICE.fullmatch(value)


def _check_partitions(boot: Boot) -> Iterator[Finding]:
    if boot.entry is None or boot.menu.form is not Form.GRUB2:
        return
    for word in boot.entry.roots:
        if _PARTITION_ZERO.fullmatch(word.text):
            text = f"there is no partition 0 in {word.text!r}: GRUB 2 counts them from 1"
            yield finding(boot, word, Rule.PARTITION_ZERO, text, "GRUB legacy counted from 0")
