"""Commands that change a host only while the lease they belong to is good.

A command is run under a shared lock of the slot's record, and only if our token still stands
there. Whoever takes the slot next takes the same lock alone before writing a new token: so it
waits for a command that runs, and no later one of ours begins. Both in the command's own round
trip.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import BinaryIO, Protocol

from harness.errors import LabError
from harness.host.xenhost import HostRunner, XenHost
from harness.remote.command import DEFAULT_TIMEOUT, Command, CommandResult, Stream
from harness.remote.outcome import settle
from harness.remote.ssh import SocketLike

REFUSED = 86
"""Exit status of a command that was not begun; chosen by us."""
_MARK = "xenflight: this lease is over"
_NAME = "fenced"

_CHECK = f"""\
read -r now rest <"$1" && [ "$now" = "$2" ] || {{ echo "{_MARK}" >&2; exit {REFUSED}; }}
"""
_RUN = _CHECK + 'shift 2\nexec "$@"\n'
# Not under the lock: it may go on for half an hour. It is there, with its mark in its environment,
# before the lock is let go of; so who takes the slot next finds it and can end it.
_START = 'exec 7<"$1"\nflock --shared 7\n' + _CHECK + 'exec 7<&-\nshift 2\nexec "$@"\n'


@dataclass(frozen=True, kw_only=True)
class Fenced:
    """What `FencedRunner` makes of a command, taken apart."""

    record: str
    token: str
    command: Command

    @classmethod
    def of(cls, command: Command) -> Fenced | None:
        """None for a command without a fence: for those who stand in for a host."""
        if _NAME not in command.argv[:10]:
            return None
        at = command.argv.index(_NAME)
        record, token, *inner = command.argv[at + 1 :]
        bare = replace(command, argv=tuple(inner), shown="")
        return cls(record=record, token=token, command=bare)


def late() -> str:
    """What a command says that comes too late."""
    return f"{_MARK}\n"


class Fence(Protocol):
    """What a fenced command needs of a lease; `harness.host.lease.SlotLease` has it."""

    @property
    def token(self) -> int:
        """The lease's own."""
        ...

    @property
    def record(self) -> str:
        """The file on the host in which the current token stands."""
        ...

    def check(self) -> None:
        """`LabError` once the lease is known to be lost."""
        ...

    def loss(self) -> LabError:
        """The error for that."""
        ...


class FencedRunner:
    """A host's runner whose commands run only while *fence* holds; else `LabError`."""

    def __init__(self, inner: HostRunner, fence: Fence) -> None:
        self._inner = inner
        self._fence = fence

    @property
    def name(self) -> str:
        """The host's name."""
        return self._inner.name

    @property
    def alive(self) -> bool:
        """Whether the connection still stands."""
        return self._inner.alive

    def run(
        self,
        command: Command,
        *,
        timeout: timedelta = DEFAULT_TIMEOUT,
        check: bool = True,
        stdin: bytes | BinaryIO | None = None,
    ) -> CommandResult:
        """Run *command* to its end. A signal that ends it shows as 128 and its number."""
        self._fence.check()
        # --close: what the command leaves running (xl does) must not hold the lock.
        lock = ("flock", "--shared", "--close", self._fence.record)
        fenced = self._with(command, *lock, "sh", "-c", _RUN)
        result = self._inner.run(fenced, timeout=timeout, check=False, stdin=stdin)
        if result.exit_status == REFUSED and _MARK in result.stderr:
            raise self._fence.loss()
        return settle(replace(result, command=command), check=check)

    def open(self, command: Command) -> Stream:
        """Start a command that goes on running. Too late, it only says so, and ends."""
        self._fence.check()
        return self._inner.open(self._with(command, "sh", "-ec", _START))

    def open_tcp(self, address: str, port: int) -> SocketLike:
        """As without a fence: it changes nothing."""
        return self._inner.open_tcp(address, port)

    def close(self) -> None:
        """Nothing: the connection is another's."""

    def _with(self, command: Command, *before: str) -> Command:
        words = (*before, _NAME, self._fence.record, str(self._fence.token))
        return replace(command, argv=(*words, *command.argv), shown=command.brief)


def fenced(host: XenHost, fence: Fence) -> XenHost:
    """*host*, for changing it; see `FencedRunner`."""
    return host.through(FencedRunner(host.runner, fence))
