"""What a host's serial line says when Xen, or the GRUB that loads it, cannot go on."""

from __future__ import annotations

from harness.console.sign import Sign, sign

XEN = r"^\(XEN\) (?:\[[^\]]*\] )?"
"""Where a message of Xen's begins; its time is there with ``console_timestamps``."""
_BOOT_FILE = r"(?:xen|vmlinu|initr|ramdisk|ucode)[^']*"

HOST_SIGNS: tuple[Sign, ...] = (
    # grub-core/fs/fshelp.c. Fonts and pictures are missed, too, and nobody minds.
    sign(
        "boot-file-missing",
        rf"^error: (?:\S+:\d+: ?)?file `[^']*/{_BOOT_FILE}' not found\.",
        "error: file `/initrd.img-6.1.0-56-amd64' not found.",
        "' not found.",
    ),
    # xen/drivers/char/console.c, panic().
    sign("xen-panic", XEN + r"Panic on CPU \d+:", "(XEN) Panic on CPU 0:", "Panic on CPU"),
    # xen/common/shutdown.c, hwdom_shutdown(): what dom0 said before tells why.
    sign(
        "hwdom-crash",
        XEN + r"Hardware Dom\d+ crashed",
        "(XEN) Hardware Dom0 crashed: rebooting machine in 5 seconds.",
        "Hardware Dom",
    ),
)
