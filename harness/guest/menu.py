"""The guest's boot menu: one that GRUB on BIOS and UEFI, GRUB on Xen and pygrub all read."""

from __future__ import annotations

import re

from harness.errors import UsageError
from harness.guest.fstab import ROOT_LABEL

MENU_PATH = "/boot/grub/grub.cfg"
"""In the root file system: where pygrub(1) looks, and Debian's GRUB for Xen guests."""
COMMAND_LINE = f"root=LABEL={ROOT_LABEL} ro console=hvc0"
"""Xen's console only. With a serial line behind it Linux takes that for the console even where a
PV guest has none, and init's words are lost; and in an HVM guest each character on it is a trap
to QEMU."""


def _entry(title: str, command_line: str) -> str:
    return f"""
menuentry '{title}' --class gnu-linux {{
        echo    'Loading Linux $version ...'
        linux   /boot/vmlinuz-$version {command_line}
        echo    'Loading initial ramdisk ...'
        initrd  /boot/initrd.img-$version
}}
"""


# pygrub takes "linux" and "initrd" as they stand: it knows neither variables nor conditions
# (tools/pygrub/src/GrubConf.py in Xen's source). The second file is for update-grub, should the
# guest install another kernel.
MAKE_MENU = f"""\
mkdir -p "$1/boot/grub" "$1/etc/default/grub.d"
for path in "$1"/boot/vmlinuz-*; do
    version=${{path##*/vmlinuz-}}
done
cat >"$1{MENU_PATH}" <<EOF
set timeout=0
{_entry("Linux $version", COMMAND_LINE)}\
EOF
cat >"$1/etc/default/grub.d/xenflight.cfg" <<'EOF'
GRUB_TIMEOUT=0
GRUB_TERMINAL=
GRUB_CMDLINE_LINUX_DEFAULT=
GRUB_CMDLINE_LINUX="console=hvc0"
EOF
"""

_LINUX = re.compile(r"^(?P<line>[ \t]*linux(?:16|efi)?[ \t]+\S.*?)[ \t]*$", re.MULTILINE)
# What GRUB's script language gives no meaning to (its manual, "Quoting").
_PLAIN_ARGS = re.compile(r"[A-Za-z0-9 _.,:=/@%+~^!-]*")


def menu_with_args(menu: str, args: str) -> str:
    """*menu*, with *args* at the end of the kernel's command line in each of its entries.

    `UsageError` for characters that GRUB would take for its own, and for a menu without an entry.
    """
    if not _PLAIN_ARGS.fullmatch(args):
        msg = f"kernel_args {args!r} cannot be written into a boot menu"
        hint = "use letters, digits and _.,:=/@%+~^!- only, or boot: direct"
        raise UsageError(msg, hint=hint)
    found, count = _LINUX.subn(rf"\g<line> {args.strip()}".rstrip(), menu)
    if not count:
        msg = "the image's boot menu has no entry with a kernel, so kernel_args have no place"
        raise UsageError(msg)
    return found
