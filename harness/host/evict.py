"""Room in the thin pool: of the golden LVs that nobody needs, the one not used for longest goes.

When a golden LV was last used stands in a file on the host, beside LVM. A flight that needs one
says so in its own directory there, which goes with the flight; until then nobody removes it, also
when it has no snapshot just now.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from harness.errors import HostLost, LabError
from harness.guest.kernel_files import BOOT_DIR
from harness.host.lock import GOLDEN_LOCK, locked
from harness.host.names import RUN_DIRECTORY, is_plain, run_directory
from harness.host.room import data_to_come
from harness.host.roomlook import find_room, look_script
from harness.host.xenhost import XenHost
from harness.progress import Progress
from harness.remote.command import Command
from harness.storage.names import TAG, Role, check_name, tag_value
from harness.storage.reports import LogicalVolume
from harness.storage.volumes import MOST_DATA
from harness.units import Size, human_size
from harness.wait import Deadline

WANTED = 75.0
"""Percent of a thin pool that may be full with the next golden LV in it. The rest is for what
guests write: at `MOST_DATA` no flight begins any more."""
USES = "/var/lib/xenflight/golden"
LOCK_TIMEOUT = timedelta(seconds=5)
"""Whoever holds the lock of a golden LV is at work on it, so it is of use."""
REMOVE_TIMEOUT = timedelta(minutes=1)

# $1 is a golden LV, $2 where the flight says that it needs it.
_NOTE = f'mkdir -p "$2" {USES} && touch "$2/$1" {USES}/"$1"'
_LOOK = f"""\
cd {USES} 2>/dev/null && for name in *; do [ ! -e "$name" ] || stat -c 'used %n %Y' "$name"; done
for path in {RUN_DIRECTORY}/flights/*/golden/*; do
    [ ! -e "$path" ] || echo "held ${{path##*/}}"
done
echo all
"""


@dataclass(frozen=True, kw_only=True)
class Uses:
    """Who uses golden LVs, and when somebody last did."""

    last: dict[str, int]
    """Seconds since the epoch, by the host's clock."""
    held: frozenset[str]
    """By flights that run."""


def note_use(host: XenHost, name: str, run: str) -> None:
    """The flight *run* needs the golden LV *name*, be it there or not: nobody shall remove it."""
    mine = f"{run_directory(run)}/golden"
    host.runner.run(Command.script("note-use", _NOTE, check_name(name), mine))


def find_uses(host: XenHost) -> Uses:
    """What `note_use` noted, by this controller and by others. `LabError` if that is not all."""
    said = host.runner.run(Command.script("golden-uses", _LOOK)).stdout
    lines = [line.split() for line in said.splitlines()]
    if ["all"] not in lines:
        msg = f"{host.name} does not tell which golden volumes are in use"
        raise LabError(msg)
    return Uses(
        last={words[1]: int(words[2]) for words in lines if words[0] == "used"},
        held=frozenset(words[1] for words in lines if words[0] == "held"),
    )


class Evictor:
    """Removes golden LVs that nobody needs, one at a time, the one not used for longest first."""

    def __init__(self, host: XenHost) -> None:
        self._host = host
        self._stuck: set[str] = set()

    def evict(self, claimed: Iterable[str]) -> LogicalVolume | None:
        """Remove the next, and with it what was taken out of it; what it was, None if none can go.

        *claimed* are those that leases refer to. What would not go once is not tried again.
        """
        wanted = frozenset(claimed)
        for volume in self._free(wanted):
            if self._remove(volume, wanted):
                return volume
            self._stuck.add(volume.name)
        return None

    def _free(self, claimed: frozenset[str]) -> list[LogicalVolume]:
        volumes = self._host.volumes.everybodys()
        origins = {volume.origin for volume in volumes}
        try:
            uses = find_uses(self._host)
        except HostLost:
            raise
        except LabError:
            # Then all of them may be in use.
            return []
        free = [
            volume
            for volume in volumes
            if TAG in volume.tags
            and tag_value(volume.tags, "role") == Role.GOLDEN
            and volume.name not in origins | uses.held | claimed | self._stuck
            and not volume.in_use
        ]
        return sorted(free, key=lambda volume: (uses.last.get(volume.name, 0), volume.name))

    def _remove(self, volume: LogicalVolume, claimed: frozenset[str]) -> bool:
        """Remove one; False when somebody wants it after all."""
        host, key = self._host, tag_value(volume.tags, "key")
        if key is None or not is_plain(key):
            return False
        try:
            with locked(host.runner, f"{GOLDEN_LOCK}{key}", Deadline.after(LOCK_TIMEOUT)):
                # Whoever noted a use since then is about to make a snapshot, or has made it.
                if volume.name not in {one.name for one in self._free(claimed)}:
                    return False
                host.volumes.remove(volume.name, Deadline.after(REMOVE_TIMEOUT))
                # Under the lock, too: whoever has it next makes all of it anew.
                left = (f"{BOOT_DIR}/{key}", f"{USES}/{volume.name}")
                host.runner.run(Command.of("rm", "-rf", *left), check=False)
        except HostLost:
            raise
        except LabError:
            # Somebody has it open, or is at work on it: so it is of use.
            return False
        return True


def make_room(host: XenHost, need: Size, progress: Progress) -> list[str]:
    """Remove golden LVs until *need* bytes more fit into the thin pool; the names of those gone.

    What jobs on the host are expected to write yet is left free, as far as that goes. `LabError`
    with all the numbers when what is in use and *need* do not fit. With a *need* of nothing, what
    has grown too full is emptied as far as that goes.
    """
    pool = host.volumes.find(host.volumes.pool)
    if pool is None or pool.data_percent is None:
        return []
    room = find_room(host.runner, look_script(host.volumes.group, host.volumes.pool))
    used, promised = room.data_used, data_to_come(room)
    claimed = [claim.want.golden for claim in room.claims]
    evictor = Evictor(host)
    gone: list[str] = []
    while _percent(used + promised + need, pool) > WANTED:
        volume = evictor.evict(claimed)
        if volume is None:
            break
        used -= freed_by(volume)
        gone.append(volume.name)
        progress(told_gone(volume, host.name))
    if need and _percent(used + need, pool) > MOST_DATA:
        msg = (
            f"on {host.name}: an image of {human_size(need)} does not fit into thin pool "
            f"{pool.path}: {human_size(used)} of {human_size(pool.size)} are in use, and "
            f"{MOST_DATA:g} % is the most; no other golden volume can go"
        )
        raise LabError(msg, hint="make the pool larger, or run fewer different images at once")
    return gone


def freed_by(volume: LogicalVolume) -> int:
    """What goes with a golden volume, in bytes."""
    return int(volume.size * (volume.data_percent or 0) / 100)


def told_gone(volume: LogicalVolume, host: str) -> str:
    """That it was removed, for the log."""
    return f"removed {volume.name} from {host}: {human_size(freed_by(volume))} more room"


def _percent(used: int, pool: LogicalVolume) -> float:
    return 100 * used / pool.size
