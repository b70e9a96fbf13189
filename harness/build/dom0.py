"""What of dom0 a builder must know before it starts, asked in one command."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from harness.errors import LabError
from harness.host.names import built_volumes
from harness.host.xenhost import XenHost
from harness.remote.command import Command
from harness.storage.names import check_name

_TIMEOUT = timedelta(minutes=1)
_LOOK = """\
echo "release $(uname -r)"
for program in "$@"; do
    command -v "$program" >/dev/null && echo "program $program"
done
exit 0
"""
_PACKAGES: Mapping[str, str] = {
    "xen-create-image": "xen-tools",
    "debootstrap": "debootstrap",
    "debugfs": "e2fsprogs",
    "unshare": "util-linux",
    "partx": "util-linux",
}


def running_kernel(host: XenHost, *programs: str) -> str:
    """The release of dom0's kernel; `LabError` when one of *programs* is not installed."""
    command = Command(("sh", "-c", _LOOK, "look", *programs))
    found = dict.fromkeys(host.runner.run(command, timeout=_TIMEOUT).stdout.splitlines())
    missing = [program for program in programs if f"program {program}" not in found]
    if missing:
        msg = f"on {host.name}: {', '.join(missing)} is not installed"
        packages = sorted({_PACKAGES.get(name, name) for name in missing})
        raise LabError(msg, hint=f"install Debian's {', '.join(packages)} in its dom0")
    return next(line.split()[1] for line in found if line.startswith("release "))


def require_files(host: XenHost, *paths: str) -> None:
    """`LabError` when one of *paths* is not a file of dom0."""
    script = 'for path in "$@"; do [ -f "$path" ] || echo "$path"; done'
    command = Command(("sh", "-c", script, "require", *paths))
    missing = host.runner.run(command, timeout=_TIMEOUT).stdout.split("\n")
    if any(missing):
        msg = f"on {host.name}: there is no {', '.join(filter(None, missing))}"
        raise LabError(msg, hint="what there is: ls /boot")


def require_free_names(host: XenHost, hostname: str) -> None:
    """`LabError` when there is a volume of a name that is to be made.

    ``--force`` would have it removed, and whoever made it: it was not this job.
    """
    for name in built_volumes(hostname):
        found = host.volumes.find(check_name(name))
        if found is not None:
            msg = f"on {host.name}: {found.path} is there already, and it is not this job's"
            raise LabError(msg, hint="`xenflight reap` removes what a dead flight left")
