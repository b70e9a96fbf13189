"""Admitting a job to what its guest takes of a host, beside all other jobs of all controllers.

A shell on the host holds a lock: so jobs are admitted one after the other. It tells what there is
room for, and whoever asks judges by that. If it fits, the same shell, with the same lock, writes
the claim beside the job's lease. If not, the job waits as the first in line, and nobody overtakes
it: so no large guest waits for ever while small ones pass. ADR 21 says what that guarantees.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from harness.errors import DeadlineExceeded, LabError, Starved
from harness.host.lease import SILENCE, drained_error
from harness.host.room import HostRoom, Want
from harness.host.roomlook import TIMEOUT, read_room
from harness.host.roomshell import ADMIT
from harness.host.slots import (
    DRAIN_FILE,
    SLOT_DIRECTORY,
    SlotHolder,
    parse_drained,
    parse_holder,
    printable,
)
from harness.remote.command import Command, Runner, Stream
from harness.units import human_seconds
from harness.wait import SYSTEM_CLOCK, Clock, Deadline, NotYet, wait_for

_GRACE = timedelta(minutes=1)
"""For the host to say so when a time is over: it may be emulated, and busy."""
_READ = timedelta(milliseconds=200)
_NO_TIME = timedelta(0)
_NO, _YES = b"n", b"y"
_FACTS = ("| ", "held ", "want ")


class Lease(Protocol):
    """What admission needs of a slot; `harness.host.lease.SlotLease` has it."""

    @property
    def slot(self) -> int:
        """Its number."""
        ...

    @property
    def token(self) -> int:
        """The lease's own."""
        ...

    def check(self) -> None:
        """`LabError` once the lease is known to be lost."""
        ...

    def loss(self) -> LabError:
        """The error for that."""
        ...


@dataclass(frozen=True, kw_only=True)
class AdmissionTerms:
    """How a job is admitted. *directory* is that of the slots; it and *drain_file* are on
    the host."""

    look: str
    """Shell: what the host is asked (`harness.host.roomlook.look_script`)."""
    patience: timedelta
    """How long to wait for room. The host is always asked once."""
    silence: timedelta = SILENCE
    """How long a judgement may take, before the host takes us for gone."""
    poll: timedelta = timedelta(seconds=5)
    """How often whoever is first in line has the host asked again."""
    look_timeout: timedelta = TIMEOUT
    directory: str = SLOT_DIRECTORY
    drain_file: str = DRAIN_FILE


@dataclass(frozen=True, kw_only=True)
class Wait:
    """A judgement: it does not fit now, because of *why*."""

    why: str
    about: str = ""
    """The same without figures that change all the time: who waits is told when this changes."""
    again: bool = False
    """Whether to ask the host again at once: something was just removed."""


Judge = Callable[[HostRoom], Wait | None]
Told = Callable[[str], None]


def admit(
    runner: Runner,
    lease: Lease,
    want: Want,
    terms: AdmissionTerms,
    judge: Judge,
    on_wait: Told = lambda _: None,
    clock: Clock = SYSTEM_CLOCK,
) -> None:
    """Have *want* claimed beside *lease* as soon as *judge* has nothing against it: one command.

    *on_wait* hears what it waits for, again when that changes. `Starved` when it did not fit in
    time, with those words, or the host is drained; *judge* may raise it at once. `LabError` when
    it can't be done, or the lease is lost.
    """
    dialog = _Dialog(runner, lease, want, terms, judge, on_wait, clock)
    try:
        deadline = Deadline.after(terms.patience + terms.look_timeout + _GRACE, clock)
        what = f"room on {runner.name}"
        wait_for(dialog.listen, what=what, deadline=deadline, interval=_NO_TIME)
    finally:
        dialog.close()


def _command(lease: Lease, terms: AdmissionTerms) -> Command:
    words = (
        *(terms.directory, lease.slot, lease.token),
        *(f"{time.total_seconds():g}" for time in (terms.patience, terms.silence)),
        *(terms.drain_file, terms.look),
    )
    return Command.script("admit-job", ADMIT, *words)


