"""Boot configurations for tests: recorded ones, and a good one to spoil."""

from __future__ import annotations

from pathlib import Path

from harness.grub.lint import lint
from harness.grub.model import Finding, Form

DATA = Path(__file__).parents[1] / "data/grub"
FILE = "grub.cfg"

GRUB2 = """\
menuentry 'Xen' --class xen {
    insmod part_gpt
    set root='hd0,gpt2'
    search --no-floppy --fs-uuid --set=root 3a7512aa-0b1c-4d2e-9f3a-5b6c7d8e9f01
    multiboot2 /boot/xen-4.17-amd64.gz placeholder loglvl=all
    module2 /boot/vmlinuz-6.1.0-56-amd64 placeholder root=/dev/vg00/lv01 ro
    module2 --nounzip /boot/initrd.img-6.1.0-56-amd64
}
"""
XEN, KERNEL, INITRD = 5, 6, 7
"""Lines of `GRUB2`."""
LEGACY = """\
default 0
title Xen
root (hd0,0)
kernel /xen-4.0.gz loglvl=all
module /vmlinuz-2.6.32 root=/dev/vg00/lv01 ro
module /initrd-2.6.32.img
"""


def read(name: str) -> str:
    return (DATA / name).read_text(encoding="utf-8")


def found(text: str, form: Form | None = None) -> list[Finding]:
    return list(lint({FILE: text}, form=form).findings)


def rules(text: str, form: Form | None = None) -> list[tuple[int | None, str]]:
    """Line and rule of each finding."""
    return [(one.place.line, str(one.rule)) for one in found(text, form)]


def xen(options: str) -> str:
    """A menu whose Xen has these options."""
    return GRUB2.replace("loglvl=all", options)


def dom0(options: str, on_xen: str = "loglvl=all") -> str:
    """A menu whose dom0 has these options besides its root."""
    return xen(on_xen).replace(" ro\n", f" ro {options}\n")
