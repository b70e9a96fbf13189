"""A volume of one host as a disk of another: NBD, by way of the controller.

osstest's ``ts-guests-nbd-mirror`` has the same for its pair tests. There is one copy of the data,
where the volume is; so nothing has to be brought into line when the guest moves.

Programs are qemu-nbd(8) on both hosts, and a few lines of Python between its socket and SSH. They
carry the mark of builders in their environment, so that who reaps finds them; but they end by
themselves when their SSH channel does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from harness.errors import DeadlineExceeded, LabError
from harness.host.lock import LOCK_DIRECTORY
from harness.host.names import BUILDS_FOR_RUN, BUILDS_GUEST, build_directory, run_directory
from harness.host.relay import Join, Joined, open_both
from harness.host.xenhost import XenHost
from harness.remote.command import Command
from harness.wait import Deadline, NotYet, wait_for

READY = timedelta(seconds=45)
"""For two programs to start and shake hands, on hardware."""

# argv: the socket, then qemu-nbd's. On the lender it serves one client, this; what it says is
# beside the socket. Input's end is the end.
_SERVE = r"""
import os, signal, socket, subprocess, sys, threading, time
base, path, *words = sys.argv[1:]
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
log = open(base + ".log", "wb")
server = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
try:
    link = socket.socket(socket.AF_UNIX)
    while server.poll() is None:
        try:
            link.connect(path)
            break
        except OSError:
            time.sleep(0.1)
    def take():
        while data := os.read(0, 65536):
            link.sendall(data)
        link.shutdown(socket.SHUT_RDWR)
    threading.Thread(target=take, daemon=True).start()
    while data := link.recv(65536):
        os.write(1, data)
finally:
    server.terminate()
    server.wait()
    if os.path.exists(path):
        os.unlink(path)
"""
# argv: the socket, what it is called, a lock. On the borrower: the first free device. qemu-nbd
# goes on in the background once the kernel has the disk, and ends when the device is let go of.
_BORROW = r"""
import fcntl, glob, os, signal, socket, subprocess, sys, threading
base, path, name, lock = sys.argv[1:]
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
log = open(base + ".log", "wb")
def call(*words, **more):
    return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **more)