class _Dialog:
    """What is said between the host and us until the job is admitted."""

    def __init__(
        self,
        runner: Runner,
        lease: Lease,
        want: Want,
        terms: AdmissionTerms,
        judge: Judge,
        on_wait: Told,
        clock: Clock,
    ) -> None:
        self._where = runner.name
        self._lease = lease
        self._want = want
        self._terms = terms
        self._judge = judge
        self._on_wait = on_wait
        self._clock = clock
        self._stream: Stream = runner.open(_command(lease, terms))
        self._end = Deadline.after(terms.patience, clock)
        self._unread = b""
        self._lines: list[str] = []
        self._why = self._about = ""
        self._ask_at: Deadline | None = None
        """When to have the host asked again; None while it is our turn to listen."""
        self._answer_by: Deadline | None = None
        """When it must have told what it has; None while others are first in line."""

    def close(self) -> None:
        """Let go of the place in line, or of the lock."""
        self._stream.close()

    def listen(self) -> None:
        """Done when admitted; `NotYet` until then."""
        self._lease.check()
        if self._ask_at and self._ask_at.expired:
            self._ask()
        chunk = self._stream.read(4096, _READ)
        *lines, self._unread = (self._unread + (chunk or b"")).split(b"\n")
        for line in lines:
            if self._hear(line.decode(errors="replace")):
                return
        if chunk == b"":
            raise self._ended()
        if self._answer_by and self._answer_by.expired:
            within = human_seconds(self._terms.look_timeout.total_seconds())
            msg = f"{self._where} did not tell within {within} what it has room for"
            raise DeadlineExceeded(msg, hint="see whether xl and lvs answer there")
        raise NotYet(self._why or "it has not answered")

    def _hear(self, line: str) -> bool:
        """Whether that was the last word."""
        word, _, rest = line.partition(" ")
        match word:
            case "looked":
                lines = self._take_lines()
                noise = " ".join(line for line in lines if not line.startswith(_FACTS))
                self._judged(read_room(lines, self._where, noise))
            case "first":
                self._expect()
            case "behind":
                behind = self._behind(rest)
                self._wait(behind, behind)
            case "drained":
                raise drained_error(self._where, parse_drained(rest))
            case "late":
                raise self._starved()
            case "lost":
                raise self._lease.loss()
            case "admitted":
                return True
            case _:
                self._lines.append(line)
        return False

    def _judged(self, room: HostRoom) -> None:
        self._answer_by = None
        wait = self._judge(room)
        if wait is None:
            self._stream.write(_YES + self._want.to_json().encode("ascii") + b"\n")
            self._expect()
            return
        self._wait(wait.why, wait.about)
        if self._end.expired:
            raise self._starved()
        if wait.again:
            self._ask()
        else:
            self._ask_at = self._end.sooner(self._terms.poll)

    def _ask(self) -> None:
        self._ask_at = None
        self._stream.write(_NO)
        self._expect()

    def _expect(self) -> None:
        self._answer_by = Deadline.after(self._terms.look_timeout, self._clock)

    def _wait(self, why: str, about: str) -> None:
        changed = not self._why or about != self._about
        self._why, self._about = why, about
        if changed:
            self._on_wait(why)

    def _behind(self, slot: str) -> str:
        """Who is before us, as far as its slot is known."""
        held = _holders(self._take_lines())
        first = next((str(one) for one in held if str(one.slot) == slot), "another job")
        return f"its turn on {self._where}, after {first}"

    def _take_lines(self) -> list[str]:
        lines, self._lines = self._lines, []
        return lines

    def _starved(self) -> Starved:
        within = f"{self._terms.patience.total_seconds():g} s"
        return Starved(f"no room on {self._where} within {within}: {self._why}")

    def _ended(self) -> LabError:
        noise = printable(" ".join([*self._lines[-5:], self._unread.decode(errors="replace")]))
        msg = f"{self._where}: the job could not be admitted: {noise.strip() or 'no reason'}"
        return LabError(msg)


def _holders(lines: Sequence[str]) -> list[SlotHolder]:
    return [parse_holder(line[5:]) for line in lines if line.startswith("held ")]
