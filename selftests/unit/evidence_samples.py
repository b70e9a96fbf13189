"""A host that is asked for evidence, in virtual time, and can fail in every way it may."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import BinaryIO

from harness.console.fake import VirtualClock
from harness.errors import DeadlineExceeded, HostLost
from harness.evidence.model import Item, Occasion
from harness.remote.command import DEFAULT_TIMEOUT, Command, CommandResult, Stream
from harness.remote.fake import FakeRunner, FakeStream
from harness.remote.ssh import SocketLike

OCCASION = Occasion(
    job="boot-bookworm-amd64-pv-direct",
    testid="guest-boot",
    status="fail",
    failure_class="silent",
    domain="xf.f.1234",
    since=75,
)
STATUS = b"\nxenflight: exit status %d\n"


def item(file: str = "a.txt", **how: object) -> Item:
    return Item(file=file, script=f"ask for {file}", **how)  # type: ignore[arg-type]


@dataclass
class TimedStream(FakeStream):
    """A silence of its takes as long as the reader waits."""

    clock: VirtualClock = field(default_factory=VirtualClock)
    endless: bool = False
    loses: EvidenceRunner | None = None
    interrupts: bool = False

    def read(self, size: int, timeout: timedelta) -> bytes | None:
        if self.chunks:
            return super().read(size, timeout)
        if self.interrupts:
            raise KeyboardInterrupt
        if self.loses:
            self.loses.alive = False
        elif self.endless:
            self.clock.sleep(timeout.total_seconds())
            return None
        return b""


class EvidenceRunner(FakeRunner):
    """Says what it was told to for each file; of the others that they are empty, and well."""

    def __init__(self, name: str = "rack1", clock: VirtualClock | None = None) -> None:
        super().__init__(name)
        self.clock = clock or VirtualClock()
        self.alive = True
        self.answers = 1000
        """So many commands; after that it is alive, but ends none in time."""
        self.asked: list[str] = []
        self._said: dict[str, TimedStream] = {}

    def says(
        self,
        file: str,
        *chunks: bytes,
        status: int | None = 0,
        endless: bool = False,
        loses: bool = False,
        interrupts: bool = False,
    ) -> TimedStream:
        all_of_it = [*chunks]
        if status is not None and not (endless or loses or interrupts):
            all_of_it.append(STATUS % status)
        stream = TimedStream(
            deque(all_of_it),
            clock=self.clock,
            endless=endless,
            loses=self if loses else None,
            interrupts=interrupts,
        )
        self._said[file] = stream
        return stream

    def open(self, command: Command) -> Stream:
        if not self.alive:
            msg = f"lost the SSH connection to {self.name}"
            raise HostLost(msg)
        self.asked.append(command.shown)
        return self._said.get(command.shown) or self.says(command.shown)

    def run(
        self,
        command: Command,
        *,
        timeout: timedelta = DEFAULT_TIMEOUT,
        check: bool = True,
        stdin: bytes | BinaryIO | None = None,
    ) -> CommandResult:
        self.answers -= 1
        if self.answers < 0:
            self.clock.sleep(timeout.total_seconds())
            msg = f"on {self.name}: `{command}` did not end"
            raise DeadlineExceeded(msg)
        self.on("^true$")
        return super().run(command, timeout=timeout, check=check, stdin=stdin)

    def open_tcp(self, address: str, port: int) -> SocketLike:
        raise NotImplementedError


def pieces(data: bytes, size: int = 10) -> Sequence[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]
