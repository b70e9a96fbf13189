"""xl would not create a domain: is it the guest's image, or the lab?"""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.errors import GuestFailure, XenflightError
from harness.remote.command import Command, Runner
from harness.xen.toolstack import CreateRefused

_LOG = re.compile(r"consult logfile (/var/log/xen/bootloader\.\d+\.log)")
_LINES = 30


@dataclass(frozen=True, kw_only=True)
class Sign:
    """Words of libxl that put it down to the image. *sample* is a line that *pattern* finds."""

    pattern: re.Pattern[str]
    phase: str
    failure_class: str
    means: str
    sample: str


SIGNS: tuple[Sign, ...] = (
    Sign(
        pattern=re.compile(r"bootloader failed|bootloader \[\d+\] exited with error status"),
        phase="bootloader",
        failure_class="bootloader-failed",
        means="the boot loader in dom0 found nothing to boot on its disk",
        sample="libxl: error: libxl_bootloader.c:649:bootloader_finished: Domain 3:bootloader "
        "failed - consult logfile /var/log/xen/bootloader.3.log",
    ),
    Sign(
        # Not xc_dom_boot_mem_init: that is where the host has no memory for the domain.
        pattern=re.compile(
            r"xc_dom_(?:parse_image|find_loader|boot_(?!mem_init)\w+) failed"
            r"|panic: (?:\S+ )?xc_dom_(?!boot_mem_init)"
        ),
        phase="create",
        failure_class="kernel-not-loadable",
        means="Xen's domain builder cannot load its kernel",
        sample="libxl: error: libxl_dom.c:540:libxl__build_dom: xc_dom_parse_image failed",
    ),
)


def whose_fault(error: CreateRefused, runner: Runner) -> XenflightError:
    """What to raise instead of *error*: itself, unless the guest's image is to blame."""
    for sign in SIGNS:
        if sign.pattern.search(error.said):
            return GuestFailure(
                sign.means,
                phase=sign.phase,
                failure_class=sign.failure_class,
                evidence=f"{error.said.strip()}\n{_bootloader_log(error.said, runner)}".strip(),
            )
    return error


def _bootloader_log(said: str, runner: Runner) -> str:
    """The end of the log that libxl points at; not every version writes one."""
    found = _LOG.search(said)
    if not found:
        return ""
    return runner.run(Command.of("tail", "-n", _LINES, found[1]), check=False).stdout.strip()
