"""Another kernel for dom0: which there are, put in by apt, and taken out again without a trace.

apt works with lists and a cache of its own (`HOME` on the host), so that nothing of the host's own
changes but for the packages. What the host was before stands there, too, so that it is known after
a boot, and to whoever looks at a host on which a job died.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from harness.errors import GuestFailure, LabError
from harness.remote.command import Command, CommandResult, Runner, pairs_in

HOME = "/var/lib/xenflight/upgrade"
REFRESH_TIMEOUT = timedelta(minutes=3)
FETCH_TIMEOUT = timedelta(minutes=5)
INSTALL_TIMEOUT = timedelta(minutes=8)
"""On hardware a tenth of that: dpkg unpacks 400 MB, then an initramfs and a menu are made."""
STATE_TIMEOUT = timedelta(minutes=1)
_RELEASE = re.compile(r"(?P<version>\d+(?:\.\d+)+-\d+)-(?P<flavour>[a-z0-9][a-z0-9.-]*)")

# $1 is HOME; on standard input the lines of sources.list, or nothing where the host's own serve.
_REFRESH = """\
mkdir -p "$1/lists/partial" "$1/cache/archives/partial"
cat >"$1/sources.list"
{
    echo "Dir::State::Lists \\"$1/lists\\";"
    echo "Dir::Cache \\"$1/cache\\";"
    echo 'Acquire::Languages "none";'
    if [ -s "$1/sources.list" ]; then
        echo "Dir::Etc::SourceList \\"$1/sources.list\\";"
        echo 'Dir::Etc::SourceParts "/dev/null";'
    fi
} >"$1/apt.conf"
export APT_CONFIG="$1/apt.conf"
apt-get -q -o APT::Update::Error-Mode=any update >&2
apt-cache search --names-only '^linux-image-[0-9]'
"""
# $1 is HOME, $2 a package.
_SIZES = """\
export APT_CONFIG="$1/apt.conf"
apt-cache --no-all-versions show "$2" |
    sed -n 's/^Installed-Size: */unpacked=/p; s/^Size: */size=/p'
