"""The phases of a boot, and the console lines that mark where each begins.

`create` begins with the domain; `network` and `ssh` are watched from outside, not here.
Texts come from the sources that print them: init/version.c, init/main.c (Linux),
initramfs-tools' ``init``, systemd's ``manager.c``, sysvinit's ``init.c``, GRUB's ``main.c``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

from harness.console.hints import any_of

CREATE, BOOTLOADER, KERNEL, INITRAMFS, INIT, LOGIN = BOOT_PHASES = (
    "create",
    "bootloader",
    "kernel",
    "initramfs",
    "init",
    "login",
)

DEFAULT_TIMEOUTS: Mapping[str, timedelta] = MappingProxyType(
    {
        CREATE: timedelta(seconds=60),
        BOOTLOADER: timedelta(seconds=60),
        KERNEL: timedelta(seconds=60),
        INITRAMFS: timedelta(seconds=120),
        INIT: timedelta(seconds=180),
        LOGIN: timedelta(seconds=5),
    }
)
"""On real hardware; multiply by the host's ``timeout_factor``. `login` is the grace between
"the boot finished" and a prompt."""


@dataclass(frozen=True, kw_only=True)
class PhaseMark:
    """A line that says that *phase* has begun; *sample* is one that *pattern* finds.

    Whatever *pattern* finds holds one of *hints*, as with a `Sign`.
    """

    phase: str
    pattern: re.Pattern[str]
    hints: tuple[str, ...]
    sample: str

    def shows_in(self, text: str) -> bool:
        """Whether the cleaned line *text* says so."""
        return any(map(text.__contains__, self.hints)) and bool(self.pattern.search(text))


def _mark(phase: str, pattern: str, sample: str, *hints: str) -> PhaseMark:
    return PhaseMark(phase=phase, pattern=re.compile(pattern), hints=hints, sample=sample)


PHASE_MARKS: tuple[PhaseMark, ...] = (
    _mark(BOOTLOADER, r"GNU GRUB +version ", "GNU GRUB  version 2.06-13+deb12u1", "GNU GRUB"),
    _mark(
        BOOTLOADER,
        r"Welcome to GRUB!|GRUB loading",
        "Welcome to GRUB!",
        "Welcome to ",
        "GRUB loading",
    ),
    _mark(
        BOOTLOADER, r"^SeaBIOS \(version", "SeaBIOS (version 1.16.2-debian-1.16.2-1)", "SeaBIOS ("
    ),
    _mark(
        BOOTLOADER, r"^BdsDxe: ", 'BdsDxe: loading Boot0001 "debian" from HD(1,GPT,...)', "BdsDxe: "
    ),
    _mark(
        BOOTLOADER,
        r"^ *Booting (?:`|from |a command list)",
        "  Booting `Debian GNU/Linux'",
        "Booting ",
    ),
    _mark(
        KERNEL,
        r"(?:^|\] )Linux version \d",
        "[    0.000000] Linux version 6.1.0-47-cloud-amd64 (debian-kernel@lists.debian.org)",
        "Linux version ",
    ),
    _mark(
        INITRAMFS,
        r"\] Run /init as init process",
        "[    1.529861] Run /init as init process",
        "] Run /",
    ),
    _mark(INITRAMFS, r"^Loading, please wait", "Loading, please wait...", "Loading, please"),
    _mark(INITRAMFS, r"^Begin: \S", "Begin: Loading essential drivers ... done.", "Begin: "),
    _mark(
        INITRAMFS,
        r"dracut(?:-cmdline)?(?:\[\d+\])?: dracut-\d",
        "[    1.812345] dracut-cmdline[133]: dracut-057-4.el9",
        ": dracut-",
    ),
    _mark(
        INITRAMFS,
        r"systemd\[1\]: Running in (?:initial RAM disk|initrd)",
        "[    1.812345] systemd[1]: Running in initrd.",
        "Running in ini",
    ),
    _mark(
        INIT,
        r"\] Run /(?:usr/)?s?bin/(?:init|systemd)\S* as init process",
        "[    1.204417] Run /sbin/init as init process",
        "] Run /",
    ),
    _mark(
        INIT,
        r"systemd\[1\]: systemd \d+",
        "[    3.482112] systemd[1]: systemd 252.39-1~deb12u1 running in system mode (+PAM +AUDIT)",
        "]: systemd ",
    ),
    _mark(
        INIT,
        r"systemd\[1\]: Detected virtualization xen",
        "[    3.483301] systemd[1]: Detected virtualization xen.",
        "Detected virt",
    ),
    _mark(
        INIT,
        r"^Welcome to (?!GRUB)\S.*!$",
        "Welcome to Debian GNU/Linux 12 (bookworm)!",
        "Welcome to ",
    ),
    _mark(INIT, r"^INIT: version \d", "INIT: version 3.06 booting", "INIT: version"),
    _mark(
        INIT,
        r"OpenRC \d[\d.]* is starting up",
        "   OpenRC 0.45.2 is starting up Linux",
        "OpenRC ",
    ),
    _mark(
        LOGIN,
        r"Reached target .{0,60}?(?:Multi-User System|-user\.target|Graphical Interface)",
        "[  OK  ] Reached target multi-user.target - Multi-User System.",
        "Multi-User Sys",
        "-user.target",
        "Graphical Int",
    ),
)


XEN_MARK = _mark(
    "xen",
    r"^(?:\(XEN\) )?(?:\[[^\]]*\] )?Xen version \d",
    "(XEN) Xen version 4.17.7 (Debian 4.17.7+13-g2445b30a44-0+deb12u1) (pkg-xen-devel@lists...)",
    "Xen version",
)
"""xen/drivers/char/console.c, as soon as its serial line is up. Only a host's boot has it."""

_HINTS = re.compile(any_of(hint for mark in PHASE_MARKS for hint in mark.hints))


def phase_begun(line: str) -> str | None:
    """The phase that a cleaned *line* says has begun, if it says so."""
    if not _HINTS.search(line):
        return None
    return next((mark.phase for mark in PHASE_MARKS if mark.shows_in(line)), None)


LOGIN_HINT = "login:"
"""Part of every prompt that `login_prompt` finds."""
_KERNEL_STAMP = r"\[ *\d+\.\d{6}\]"


def login_prompt(hostname: str | None) -> re.Pattern[str]:
    """What a getty asks, on a cleaned line; the group is the host name it gives.

    The kernel may print in the middle of the prompt's line, before or after it. With the
    expected *hostname* that is no hindrance. Another name counts only when it stands alone
    at the end of the output, and never as ``Last login:``.
    """
    other = r"^(?!Last )(?P<other>[\w.()-]+) login: ?$"
    if not hostname:
        return re.compile(other)
    own = rf"(?<![\w.-])(?P<own>{re.escape(hostname)}) login: ?(?:$|{_KERNEL_STAMP})"
    return re.compile(f"{own}|{other}")
