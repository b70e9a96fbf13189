"""The volume group of a testbox, made once, on its second disk."""

from __future__ import annotations

from datetime import timedelta

from harness.remote.command import Command, Runner

VOLUME_GROUP = "xenflight"
THIN_POOL = "pool"
BRIDGE = "xenbr0"

_SCRIPT = f"""
pvcreate -qq --yes /dev/vdb
vgcreate -qq {VOLUME_GROUP} /dev/vdb
# -Zn: blocks that are handed out need no zeroing, since every scratch LV starts as a
# snapshot of a whole image; under emulation the zeroing is felt.
lvcreate -qq --yes --type thin-pool -l 95%FREE --poolmetadatasize 64M -Zn \\
    -n {THIN_POOL} {VOLUME_GROUP}
"""


def make_volume_group(dom0: Runner) -> None:
    """Make the VG and its thin pool."""
    dom0.run(Command.shell(_SCRIPT), timeout=timedelta(minutes=3))