echo "root=$(df --output=avail -B1 / | tail -n 1)"
echo "boot=$(df --output=avail -B1 /boot | tail -n 1)"
echo "here=$(cat "/boot/vmlinuz-$(uname -r)" "/boot/initrd.img-$(uname -r)" | wc -c)"
"""
# What must be again as it was. GRUB writes its environment at each boot, and what is between our
# marks in custom.cfg is ours.
_STATE = """\
dpkg-query -W -f 'package ${Package}:${Architecture} ${Version} ${db:Status-Status}\\n'
apt-mark showmanual | sed 's/^/manual /'
find /boot -type f ! -path /boot/grub/grubenv ! -path /boot/grub/custom.cfg -exec sha256sum {} +
find / /boot -maxdepth 1 -type l -printf 'link %p %l\\n'
ls /lib/modules | sed 's/^/modules /'
"""
_REMEMBER = f'{{ {_STATE}}} | LC_ALL=C sort >"$1/before"\n'
_COMPARE = f'{{ {_STATE}}} | LC_ALL=C sort >"$1/now"\ndiff -U 0 "$1/before" "$1/now" || :\n'
_FETCH = """\
export APT_CONFIG="$1/apt.conf" DEBIAN_FRONTEND=noninteractive
apt-get -q -y --no-install-recommends --download-only install "$2" 2>&1
"""
_INSTALL = """\
export APT_CONFIG="$1/apt.conf" DEBIAN_FRONTEND=noninteractive
apt-get -q -y --no-install-recommends --no-download install "$2" </dev/null 2>&1
sync
"""
# All that is there now and was not before. $1 is HOME.
_PURGE = """\
export DEBIAN_FRONTEND=noninteractive
names() { sed -n 's/^package \\([^ ]*\\) .*/\\1/p' "$1" | LC_ALL=C sort; }
names "$1/before" >"$1/names"
dpkg-query -W -f 'package ${Package}:${Architecture} \\n' >"$1/now"
more=$(names "$1/now" | LC_ALL=C comm -13 "$1/names" -)
[ -z "$more" ] || dpkg --purge $more </dev/null 2>&1
sync
"""
_FORGET = 'rm -rf "$1"'
_SPARE = 64 << 20
"""Bytes that must be left beside."""


@dataclass(frozen=True, kw_only=True)
class Room:
    """Bytes that a package needs, and that there are."""

    unpacked: int
    size: int
    root: int
    boot: int
    here: int
    """Of the kernel and the initramfs that run: another takes about as much of /boot."""

    @property
    def lacking(self) -> str:
        """What there is too little of; empty when there is enough."""
        if self.root < self.unpacked + self.size + _SPARE:
            return f"/ has {self.root >> 20} MiB, and it needs {self.unpacked + self.size >> 20}"
        if self.boot < 2 * self.here + _SPARE:
            return f"/boot has {self.boot >> 20} MiB, and it needs {2 * self.here >> 20}"
        return ""


def refresh(runner: Runner, sources: str, bound: timedelta) -> list[str]:
    """Fetch apt's lists, by the lines of *sources* or, without, by the host's own.

    The releases of the kernels that there are. `LabError` when the mirror can't be read.
    """
    command = Command.script("refresh-kernels", _REFRESH, HOME)
    said = runner.run(command, stdin=sources.encode(), timeout=bound).stdout
    names = (line.split(" ", 1)[0] for line in said.splitlines())
    releases = (name.removeprefix("linux-image-") for name in names)
    return [release for release in releases if _RELEASE.fullmatch(release)]


def choose(running: str, known: Iterable[str], installed: Iterable[str]) -> str | None:
    """The kernel to go to from *running*: the newest of its flavour that is newer; if none is, the
    newest of the others. Never one that is *installed*, which would be taken away afterwards."""
    here = _RELEASE.fullmatch(running)
    if here is None:
        return None
    taken = {running, *installed}
    matches = [m for one in known if one not in taken and (m := _RELEASE.fullmatch(one))]
    same = [found for found in matches if found["flavour"] == here["flavour"]]
    best = max(same, key=_order, default=None)
    return best[0] if best else None


def is_newer(release: str, than: str) -> bool:
    """Whether one release of a kernel is newer; by its version alone."""
    one, other = _RELEASE.fullmatch(release), _RELEASE.fullmatch(than)
    return one is not None and other is not None and _order(one) > _order(other)


def _order(found: re.Match[str]) -> tuple[int, ...]:
    return tuple(int(part) for part in re.split(r"[.-]", found["version"]))


def package_of(release: str) -> str:
    """The package with that kernel."""
    return f"linux-image-{release}"


def installed(runner: Runner) -> list[str]:
    """The releases of the kernels in /boot."""
    listed = runner.run(Command.shell("ls -1 /boot")).stdout.split()
    return [name.removeprefix("vmlinuz-") for name in listed if name.startswith("vmlinuz-")]


def room_for(runner: Runner, release: str) -> Room:
    """What it takes, and what there is. `LabError` where that can't be told."""
    command = Command.script("room-for-kernel", _SIZES, HOME, package_of(release))
    said = pairs_in(runner.run(command).stdout)
    try:
        return Room(
            unpacked=int(said["unpacked"]) << 10,
            **{name: int(said[name]) for name in ("size", "root", "boot", "here")},
        )
    except (KeyError, ValueError) as error:
        msg = f"apt does not know {package_of(release)}"
        raise LabError(msg) from error


def remember_state(runner: Runner, bound: timedelta) -> None:
    """Write down, on the host, what packages and files of the boot there are."""
    runner.run(Command.script("remember-packages", _REMEMBER, HOME), timeout=bound)


def changed_state(runner: Runner, bound: timedelta) -> str:
    """What is otherwise than it was then, as a diff; empty when nothing is."""
    found = runner.run(Command.script("compare-packages", _COMPARE, HOME), timeout=bound)
    lines = found.stdout.splitlines()
    return "\n".join(line for line in lines if not line.startswith(("---", "+++", "@@")))


def fetch(runner: Runner, release: str, bound: timedelta) -> None:
    """Have its packages on the host. `LabError` when the mirror does not give them."""
    command = Command.script("fetch-kernel", _FETCH, HOME, package_of(release))
    runner.run(command, timeout=bound)


def install(runner: Runner, release: str, bound: timedelta) -> str:
    """Put it in, of what was fetched; what apt said. `GuestFailure` when its packages can't be."""
    command = Command.script("install-kernel", _INSTALL, HOME, package_of(release))
    done = runner.run(command, timeout=bound, check=False)
    if not done.ok:
        msg = f"{package_of(release)} could not be installed: {_last(done)}"
        raise GuestFailure(msg, phase="install", failure_class="install-failed")
    return done.stdout


def purge(runner: Runner, bound: timedelta) -> None:
    """Take out whatever was put in since `remember_state`. `LabError` when that can't be done."""
    done = runner.run(Command.script("purge-kernel", _PURGE, HOME), timeout=bound, check=False)
    if not done.ok:
        msg = f"what was installed could not be removed: {_last(done)}"
        raise LabError(msg)


def forget(runner: Runner) -> None:
    """Remove what we had on the host for that."""
    runner.run(Command.script("forget-kernels", _FORGET, HOME))


def _last(done: CommandResult) -> str:
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines[-1] if lines else f"exit status {done.exit_status}"
