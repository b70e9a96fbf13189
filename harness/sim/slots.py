"""The slots of a simulated host: what the shell of `harness.host.slotshell` does, without it."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.flight.faults import FaultKind
from harness.host.lock import LOCK_DIRECTORY
from harness.sim.stream import SimStream

if TYPE_CHECKING:
    from harness.sim.host import SimHost

OTHERS = {"holder": "eve@elsewhere", "flight": "theirs-20261122-090000-a1b2c3", "job": "theirs"}
"""Who holds slots, drains hosts and has locks when a fault says that somebody does."""


@dataclass(kw_only=True)
class Record:
    """The file of a slot."""

    token: int
    since: int
    claim: str
    want: str = ""
    """What its holder was admitted to."""

    def told(self, word: str, slot: int) -> str:
        """As the shell tells of it."""
        return f"{word} {slot} {self.token} {self.since} {self.claim}\n"


class Slots:
    """Who holds which slot, by the records' directory and the number."""

    def __init__(self, host: SimHost) -> None:
        self._host = host
        self.records: dict[tuple[str, int], Record] = {}
        """Those that are not empty."""
        self.held: dict[tuple[str, int], object] = {}
        self._tokens: dict[str, int] = {}

    def tell(self, directory: str) -> str:
        """Who holds which, as the harness reads it."""
        return "".join(one.told("held", slot) for slot, one in self._live(directory).items())

    def claims(self, directory: str) -> str:
        """The same, and what each was admitted to."""
        return "".join(
            one.told("held", slot) + (f"want {slot} {one.want}\n" if one.want else "")
            for slot, one in self._live(directory).items()
        )

    def claim(self, directory: str, slot: int, token: int, want: str) -> bool:
        """Write down what the holder of *slot* takes; False if it holds that no more."""
        record = self.records.get((directory, slot))
        if record is None or record.token != token:
            return False
        record.want = want
        return True

    def revoke(self, directory: str, runs: Collection[str], job: str = "") -> None:
        """The flights *runs* are dead, or who ran *job*: no command begins in their slots."""
        for key in [key for key in self.records if key[0] == directory]:
            claim = json.loads(self.records[key].claim)
            if claim.get("flight") in runs and job in ("", claim.get("job")):
                del self.records[key]

    def _live(self, directory: str) -> dict[int, Record]:
        mine = (key for key in sorted(self.held) if key[0] == directory and key in self.records)
        found = {slot: self.records[where, slot] for where, slot in mine}
        if others := self._others():
            return dict.fromkeys(range(1, self._host.spec.slots + 1), others)
        return found

    def free(self, directory: str, slots: int) -> int | None:
        """The first that nobody holds."""
        if self._others():
            return None
        numbers = range(1, slots + 1)
        return next((one for one in numbers if (directory, one) not in self.held), None)

    def take(self, directory: str, slot: int, claim: str, holder: object) -> tuple[int, str]:
        """It is *holder*'s now: its token, and what a dead holder left."""
        token = self._tokens[directory] = self._tokens.get(directory, 0) + 1
        left = self.records.get((directory, slot))
        since = int(self._host.clock.time_of_day())
        self.records[directory, slot] = Record(token=token, since=since, claim=claim)
        self.held[directory, slot] = holder
        return token, left.told("left", slot) if left else ""

    def give_back(self, directory: str, slot: int) -> None:
        """In good order: its record is empty."""
        self.records.pop((directory, slot), None)
        self.held.pop((directory, slot), None)

    def lose(self, directory: str, slot: int) -> None:
        """Its holder is gone, and left its record."""
        self.held.pop((directory, slot), None)

    def token(self, path: str) -> int | None:
        """The token in the record at *path*."""
        directory, _, slot = path.rpartition("/")
        record = self.records.get((directory, int(slot)))
        return record.token if record else None

    def job_of(self, path: str) -> str:
        """Whose it is, by its record."""
        directory, _, slot = path.rpartition("/")
        record = self.records.get((directory, int(slot)))
        return str(json.loads(record.claim).get("job", "")) if record else ""

    def end_lease(self, path: str) -> None:
        """The host takes the holder for dead, and gives the slot to somebody else."""
        directory, _, slot = path.rpartition("/")
        holder = self.held.get((directory, int(slot)))
        if isinstance(holder, SimStream):
            holder.end()
        self.records.pop((directory, int(slot)), None)

    def clear(self) -> None:
        """A boot of the host."""
        self.records.clear()
        self.held.clear()
        self._tokens.clear()

    def _others(self) -> Record | None:
        if self._host.faults.strike(FaultKind.SLOTS_HELD):
            return Record(
                token=7, since=int(self._host.clock.time_of_day()), claim=json.dumps(OTHERS)
            )
        return None


