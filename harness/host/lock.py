"""Locks on a host that free themselves when their holder dies.

The lock is flock(1)'s, held by a process on the host whose standard input is our SSH
channel: when we die, or the network does, sshd ends the channel, the process reads the end
of its input and goes, and the kernel drops the lock. Nobody has to clean up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from harness.errors import LabError
from harness.host.names import is_plain
from harness.remote.command import Command, Runner, Stream
from harness.wait import Deadline, NotYet, wait_for

LOCK_DIRECTORY = "/run/xenflight/locks"
GOLDEN_LOCK = "golden-"
"""How the names of those locks begin that are an image's, and no flight's."""
_BUSY = 9
"""flock's exit status when somebody else holds it; chosen by us (--conflict-exit-code)."""
_READY = b"xenflight-lock-held"
_READ = timedelta(milliseconds=200)
# Who reaps the dead removes their locks' files, perhaps just when this one was opened: a lock of
# a file that has no name any more is nobody's, and is taken anew. $1 is the locks' directory, $2
# the lock's file, $3 for how many seconds to wait.
_TAKE = f"""\
mkdir -p "$1"
for try in 1 2 3 4 5 6 7 8 9; do
    exec 9>>"$2"
    flock --wait "$3" --conflict-exit-code {_BUSY} 9 || exit
    [ "$2" -ef /proc/self/fd/9 ] && echo {_READY.decode()} && exec cat >/dev/null
done
echo 'its file goes away again and again'
exit 1
"""
# $1 is the locks' directory, the others are their names.
_FREE = """\
mkdir -p "$1"
cd "$1"
shift
for name; do
    ! flock --nonblock "$name" true || echo "$name"
done
"""


class HostLock:
    """A held lock; `release` gives it back."""

    def __init__(self, name: str, stream: Stream) -> None:
        self.name = name
        self._stream = stream

    def release(self) -> None:
        """Give it back; never raises, also for a dead host, and is harmless twice."""
        self._stream.close()


def take_lock(
    runner: Runner, name: str, deadline: Deadline, directory: str = LOCK_DIRECTORY
) -> HostLock:
    """Take the lock *name* on the runner's host.

    `LabError` (or its `DeadlineExceeded`) when somebody else holds it until *deadline*.
    """
    seconds = max(1, int(deadline.remaining))
    path = lock_path(name, directory)
    stream = runner.open(Command.script("take-lock", _TAKE, directory, path, seconds))
    said = bytearray()

    def held() -> None:
        chunk = stream.read(4096, _READ)
        said.extend(chunk or b"")
        if _READY in said:
            return
        if chunk == b"":
            text = said.decode(errors="replace").strip()
            msg = f"{runner.name}: the lock {name} was not to be had: {text or 'it is held'}"
            raise LabError(msg, hint="another xenflight is at work on this host")
        msg = f"{name} is held by somebody else"
        raise NotYet(msg)

    try:
        wait_for(held, what=f"the lock {name} on {runner.name}", deadline=deadline)
    except BaseException:
        stream.close()
        raise
    return HostLock(name, stream)


@contextmanager
def locked(
    runner: Runner, name: str, deadline: Deadline, directory: str = LOCK_DIRECTORY
) -> Iterator[None]:
    """Hold the lock *name* for the length of a block."""
    lock = take_lock(runner, name, deadline, directory)
    try:
        yield
    finally:
        lock.release()


def dead_locks(runner: Runner, names: Iterable[str], directory: str = LOCK_DIRECTORY) -> set[str]:
    """Which of *names* nobody holds any more (or never did)."""
    wanted = sorted(set(names))
    if not wanted:
        return set()
    for name in wanted:
        lock_path(name, directory)
    result = runner.run(Command.script("free-locks", _FREE, directory, *wanted))
    return set(result.stdout.split())


def forget_lock(runner: Runner, name: str, directory: str = LOCK_DIRECTORY) -> None:
    """Remove the file of a lock that nobody will take again."""
    runner.run(Command.of("rm", "-f", lock_path(name, directory)))


def lock_path(name: str, directory: str = LOCK_DIRECTORY) -> str:
    """The lock's file on the host; `ValueError` for a name that needs quoting."""
    if not is_plain(name):
        msg = f"{name!r} can't name a lock"
        raise ValueError(msg)
    return f"{directory}/{name}"
