"""The volume group of a testbox, made once, on its second disk."""

from __future__ import annotations

from datetime import timedelta

from harness.remote.command import Command, Runner

VOLUME_GROUP = "xenflight"
THIN_POOL = "pool"
BRIDGE = "xenbr0"

SCRIPT = f"""
pvcreate -qq --yes /dev/vdb
vgcreate -qq {VOLUME_GROUP} /dev/vdb
# -Zy: a block that is handed out is zeroed first. An image's holes must read as zeros (ext4
# relies on it for inode tables), not as what an earlier guest left there.
lvcreate -qq --yes --type thin-pool -l 95%FREE --poolmetadatasize 64M --chunksize 256k -Zy \\
    -n {THIN_POOL} {VOLUME_GROUP}
"""
"""Part of what a warm snapshot is: its text goes into the snapshot's key."""


def make_volume_group(dom0: Runner) -> None:
    """Make the VG and its thin pool."""
    dom0.run(Command.shell(SCRIPT), timeout=timedelta(minutes=3))
