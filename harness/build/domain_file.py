"""What xen-create-image wrote into the domain's configuration: its disks.

The file is xm.tmpl of xen-tools, filled in; only the lines of its disk list are of interest::

    disk        = [
                      'phy:/dev/vg/guest-disk,xvda2,w',
                      'phy:/dev/vg/guest-swap,xvda1,w',
                  ]
"""

from __future__ import annotations

import re

from harness.build.model import FAILURE_CLASS, PHASE
from harness.errors import GuestFailure

_DISK = re.compile(r"'(?:phy|file):/dev/[^/']+/(?P<volume>[^,']+),(?P<device>[a-z]+[0-9]*),w'")


def devices(text: str) -> dict[str, str]:
    """Volume to the device that the guest sees. `GuestFailure` when the file lists none."""
    found = {match["volume"]: match["device"] for match in _DISK.finditer(text)}
    if not found:
        msg = "xen-create-image wrote no disks into the domain's configuration"
        raise GuestFailure(msg, phase=PHASE, failure_class=FAILURE_CLASS, evidence=text[-2000:])
    return found