class SlotStream(SimStream):
    """``take-slot``: waits in line, has the slot, gives it back, or dies with it."""

    knows_when = True

    def __init__(self, host: SimHost, what: str, words: tuple[str, ...]) -> None:
        super().__init__(host.clock, what)
        self._host = host
        self._directory, slots, patience, self._drain_file, self._claim, silence, _, poll = words
        self._slots = int(slots)
        self._silence, self._poll = float(silence), float(poll)
        self._until = self._clock.monotonic() + int(patience) + 1
        self._heard = self._clock.monotonic()
        self._slot: int | None = None
        self._seen = ""
        self._look_at = self._clock.monotonic()

    def _look(self) -> None:
        if self._slot is not None:
            if self._clock.monotonic() >= self._heard + self._silence:
                self.end()
            return
        if self._clock.monotonic() < self._look_at:
            return
        self._look_at = self._clock.monotonic() + self._poll
        if text := drained(self._host, self._drain_file):
            self._say(f"drained {text}\n".encode())
            self.end()
            return
        slots = self._host.slots
        free = slots.free(self._directory, self._slots)
        if free is not None:
            self._slot = free
            token, left = slots.take(self._directory, free, self._claim, self)
            self._heard = self._clock.monotonic()
            # Nobody need read for the silence to be noticed.
            self._clock.after(self._silence, self._listen)
            self._say(f"next\n{left}lease {free} {token}\n".encode())
            return
        held = slots.tell(self._directory)
        if self._clock.monotonic() >= self._until:
            self._say(f"{held}starved\n".encode())
            self.end()
        elif held != self._seen:
            self._seen = held
            self._say(f"{held}busy\n".encode())
        else:
            self._say(b"wait\n")

    def _next(self) -> float | None:
        return None if self._slot is not None else self._look_at

    def _listen(self) -> None:
        left = self._heard + self._silence - self._clock.monotonic()
        if left <= 0:
            self.end()
        elif not self._ended:
            self._clock.after(left, self._listen)

    def _typed(self, data: bytes) -> None:
        self._heard = self._clock.monotonic()
        if b"q" in data and self._slot is not None:
            self._host.slots.give_back(self._directory, self._slot)
            self._slot = None
            self.end()

    def _over(self) -> None:
        if self._slot is not None:
            self._host.slots.lose(self._directory, self._slot)


class LockStream(SimStream):
    """``take-lock``: waits for a lock, and holds it until it is closed."""

    def __init__(self, host: SimHost, what: str, words: tuple[str, ...]) -> None:
        super().__init__(host.clock, what)
        self._host = host
        self._path, seconds = words[1], float(words[2])
        self._until = self._clock.monotonic() + seconds
        self._mine = False

    def _look(self) -> None:
        name = self._path.removeprefix(f"{LOCK_DIRECTORY}/")
        others = self._host.faults.strike(FaultKind.LOCK_HELD, command=name)
        if self._mine:
            return
        if not others and self._host.locks.take(self._path, self):
            self._host.files.write(self._path)
            self._mine = True
            self._say(b"xenflight-lock-held\n")
        elif self._clock.monotonic() >= self._until:
            self.end()

    def _next(self) -> float | None:
        return None if self._mine else self._until

    def _over(self) -> None:
        self._host.locks.drop(self)


def drained(host: SimHost, path: str) -> str:
    """What stands in the file that drains the host; empty when it is not, or nobody minds."""
    if not path:
        return ""
    if host.faults.strike(FaultKind.DRAINED):
        text = {
            "by": OTHERS["holder"],
            "reason": "new memory",
            "since": str(int(host.clock.time_of_day())),
        }
        return json.dumps(text)
    return (host.files.read(path) or b"").decode(errors="replace").strip()
