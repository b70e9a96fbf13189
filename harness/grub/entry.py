"""One description of a boot of Xen, written as an entry of GRUB 2 and of GRUB legacy."""

from __future__ import annotations

import re
from dataclasses import dataclass

_DISK = re.compile(r"hd(?P<disk>\d+),(?:msdos|gpt)(?P<partition>\d+)")
_PLAIN = re.compile(r"[\w.,:=/+@%*()\[\]-]+")
"""What needs no quotes in GRUB 2's language; blanks are between words, not in them."""


@dataclass(frozen=True, kw_only=True)
class XenEntry:
    """A boot of Xen. All paths are as GRUB sees them: from the top of the file system of *root*.

    `ValueError` for words that would need quotes, which the two languages write differently.
    """

    title: str
    ident: str
    """GRUB 2's ``--id``; legacy has none."""
    root: str = ""
    """GRUB 2's name of the partition with the files, such as ``hd0,msdos1``. Legacy needs it."""
    uuid: str = ""
    """Of its file system: GRUB 2 looks for it, as disks may change their order. Without a *root*
    it needs it."""
    xen: str
    xen_args: tuple[str, ...] = ()
    kernel: str
    kernel_args: tuple[str, ...] = ()
    initrd: str | None = None

    def __post_init__(self) -> None:
        paths = (self.xen, self.kernel, *((self.initrd,) if self.initrd else ()))
        for word in (self.ident, self.root or self.uuid, *paths, *self.xen_args, *self.kernel_args):
            if not _PLAIN.fullmatch(word):
                msg = f"{word!r} can't stand in a GRUB entry without quotes"
                raise ValueError(msg)
        if "'" in self.title or not self.title.isprintable():
            msg = f"{self.title!r} can't be an entry's title"
            raise ValueError(msg)


def to_grub2(entry: XenEntry) -> str:
    """As update-grub's ``20_linux_xen`` writes it, words for old boot protocols included."""
    partmaps = [name for name in ("msdos", "gpt") if name in (entry.root or "msdos gpt")]
    # insmod takes one at a time.
    modules = "".join(f"\tinsmod part_{name}\n" for name in partmaps)
    search = (
        f"\tsearch --no-floppy --fs-uuid --set=root {entry.uuid}\n"
        if entry.uuid
        else f"\tset root='{entry.root}'\n"
    )
    initrd = (
        f"\techo\t'Loading initial ramdisk ...'\n\tmodule2\t--nounzip {entry.initrd}\n"
        if entry.initrd
        else ""
    )
    return f"""\
menuentry '{entry.title}' --class xen --id {entry.ident} {{
{modules}\
\tinsmod ext2
\tinsmod gzio
{search}\
\techo\t'Loading Xen ...'
\tif [ "$grub_platform" = "pc" -o "$grub_platform" = "" ]; then
\t    xen_rm_opts=
\telse
\t    xen_rm_opts="no-real-mode edd=off"
\tfi
\tmultiboot2\t{_line(entry.xen, "placeholder", *entry.xen_args)} ${{xen_rm_opts}}
\techo\t'Loading Linux ...'
\tmodule2\t{_line(entry.kernel, "placeholder", *entry.kernel_args)}
{initrd}}}
"""


def to_legacy(entry: XenEntry) -> str:
    """As GRUB 0.97 reads it: partitions count from 0, and nothing is a placeholder."""
    initrd = f"module\t{entry.initrd}\n" if entry.initrd else ""
    return f"""\
title\t{entry.title}
root\t{_legacy_root(entry.root)}
kernel\t{_line(entry.xen, *entry.xen_args)}
module\t{_line(entry.kernel, *entry.kernel_args)}
{initrd}"""


def _line(*words: str) -> str:
    return " ".join(words)


def _legacy_root(root: str) -> str:
    found = _DISK.fullmatch(root)
    if not found:
        msg = f"GRUB legacy has no name for {root!r}"
        raise ValueError(msg)
    return f"(hd{found['disk']},{int(found['partition']) - 1})"
