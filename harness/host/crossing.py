"""A domain that goes from one host to another: by `xl migrate`, or as a file.

The two xl speak to each other as they would over SSH; what carries their words is the controller
(`harness.host.relay`). xl(1): migrate, with -C for the names that disks have there, and
migrate-receive, which leaves the domain paused (-p), so that its console is heard first.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from harness.errors import CommandFailed, LabError
from harness.host.relay import carry, open_both
from harness.host.xenhost import XenHost
from harness.remote.command import Command
from harness.units import Size
from harness.wait import Deadline
from harness.xen.config import check_domain_name
from harness.xen.files import ROOM_FOR
from harness.xen.moves import SPARE

# Where xl would start ssh, it starts what passes on its words. $1 name, $2 configuration, $3 log.
_SEND = """
exec 3<&0 4>&1
status=0
xl migrate -C "$2" -s '' "$1" 'cat <&3 4>&- & exec cat >&4 3<&-' >"$3" 2>&1 || status=$?
echo "ended $status" >>"$3"
"""
_RECEIVE = 'mkdir -p -m 700 "${1%/*}"; exec xl migrate-receive -p 2>"$1"'
_WRITE = 'umask 077; mkdir -p "${1%/*}"; cat >"$1"'
_SAID = 'cat "$1" 2>/dev/null || :; rm -f "$1"'
_MAKE_ROOM = f'{ROOM_FOR}room_for "$1" "$2"'
_TAKE_FILE = 'exec head -c "$2" >"$1"'
# $1 name, $2 file, $3 configuration.
_RESTORE = """
xl restore -p "$3" "$2" >&2
rm -f "$2" "$3"
xl domid "$1"
"""
_ENDED = "ended 0"


@dataclass(frozen=True, kw_only=True)
class Crossing:
    """The way from one host to another, both fenced; *directory* is the job's own on each."""

    source: XenHost
    target: XenHost
    directory: str

    def migrate(self, name: str, config: str, timeout: timedelta) -> int:
        """Move a domain, live; its domid on the target, where it is paused. *config* is for there.

        `CommandFailed` with what both xl said when it is not there then.
        """
        path = f"{self.directory}/{check_domain_name(name)}.cfg"
        sent, received = f"{self.directory}/sent.log", f"{self.directory}/received.log"
        self._write(self.source, path, config)
        send = Command.script("send-domain", _SEND, name, path, sent)
        receive = Command.script("receive-domain", _RECEIVE, received)
        self._carry(send, receive, timeout)
        said = {
            self.source.name: self._said(self.source, sent),
            self.target.name: self._said(self.target, received),
        }
        found = self.target.runner.run(Command.of("xl", "domid", name), check=False)
        if found.ok and _ENDED in said[self.source.name].splitlines():
            return int(found.stdout)
        told = "\n".join(f"{host}:\n{words}" for host, words in said.items())
        lines = [line.strip() for words in said.values() for line in words.splitlines()]
        last = "; ".join(line for line in lines if "error" in line)[-300:] or "it did not say why"
        msg = f"xl did not migrate {name} from {self.source.name} to {self.target.name}: {last}"
        raise CommandFailed(msg, exit_status=1, stderr=told)

    def copy(self, path: str, size: Size, timeout: timedelta) -> None:
        """Copy a file of *size* bytes to where it has the same name."""
        room = (size + SPARE) >> 20
        self.target.runner.run(Command.script("make-room", _MAKE_ROOM, path, room))
        send = Command.script("send-file", 'exec cat "$1"', path)
        receive = Command.script("receive-file", _TAKE_FILE, path, int(size))
        carried = self._carry(send, receive, timeout)
        found = int(self.target.runner.run(Command.of("stat", "-c", "%s", path)).stdout)
        if not carried == found == size:
            msg = f"of {path}, {int(size)} bytes, {found} came to {self.target.name}"
            raise LabError(msg)

    def restore(self, name: str, config: str, path: str, timeout: timedelta) -> int:
        """Make a domain on the target of the file that it was saved in; its domid. It is paused."""
        settings = f"{self.directory}/{check_domain_name(name)}.cfg"
        self._write(self.target, settings, config)
        command = Command.script("restore-domain", _RESTORE, name, path, settings)
        return int(self.target.runner.run(command, timeout=timeout).stdout)

    def _carry(self, send: Command, receive: Command, timeout: timedelta) -> int:
        """What the one says is what the other hears; how many bytes that were."""
        streams = open_both((self.source.runner, send), (self.target.runner, receive))
        return carry(*streams, Deadline.after(timeout))

    def _write(self, host: XenHost, path: str, text: str) -> None:
        host.runner.run(Command.script("write-config", _WRITE, path), stdin=text.encode())

    def _said(self, host: XenHost, log: str) -> str:
        return host.runner.run(Command.script("said", _SAID, log)).stdout
