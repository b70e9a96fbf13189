"""Who holds a volume that cannot be removed: for the message, never to decide on."""

from __future__ import annotations

from datetime import timedelta

from harness.errors import LabError
from harness.remote.command import Command, Runner
from harness.storage.reports import LogicalVolume

_TIMEOUT = timedelta(seconds=20)

# A device can be held by another device on top of it, by a mount, by a process (fuser(1) is not
# everywhere), or by the block back end in the kernel on behalf of a domain.
_SCRIPT = """
dev=$(cat "/sys/block/$1/dev")
for holder in "/sys/block/$1/holders/"*; do
    [ -e "$holder" ] && echo "device ${holder##*/}"
done
awk -v dev="$dev" '$3 == dev { print "mount " $5 }' /proc/self/mountinfo | head -n 3
find /proc/[0-9]*/fd -lname "/dev/$1" 2>/dev/null | cut -d/ -f3 | sort -un | head -n 5 |
while read -r pid; do
    echo "process $pid ($(tr '\\0' ' ' <"/proc/$pid/cmdline" | cut -c1-60))"
done
xenstore-ls -f /local/domain/0/backend 2>/dev/null | grep "/physical-device-path = \\"/dev/$1\\"" |
    sed 's|^/local/domain/0/backend/\\([a-z]*\\)/\\([0-9]*\\)/.*|\\1 of domain \\2|'
exit 0
"""


def describe_holders(runner: Runner, volume: LogicalVolume) -> str:
    """Who has *volume* open on its host, as text; says so when that cannot be found out."""
    if volume.minor is None:
        return "nobody: it is not active"
    device = f"dm-{volume.minor}"
    command = Command(("sh", "-c", _SCRIPT, "describe-holders", device))
    try:
        found = runner.run(command, timeout=_TIMEOUT, check=False).stdout.split("\n")
    except LabError as error:
        return f"unknown ({error.message})"
    return ", ".join(filter(None, found)) or "nobody that can be seen"
