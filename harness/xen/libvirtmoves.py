"""What libvirt does to a whole domain that runs. Options: virsh(1)."""

from __future__ import annotations

from datetime import timedelta

from harness.errors import NotApplicable
from harness.remote.command import Command, Runner
from harness.units import Size
from harness.xen.config import check_domain_name
from harness.xen.files import ROOM_FOR
from harness.xen.libvirt import HEAD, call
from harness.xen.moves import QUICK, SPARE, XlMoves

_SAVE = f"""{HEAD}
{ROOM_FOR}
room_for "$2" "$3"
virsh save "$1" "$2" >&2 || {{ rm -f "$2"; failed; }}
stat -c %s "$2"
"""
_RESTORE = f"""{HEAD}
virsh restore "$2" --paused >&2 || failed
rm -f "$2"
virsh domid "$1"
"""


class LibvirtMoves:
    """`Moves` by virsh. `NotApplicable` for what libvirt has no way to do."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def save(self, name: str, path: str, memory: Size, timeout: timedelta) -> Size:
        """See `Moves.save`."""
        room = str((memory + SPARE) >> 20)
        words = ("virsh save", check_domain_name(name), path, room)
        return Size(int(self._script(_SAVE, *words, timeout=timeout)))

    def restore(self, name: str, path: str, timeout: timedelta) -> int:
        """See `Moves.restore`."""
        words = ("virsh restore", check_domain_name(name), path)
        return int(self._script(_RESTORE, *words, timeout=timeout))

    def migrate(self, name: str, timeout: timedelta) -> int:  # noqa: ARG002
        """Never: libvirt refuses that (virDomainMigrate: "to the same host")."""
        msg = "libvirt does not move a domain to the host that it is on"
        raise NotApplicable(msg)

    def rename(self, name: str, other: str) -> None:  # noqa: ARG002
        """Never: libvirt renames domains that do not run (virsh(1), domrename)."""
        msg = "libvirt does not rename a domain that runs"
        raise NotApplicable(msg)

    def reboot(self, name: str) -> None:
        """See `Moves.reboot`."""
        self._runner.run(call("reboot", name), timeout=QUICK)

    def sysrq(self, name: str, key: str) -> None:
        """See `Moves.sysrq`: libvirt has nothing for that, so xl does it."""
        XlMoves(self._runner).sysrq(name, key)

    def _script(self, text: str, *words: str, timeout: timedelta) -> str:
        command = Command(("sh", "-ec", text, *words))
        return self._runner.run(command, timeout=timeout).stdout.strip()
