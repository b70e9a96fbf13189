"""A place on the host where a builder may do as it likes, and from which nothing escapes.

It runs in a mount namespace and a process namespace of its own (unshare(1)). What it mounts
nobody else sees, and is gone with its last process; the kernel ends all of its processes with the
first. /tmp, /etc/xen and /var/log/xen-tools are directories of its own there, so what it leaves in
them goes with its directory. It ends with the SSH channel (its controller may have been killed),
and when its time is over (timeout(1)).
"""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from harness.build.output import follow, last_lines
from harness.errors import DeadlineExceeded, HostLost, LabError
from harness.host.names import BUILDS_FOR_RUN, BUILDS_GUEST, build_directory
from harness.host.xenhost import XenHost
from harness.remote.command import Command, Stream
from harness.wait import Deadline

GRACE = timedelta(seconds=60)
"""How much later than the host the controller loses its patience."""
_TIMED_OUT = 124  # timeout(1)

_MAKE = """\
rm -rf "$1"
# Twice: another builder of the flight may just have removed the directory above.
mkdir -p "$1/bin" || mkdir -p "$1/bin"
mkdir "$1/xen" "$1/log"
mkdir -m 1777 "$1/tmp"
# xl asks for it, and complains when it is not there.
[ ! -e /etc/xen/xl.conf ] || cp /etc/xen/xl.conf "$1/xen/"
"""

_REMOVE = """\
rm -rf "$1"
rmdir "${1%/*}" 2>/dev/null || :
"""

# "wait" can be interrupted by a signal, a command in the foreground cannot. kill's -1 is all of
# the namespace but this shell, which is its init; what is left after that, the kernel kills.
_INSIDE = """\
dir=$1 mark=$2; shift 2
trap 'kill -TERM -1 2>/dev/null; sleep 3; exit 143' TERM
mkdir -p -m 750 /var/log/xen-tools &&
    mount --bind "$dir/xen" /etc/xen && mount --bind "$dir/log" /var/log/xen-tools &&
    mount --bind "$dir/tmp" /tmp || { echo "$mark no-sandbox"; exit 125; }
for file in "$dir"/files/*; do
    [ -e "$file" ] || continue
    target=$(printf %s "${file##*/}" | sed 's|%|/|g')
    mount --bind "$file" "$target" || { echo "$mark no-sandbox"; exit 125; }
done
PATH="$dir/bin:$PATH" "$@" </dev/null 2>&1 &
wait $!; status=$?
echo
awk -v mark="$mark" 'index($5, "/tmp/") == 1 { print mark " left-mounted " $5 }' \\
    /proc/self/mountinfo
exit $status
"""

_OUTSIDE = """\
inside=$1 dir=$2 mark=$3 seconds=$4; shift 4
exec 3<&0 </dev/null
timeout --kill-after=10 "$seconds" unshare --mount --pid --fork --kill-child=TERM --mount-proc \\
    sh -c "$inside" sh "$dir" "$mark" "$@" 3<&- &
child=$!
( cat <&3; kill -TERM $child ) >/dev/null 2>&1 &
exec 3<&-
wait $child; status=$?
echo
echo "$mark ended $status"
"""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a builder ended."""

    status: int
    """Its exit status."""
    left_mounted: tuple[str, ...]
    """What it should have unmounted, and did not. It is gone all the same."""


@dataclass(frozen=True, kw_only=True)
class Sandbox:
    """The place for the builder of one guest."""

    host: XenHost
    run: str
    hostname: str

    @property
    def directory(self) -> str:
        """Its files on the host; `harness.host.reaper` finds a flight's builders by it."""
        return build_directory(self.run, self.hostname)

    def make(self, files: Mapping[str, str]) -> None:
        """Make the directory, empty but for *files*: relative paths and their contents.

        ``bin/x`` is found before any other program x; ``files/%etc%x`` covers /etc/x.
        """
        script = _MAKE
        for path, content in files.items():
            quoted = f'"$1"/{shlex.quote(path)}'
            mode = "755" if path.startswith("bin/") else "644"
            script += f'mkdir -p "$(dirname {quoted})"\n'
            script += f"printf %s {shlex.quote(content)} >{quoted}\nchmod {mode} {quoted}\n"
        self.host.runner.run(Command(("sh", "-ec", script, "make-sandbox", self.directory)))

    def call(self, argv: tuple[str, ...], log: Path, deadline: Deadline) -> Outcome:
        """Run *argv* in it; what it says goes to *log*.

        `DeadlineExceeded` when time was up, `LabError` when it could not be run at all.
        """
        mark = f"xenflight-{secrets.token_hex(6)}"
        said: list[str] = []
        stream = self.start(argv, mark, max(1, round(deadline.remaining)))
        patience = Deadline(deadline.at + GRACE.total_seconds(), deadline.clock)
        follow(stream, log, patience, lambda line: _collect(line, mark, said))
        return self._outcome(said, log, argv[0])

    def start(self, argv: tuple[str, ...], mark: str, seconds: int) -> Stream:
        """Start *argv* in it, for so many *seconds* at most; lines of ours begin with *mark*."""
        words = ("sh", "-c", _OUTSIDE, "builder", _INSIDE, self.directory, mark, str(seconds))
        env = {BUILDS_FOR_RUN: self.run, BUILDS_GUEST: self.hostname}
        return self.host.runner.open(Command((*words, *argv), env=env))

    def _outcome(self, said: list[str], log: Path, what: str) -> Outcome:
        ended = next((line for line in said if line.startswith("ended ")), None)
        where = f"on {self.host.name}: {what}"
        if ended is None:
            if not self.host.runner.alive:
                msg = f"lost the SSH connection to {self.host.name} while {what} ran"
                raise HostLost(msg)
            msg = f"{where} was ended by somebody; its last output: {last_lines(log, 1)}"
            raise LabError(msg)
        if "no-sandbox" in said:
            msg = f"{where} could not get namespaces of its own: {last_lines(log, 3)}"
            raise LabError(msg, hint="it needs root and unshare(1) of util-linux 2.32 or newer")
        status = int(ended.split()[1])
        if status == _TIMED_OUT:
            msg = f"{where} did not end in time; its last output: {last_lines(log, 4)}"
            raise DeadlineExceeded(msg, hint="give it more: `timeouts: {build: ...}`")
        left = [line.split(" ", 1)[1] for line in said if line.startswith("left-mounted ")]
        return Outcome(status=status, left_mounted=tuple(left))

    def remove(self) -> None:
        """Remove its directory, and the flight's if this was the last builder of it."""
        self.host.runner.run(Command(("sh", "-ec", _REMOVE, "remove-sandbox", self.directory)))


def _collect(line: str, mark: str, said: list[str]) -> None:
    if line.startswith(f"{mark} "):
        said.append(line.removeprefix(f"{mark} "))
