"""The course of a boot: its phases in order, and how each is known. A guest's, and a host's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

from harness.console.phases import (
    BOOT_PHASES,
    BOOTLOADER,
    DEFAULT_TIMEOUTS,
    INIT,
    INITRAMFS,
    KERNEL,
    LOGIN,
    XEN_MARK,
    phase_begun,
)

REBOOT, XEN = "reboot", "xen"
HOST_PHASES = (REBOOT, BOOTLOADER, XEN, KERNEL, INITRAMFS, INIT, LOGIN)
HOST_TIMEOUTS: Mapping[str, timedelta] = MappingProxyType(
    {
        # dom0 goes down, and then the firmware counts the memory: minutes on servers.
        REBOOT: timedelta(minutes=8),
        BOOTLOADER: timedelta(seconds=90),
        XEN: timedelta(seconds=60),
        KERNEL: timedelta(seconds=60),
        INITRAMFS: timedelta(seconds=120),
        INIT: timedelta(seconds=180),
        LOGIN: timedelta(seconds=30),
    }
)
"""On real hardware; multiply by the host's ``timeout_factor``."""


@dataclass(frozen=True, kw_only=True)
class Course:
    """*phases* in their order; the first begins with the watch, the last is ``login``."""

    phases: tuple[str, ...]
    begun: Callable[[str], str | None]
    """The phase that a cleaned line says has begun, if it says so."""
    timeouts: Mapping[str, timedelta]
    again: str
    """Its mark, seen once more..."""
    beyond: str
    """...when the boot is in this phase, or further, means that it began anew."""

    @property
    def first(self) -> str:
        """The phase that begins with the watch."""
        return self.phases[0]

    def later(self, phase: str, than: str) -> bool:
        """Whether *phase* comes after *than*."""
        return self.phases.index(phase) > self.phases.index(than)


GUEST_COURSE = Course(
    phases=BOOT_PHASES,
    begun=phase_begun,
    timeouts=DEFAULT_TIMEOUTS,
    again=KERNEL,
    beyond=INITRAMFS,
)


def _host_phase(line: str) -> str | None:
    return XEN if XEN_MARK.shows_in(line) else phase_begun(line)


HOST_COURSE = Course(
    phases=HOST_PHASES, begun=_host_phase, timeouts=HOST_TIMEOUTS, again=XEN, beyond=KERNEL
)
"""From the command to reboot to the login of dom0, on the host's serial line."""
