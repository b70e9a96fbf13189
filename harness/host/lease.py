"""The right to use one slot of a host, held by an open channel to the host.

At the end of the channel a shell holds the slot's lock, and lives as long as it hears from us: it
goes when the channel does, or when nothing came for `SILENCE`, since sshd notices a network that
is gone only hours later. The kernel then drops the lock, and nobody has to clean up.

Every lease of a host has a token, one higher than that of the lease before. What a job changes on
the host is tied to it by `harness.host.fence`. ADR 15 says what that guarantees.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from harness.errors import LabError, Starved
from harness.host.slots import (
    DRAIN_FILE,
    SLOT_DIRECTORY,
    Claim,
    Drained,
    SlotHolder,
    parse_drained,
    parse_holder,
    printable,
)
from harness.host.slotshell import TAKE
from harness.remote.command import Command, Runner, Stream
from harness.wait import SYSTEM_CLOCK, Deadline, NotYet, wait_for

BEAT = timedelta(seconds=15)
"""How often the holder lets the host hear that it lives."""
SILENCE = timedelta(seconds=90)
"""After which the host takes the holder for gone. Longer than we need to notice a dead network
ourselves (`harness.remote.sshlink`: 15 s + 45 s), so as a rule the holder knows first."""
SETTLE = timedelta(minutes=1)
"""How long the last command of a holder that is gone may still run."""
_GRACE = timedelta(minutes=1)
"""For the host to say so when a time is over: it may be emulated, and busy."""
_GIVE_BACK = timedelta(seconds=10)
_READ = timedelta(milliseconds=200)
_NO_TIME = timedelta(0)
_BEAT, _QUIT = b".", b"q"

Busy = Callable[[Sequence[SlotHolder]], None]


@dataclass(frozen=True, kw_only=True)
class SlotTerms:
    """How a slot is to be had. *directory* and *drain_file* are on the host."""

    slots: int
    patience: timedelta
    """How long to wait for one."""
    silence: timedelta = SILENCE
    beat: timedelta = BEAT
    settle: timedelta = SETTLE
    poll: timedelta = timedelta(seconds=1)
    """How often whoever is first in line looks at every slot."""
    directory: str = SLOT_DIRECTORY
    drain_file: str = DRAIN_FILE


class SlotLease:
    """A slot that is ours, until `release` or until it is lost."""

    def __init__(
        self,
        where: str,
        stream: Stream,
        terms: SlotTerms,
        *,
        slot: int,
        token: int,
        inherited: SlotHolder | None,
    ) -> None:
        self.slot = slot
        self.token = token
        self.inherited = inherited
        """Who held it before and did not give it back; None when all was well."""
        self.record = f"{terms.directory}/{slot}"
        """The file on the host in which the token stands as long as the lease is good."""
        self._where = where
        self._stream = stream
        self._silence = terms.silence
        self._lost = threading.Event()
        self._pulse = SYSTEM_CLOCK.repeat(self._beat, terms.beat, "slot lease")

    @property
    def lost(self) -> bool:
        """Whether it is over, as far as we have heard; also after `release`."""
        return self._lost.is_set()

    def check(self) -> None:
        """`LabError` once the lease is known to be lost. Asks nobody, and costs nothing."""
        if self.lost:
            raise self.loss()

    def loss(self) -> LabError:
        """The error for it."""
        msg = f"{self._where}: the lease of slot {self.slot} (token {self.token}) was lost"
        silence = f"{self._silence.total_seconds():g} s"
        hint = f"its channel ended, or the host heard nothing from this controller for {silence}"
        return LabError(msg, hint=hint)

    def release(self) -> None:
        """Give the slot back; never raises, also for a dead host, and is harmless twice."""
        if not self.lost:
            with suppress(LabError):
                self._stream.write(_QUIT)
            # The end of the stream says that the slot is free now.
            self._pulse.join(_GIVE_BACK)
        self._lost.set()
        self._stream.close()

    def _beat(self, patience: timedelta) -> bool:
        """Again and again: read, because that is how the end is noticed, and say that we live."""
        with suppress(LabError):
            if self._stream.read(4096, patience) != b"":
                self._stream.write(_BEAT)
                return True
        self._lost.set()
        return False


def take_lease(
    runner: Runner, claim: Claim, terms: SlotTerms, on_busy: Busy = lambda _: None
) -> SlotLease:
    """Take a free slot of the runner's host: one command. Waits while all are held.

    *on_busy* hears who holds them, again when that changes. `Starved` when none became free in
    time, with those words, or when the host is drained; `LabError` when it can't be done.
    """
    stream = runner.open(_command(claim, terms))
    talk = _Talk(runner.name, stream, terms, on_busy)
    deadline = Deadline.after(terms.patience + terms.settle + _GRACE)
    try:
        what = f"a slot on {runner.name}"
        return wait_for(talk.listen, what=what, deadline=deadline, interval=_NO_TIME)
    except BaseException:
        stream.close()
        raise


def _command(claim: Claim, terms: SlotTerms) -> Command:
    times = (terms.silence, terms.settle, terms.poll)
    words = (
        *(terms.directory, str(terms.slots), str(int(terms.patience.total_seconds()))),
        *(terms.drain_file, claim.to_json(), *(f"{time.total_seconds():g}" for time in times)),
    )
    return Command(("sh", "-ec", TAKE, "take-slot", *words))


class _Talk:
    """What the host says until there is a lease."""

    def __init__(self, where: str, stream: Stream, terms: SlotTerms, on_busy: Busy) -> None:
        self._where = where
        self._stream = stream
        self._terms = terms
        self._on_busy = on_busy
        self._unread = b""
        self._holders: list[SlotHolder] = []
        self._seen: tuple[SlotHolder, ...] = ()
        self._left: SlotHolder | None = None
        self._noise: list[str] = []

    def listen(self) -> SlotLease:
        """The lease; `NotYet` while there is none."""
        chunk = self._stream.read(4096, _READ)
        *lines, self._unread = (self._unread + (chunk or b"")).split(b"\n")
        for line in lines:
            word, _, rest = line.decode(errors="replace").partition(" ")
            if word == "lease":
                return self._lease(rest)
            self._hear(word, rest)
        if chunk == b"":
            noise = " ".join(self._noise) or self._unread.decode(errors="replace")
            msg = f"{self._where}: no slot was to be had: {printable(noise).strip() or 'no reason'}"
            raise LabError(msg)
        raise NotYet(self._why())

    def _lease(self, text: str) -> SlotLease:
        slot, token = (int(word) for word in text.split())
        return SlotLease(
            self._where, self._stream, self._terms, slot=slot, token=token, inherited=self._left
        )

    def _hear(self, word: str, rest: str) -> None:
        match word:
            case "held":
                self._holders.append(parse_holder(rest))
            case "left":
                self._left = parse_holder(rest)
            case "busy":
                self._seen = self._take_holders()
                self._on_busy(self._seen)
            case "starved":
                self._seen = self._take_holders()
                waited = f"{self._terms.patience.total_seconds():g} s"
                msg = f"no slot was free on {self._where} within {waited}: {self._why()}"
                raise Starved(msg)
            case "drained":
                raise drained_error(self._where, parse_drained(rest))
            case "stuck":
                msg = f"{self._where}: slot {rest} is free, but a command of its last holder runs"
                raise LabError(msg)
            case "wait" | "next" | "":
                pass
            case _:
                self._noise.append(f"{word} {rest}")

    def _take_holders(self) -> tuple[SlotHolder, ...]:
        found, self._holders = tuple(self._holders), []
        return found

    def _why(self) -> str:
        return "; ".join(map(str, self._seen)) or "others are before us"


def drained_error(where: str, drained: Drained) -> Starved:
    """The error for a job that would begin on a drained host."""
    return Starved(f"{where} is {drained}", hint=f"xenflight hosts undrain {where}")
