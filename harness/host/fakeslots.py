"""The slots of a host in memory: they answer as the shell of `harness.host.lease` does."""

from __future__ import annotations

import json
import threading
from collections import deque
from dataclasses import dataclass, field
from datetime import timedelta

from harness.host.fence import REFUSED, Fenced, late
from harness.remote.command import Command
from harness.remote.fake import Call, FakeStream, Reply

_SINCE = 1_800_000_000


@dataclass
class FakeSlots:
    """Who holds what on a fake host; change it as you like."""

    held: dict[int, str] = field(default_factory=dict)
    """Slot to what its holder says of itself, as JSON."""
    left: dict[int, str] = field(default_factory=dict)
    """The same of holders that died, in slots that are free."""
    tokens: dict[int, int] = field(default_factory=dict)
    """The token that stands in the record of each slot."""
    wants: dict[int, str] = field(default_factory=dict)
    """What the holder of a slot was admitted to, as JSON."""
    drained: str = ""
    """What stands in the host's file for that."""
    last: int = 0
    stream: type[FakeStream] = FakeStream
    """What one who waits listens to."""

    def __post_init__(self) -> None:
        self._streams: dict[int, _SlotStream] = {}

    def read(self, call: Call) -> Reply:
        """Answer `harness.host.slots.read_slots`."""
        del call
        drained = f"drained {self.drained}\n" if self.drained else ""
        return Reply(stdout=drained + self._tell(self.held))

    def revoke(self, call: Call) -> Reply:
        """Answer `harness.host.revoke`: what is fenced is refused from then on."""
        for slot, who in self.held.items():
            if json.loads(who)["flight"] in call.command.argv[6:]:
                self.tokens[slot] = 0
        return Reply()

    def drain(self, call: Call) -> Reply:
        """Answer `harness.host.drain`."""
        before, self.drained = self.drained, call.stdin.decode().strip()
        return Reply(stdout=before)

    def take(self, command: Command) -> FakeStream:
        """Answer `harness.host.lease.take_lease`; with no slot free time is over at once."""
        _, slots, _, drain_file, claim = command.argv[4:9]
        if self.drained and drain_file:
            return FakeStream(deque([f"drained {self.drained}\n".encode()]))
        free = [slot for slot in range(1, int(slots) + 1) if slot not in self.held]
        if not free:
            held = self._tell(self.held)
            words = [f"{held}busy\nwait\n".encode(), f"{held}starved\n".encode()]
            return self.stream(deque(words))
        slot = free[0]
        left = self._tell({slot: self.left.pop(slot)}) if slot in self.left else ""
        self.last += 1
        self.tokens[slot], self.held[slot] = self.last, claim
        said = f"{left.replace('held', 'left', 1)}lease {slot} {self.last}\n"
        self._streams[slot] = _SlotStream(self, slot, said)
        return self._streams[slot]

    def claims(self) -> str:
        """What the shell's ``claims`` says (`harness.host.roomshell`)."""
        return "".join(
            self._tell({slot: self.held[slot]})
            + (f"want {slot} {self.wants[slot]}\n" if slot in self.wants else "")
            for slot in sorted(self.held)
        )

    def lose(self, slot: int) -> None:
        """The holder of *slot* is taken for dead; it hears of that."""
        self.left[slot] = self.held.pop(slot)
        self.wants.pop(slot, None)
        self._streams.pop(slot).end()

    def give_back(self, slot: int) -> None:
        """What the shell does when it is asked to."""
        del self.held[slot], self.tokens[slot], self._streams[slot]
        self.wants.pop(slot, None)

    def inside(self, command: Command) -> Command | Reply:
        """What *command* is without its fence, or what is said in its place."""
        fenced = Fenced.of(command)
        if fenced is None:
            return command
        if str(self.tokens.get(int(fenced.record.rpartition("/")[2]))) != fenced.token:
            return Reply(exit_status=REFUSED, stderr=late())
        return fenced.command

    def _tell(self, slots: dict[int, str]) -> str:
        return "".join(
            f"held {slot} {self.tokens.get(slot, 0)} {_SINCE} {claim}\n"
            for slot, claim in sorted(slots.items())
        )


class _SlotStream(FakeStream):
    """Holds a slot until it is asked to give it back."""

    def __init__(self, slots: FakeSlots, slot: int, said: str) -> None:
        super().__init__(deque([said.encode()]))
        self._slots = slots
        self._slot = slot
        self._ended = threading.Event()

    def read(self, size: int, timeout: timedelta) -> bytes | None:
        """What it has to say; then silence until its end."""
        if self.chunks:
            return super().read(size, timeout)
        return b"" if self._ended.wait(timeout.total_seconds()) else None

    def write(self, data: bytes) -> None:
        """A beat, or the last word."""
        super().write(data)
        if data == b"q" and not self._ended.is_set():
            self._slots.give_back(self._slot)
            self.end()

    def end(self) -> None:
        """There is nothing to hear any more."""
        self._ended.set()

    def close(self) -> None:
        """End it; who did not give the slot back leaves his record."""
        if not self._ended.is_set():
            self._slots.lose(self._slot)
        super().close()
