"""What xl does to a whole domain that runs: save it, move it, rename it, have it start again.

Options and file formats: xl(1). All of it may take as long as the guest's memory takes to be
written and read, so each call is given its bound.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol

from harness.remote.command import Command, Runner
from harness.units import Size
from harness.xen.config import check_domain_name
from harness.xen.files import FORGET_FILES, ROOM_FOR
from harness.xen.listing import XenInfo

INCOMING, AWAY, RENAMED = "--incoming", "--migratedaway", "--renamed"
"""What a domain's name ends with while it moves: the first two are xl's own (xl_migrate.c), of
the domain that arrives and of the one that has left; the last is ours."""
PASSING = (INCOMING, AWAY, RENAMED)

QUICK = timedelta(seconds=60)
SPARE = Size.parse("128M")
"""What dom0 keeps free of its disk when a domain is saved."""
# $1 name, $2 file, $3 MiB.
_SAVE = f"""{ROOM_FOR}
room_for "$2" "$3"
xl save "$1" "$2" >&2 || {{ status=$?; rm -f "$2"; exit $status; }}
stat -c %s "$2"
"""
# Restored paused, so that its console is heard before it says anything. $1 name, $2 file.
_RESTORE = """
xl restore -p "$2" >&2
rm -f "$2"
xl domid "$1"
"""
# xl speaks to the receiving xl over a pipe in place of ssh (xl(1), migrate -s ''), so dom0 need not
# be able to log in to itself. The receiver leaves it paused (-p), for the same reason as above.
_MIGRATE = """
xl migrate -s '' "$1" 'exec xl migrate-receive -p' >&2
xl domid "$1"
"""


class Moves(Protocol):
    """What a guest needs of the toolstack to be moved; `XlMoves` has it.

    `CommandFailed` when xl says no. After `DeadlineExceeded` there may be domains of that name
    with an ending of `PASSING`.
    """

    def save(self, name: str, path: str, memory: Size, timeout: timedelta) -> Size:
        """Write a domain of *memory* to a file of dom0, and end it; how large that is."""
        ...

    def restore(self, name: str, path: str, timeout: timedelta) -> int:
        """Make it again from there, paused, and remove the file; its new domid."""
        ...

    def migrate(self, name: str, timeout: timedelta) -> int:
        """Move it, live, to this very host; its new domid. It is left paused."""
        ...

    def rename(self, name: str, other: str) -> None:
        """Give it another name."""
        ...

    def reboot(self, name: str) -> None:
        """Ask its guest to start again; returns at once."""
        ...

    def sysrq(self, name: str, key: str) -> None:
        """Press a key of the kernel's magic ones (sysrq.rst of Linux)."""
        ...


class XlMoves:
    """`Moves` by xl."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def save(self, name: str, path: str, memory: Size, timeout: timedelta) -> Size:
        """See `Moves.save`."""
        room = (memory + SPARE) >> 20
        command = _script("xl save", _SAVE, check_domain_name(name), path, str(room))
        return Size(int(self._run(command, timeout)))

    def restore(self, name: str, path: str, timeout: timedelta) -> int:
        """See `Moves.restore`."""
        return int(
            self._run(_script("xl restore", _RESTORE, check_domain_name(name), path), timeout)
        )

    def migrate(self, name: str, timeout: timedelta) -> int:
        """See `Moves.migrate`."""
        return int(self._run(_script("xl migrate", _MIGRATE, check_domain_name(name)), timeout))

    def rename(self, name: str, other: str) -> None:
        """See `Moves.rename`."""
        self._run(Command.of("xl", "rename", name, check_domain_name(other)), QUICK)

    def reboot(self, name: str) -> None:
        """See `Moves.reboot`."""
        self._run(Command.of("xl", "reboot", name), QUICK)

    def sysrq(self, name: str, key: str) -> None:
        """See `Moves.sysrq`."""
        self._run(Command.of("xl", "sysrq", name, key), QUICK)

    def forget(self, path: str) -> None:
        """Remove the file of a saved domain, and its directory if that is empty then."""
        self._runner.run(Command.script("forget-saved", FORGET_FILES, path))

    def _run(self, command: Command, timeout: timedelta) -> str:
        return self._runner.run(command, timeout=timeout).stdout.strip()


def why_not_live(info: XenInfo, *, pv: bool) -> str:
    """Why a host cannot migrate such a domain live; empty when it can, as far as it tells.

    Xen follows what a guest writes by shadow page tables or by nested paging. PV has only the
    former, which Debian builds Xen without (``CONFIG_SHADOW_PAGING``); ``xl info`` tells of both
    since 4.13.
    """
    told = (info.major, info.minor) >= (4, 13)
    missing = "shadow" if pv else "hap"
    if not told or missing in info.virt_caps or (not pv and "shadow" in info.virt_caps):
        return ""
    what = "a PV" if pv else "such a"
    return (
        f"its Xen {info.version} cannot follow what {what} guest writes while it moves: "
        f"`xl info` has no {missing!r} among virt_caps ({' '.join(info.virt_caps)})"
    )


def _script(name: str, text: str, *words: str) -> Command:
    return Command(("sh", "-ec", text, name, *words))