door = socket.socket(socket.AF_UNIX)
door.bind(path)
door.listen(1)
call("modprobe", "nbd").wait()
device = None
try:
    with open(lock, "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        free = [one for one in glob.glob("/sys/block/nbd*") if not os.path.exists(one + "/pid")]
        if not free:
            log.write(b"no NBD device is free\n")
            sys.exit(1)
        device = "/dev/" + os.path.basename(min(free, key=lambda one: (len(one), one)))
        image = "driver=raw,file.driver=nbd,file.server.type=unix,file.server.path=" + path
        client = call("qemu-nbd", "--connect=" + device, "--cache=none", "--image-opts",
            image + ",file.export=" + name)
        door.settimeout(1)
        link = None
        while link is None:
            try:
                link, _ = door.accept()
            except socket.timeout:
                # It says by its end that it has the disk, or that it can't: then nobody calls.
                if client.poll() is not None:
                    sys.exit(1)
        link.settimeout(None)
        def take():
            while data := os.read(0, 65536):
                link.sendall(data)
            link.shutdown(socket.SHUT_RDWR)
        threading.Thread(target=take, daemon=True).start()
        def wait():
            if client.wait() == 0:
                with open(base + ".new", "w") as file:
                    file.write(device)
                os.rename(base + ".new", base + ".device")
            fcntl.flock(held, fcntl.LOCK_UN)
        waiting = threading.Thread(target=wait)
        waiting.start()
        while data := link.recv(65536):
            os.write(1, data)
        waiting.join()
finally:
    if device:
        call("qemu-nbd", "--disconnect", device).wait()
    open(base + ".ended", "w").close()
    os.unlink(path)
"""
# $1 program, $2 where its files begin, $3 socket, $4 name.
_LEND = 'mkdir -p -m 700 "${2%/*}"; rm -f "$2".* "$3"; exec python3 -c "$1" "$2" "$3" qemu-nbd \
"--socket=$3" --shared=1 "--export-name=$4" --cache=none --image-opts "$5"'
_TAKE = 'mkdir -p -m 700 "${2%/*}"; rm -f "$2".* "$3"; exec python3 -c "$1" "$2" "$3" "$4" "$5"'
_DEVICE = 'cat "$1.device" 2>/dev/null || { [ ! -e "$1.ended" ] || exit 9; exit 1; }'
_LOG = 'cat "$1.log" 2>/dev/null || :'
_ENDED = 9
_RETURN = 'blockdev --flushbufs "$1"; qemu-nbd --disconnect "$1"'
LOCK = f"{LOCK_DIRECTORY}/nbd"
"""Held by who looks for a free device until it is taken. For all flights."""


def socket_path(run: str, hostname: str) -> str:
    """Where qemu-nbd is spoken to. Linux has 107 characters for it (unix(7)), and names of jobs,
    which begin those of hosts, are long."""
    return f"{run_directory(run)}/{hostname[-6:]}.nbd"


@dataclass(frozen=True, kw_only=True)
class Lender:
    """Lends volumes of *owner* to *borrower*, for the guest *hostname* of the flight *run*."""

    owner: XenHost
    borrower: XenHost
    """Both fenced: a disk comes to be only while the job has its slots."""
    freely: XenHost
    """The borrower without that: who has lost the slot may still let go."""
    run: str
    hostname: str
    join: Join

    def lend(self, volume: str, name: str, patience: timedelta) -> LentDisk:
        """Have *volume* appear as a disk of the borrower's. *name* is what it is known for.

        `LabError` with what qemu-nbd said when it does not.
        """
        path = f"{build_directory(self.run, self.hostname)}/nbd"
        socket = socket_path(self.run, self.hostname)
        image = (
            f"driver=raw,file.driver=host_device,file.filename={self.owner.volumes.path(volume)},"
            "file.locking=off,file.cache.direct=on"
        )
        serve = self._marked("lend-disk", _LEND, _SERVE, path, socket, name, image)
        take = self._marked("borrow-disk", _TAKE, _BORROW, path, socket, name, LOCK)
        joined = self.join(*open_both((self.owner.runner, serve), (self.borrower.runner, take)))
        try:
            device = self._await(path, Deadline.after(patience))
        except BaseException:
            joined.close()
            raise
        return LentDisk(device=device, joined=joined, give=lambda: self._give_back(device))

    def _marked(self, name: str, script: str, *words: str) -> Command:
        """A script that says in its environment whose it is."""
        command = Command.script(name, script, *words)
        return replace(command, env={BUILDS_FOR_RUN: self.run, BUILDS_GUEST: self.hostname})

    def _await(self, path: str, deadline: Deadline) -> str:
        look = Command.script("borrowed-device", _DEVICE, path)

        what = f"a disk of {self.owner.name} on {self.borrower.name}"

        def there() -> str:
            result = self.borrower.runner.run(look, check=False)
            if result.exit_status == _ENDED:
                msg = f"{what} did not come to be: {self._said(path)}"
                raise LabError(msg)
            if not result.ok:
                raise NotYet(self._said(path) or "nothing was said yet")
            return result.stdout.strip()

        try:
            return wait_for(there, what=what, deadline=deadline, interval=timedelta(seconds=1))
        except DeadlineExceeded as error:
            raise LabError(error.message) from error

    def _said(self, path: str) -> str:
        """What the programs on both hosts have to say."""
        look = Command.script("disk-log", _LOG, path)
        said = (host.runner.run(look).stdout.strip() for host in (self.owner, self.borrower))
        return "; ".join(filter(None, said))

    def _give_back(self, device: str) -> None:
        self.freely.runner.run(Command.script("return-disk", _RETURN, device))


class LentDisk:
    """A disk that is another host's volume, until it is given back."""

    def __init__(self, *, device: str, joined: Joined, give: Callable[[], None]) -> None:
        self.device = device
        """Its path on the host that has borrowed it."""
        self._joined = joined
        self._give = give

    @property
    def lost(self) -> bool:
        """Whether it leads nowhere any more, though nobody gave it back."""
        return self._joined.over

    def give_back(self) -> None:
        """Let go of it, with all that was written there: nobody may use it any more.

        `LabError` when the borrower does not; it is gone then all the same.
        """
        try:
            self._give()
        finally:
            self._joined.close()
