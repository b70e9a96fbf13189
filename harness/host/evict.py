"""Room in the thin pool for the next golden LV: the one that was not used for longest goes.

When a golden LV was last used stands in a file on the host, beside LVM. A flight that needs one
says so in its own directory there, which goes with the flight; until then nobody removes it, also
when it has no snapshot just now.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from harness.errors import HostLost, LabError
from harness.guest.kernel_files import BOOT_DIR
from harness.host.lock import locked
from harness.host.names import RUN_DIRECTORY, run_directory
from harness.host.xenhost import XenHost
from harness.progress import Progress
from harness.remote.command import Command
from harness.storage.names import Role, check_name, tag_value
from harness.storage.reports import LogicalVolume
from harness.storage.volumes import MOST_DATA
from harness.units import Size, human_size
from harness.wait import Deadline

WANTED = 75.0
"""Percent of a thin pool that may be full with the next golden LV in it. The rest is for what
guests write: at `MOST_DATA` no flight begins any more."""
USES = "/var/lib/xenflight/golden"
LOCK_TIMEOUT = timedelta(minutes=1)
REMOVE_TIMEOUT = timedelta(minutes=2)

_LOOK = f"""\
cd {USES} 2>/dev/null && for name in *; do [ ! -e "$name" ] || stat -c 'used %n %Y' "$name"; done
for path in {RUN_DIRECTORY}/flights/*/golden/*; do
    [ ! -e "$path" ] || echo "held ${{path##*/}}"
done
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
    script = f'mkdir -p {mine} {USES} && touch {mine}/"$1" {USES}/"$1"'
    host.runner.run(Command(("sh", "-ec", script, "note-use", check_name(name))))


def find_uses(host: XenHost) -> Uses:
    """What `note_use` noted, by this controller and by others."""
    said = host.runner.run(Command(("sh", "-c", _LOOK, "golden-uses")), check=False).stdout
    lines = [line.split() for line in said.splitlines()]
    return Uses(
        last={words[1]: int(words[2]) for words in lines if words[0] == "used"},
        held=frozenset(words[1] for words in lines if words[0] == "held"),
    )


def make_room(host: XenHost, need: Size, progress: Progress) -> list[str]:
    """Remove golden LVs until *need* bytes more fit into the thin pool; the names of those gone.

    `LabError` with all the numbers when even then they do not. With a *need* of nothing, what has
    grown too full is emptied as far as that goes.
    """
    pool = host.volumes.find(host.volumes.pool)
    if pool is None or pool.data_percent is None:
        return []
    used = int(pool.size * pool.data_percent / 100)
    gone: list[str] = []
    if _percent(used + need, pool) > WANTED:
        for volume in _evictable(host):
            if _percent(used + need, pool) <= WANTED:
                break
            if _evict(host, volume):
                freed = int(volume.size * (volume.data_percent or 0) / 100)
                used -= freed
                gone.append(volume.name)
                progress(f"removed {volume.name} from {host.name}: {human_size(freed)} more room")
    if need and _percent(used + need, pool) > MOST_DATA:
        msg = (
            f"on {host.name}: an image of {human_size(need)} does not fit into thin pool "
            f"{pool.path}: {human_size(used)} of {human_size(pool.size)} are in use, and "
            f"{MOST_DATA:g} % is the most; no other golden volume can go"
        )
        raise LabError(msg, hint="make the pool larger, or run fewer different images at once")
    return gone


def _percent(used: int, pool: LogicalVolume) -> float:
    return 100 * used / pool.size


def _evictable(host: XenHost) -> list[LogicalVolume]:
    """Golden LVs that nobody needs, the one that was not used for longest first."""
    volumes = host.volumes.list()
    origins = {volume.origin for volume in volumes}
    uses = find_uses(host)
    free = [
        volume
        for volume in volumes
        if tag_value(volume.tags, "role") == Role.GOLDEN
        and volume.name not in origins | uses.held
        and not volume.in_use
    ]
    return sorted(free, key=lambda volume: (uses.last.get(volume.name, 0), volume.name))


def _evict(host: XenHost, volume: LogicalVolume) -> bool:
    """Remove one, with what was taken out of it; False when somebody wants it after all."""
    key = tag_value(volume.tags, "key")
    if key is None:
        return False
    try:
        with locked(host.runner, f"golden-{key}", Deadline.after(LOCK_TIMEOUT)):
            # Whoever noted a use since then is about to make a snapshot.
            if volume.name in find_uses(host).held:
                return False
            host.volumes.remove(volume.name, Deadline.after(REMOVE_TIMEOUT))
    except HostLost:
        raise
    except LabError:
        # Somebody has it open, or is at work on it: so it is of use.
        return False
    left = (f"{BOOT_DIR}/{key}", f"{USES}/{volume.name}")
    host.runner.run(Command.of("rm", "-rf", *left))
    return True
