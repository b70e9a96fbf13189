"""One domain: from paused to gone, and the ladder that makes sure of the latter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

from harness.errors import CommandFailed, DeadlineExceeded, LabError
from harness.remote.command import Command
from harness.wait import SYSTEM_CLOCK, Clock, Deadline, NotYet, wait_for
from harness.xen.listing import DomainInfo, DomainState

POLL = timedelta(seconds=1)
DESTROYED_BY_OTHERS = timedelta(seconds=30)
"""How long a domain may still be there after xl failed to destroy it."""

NAMELESS = "(null)"
"""What xl calls a domain whose name xenstore knows no more: one that something still holds."""


class ConsoleType(StrEnum):
    """Which of a domain's consoles (``xl console -t``)."""

    PV = "pv"
    """Xen's own: a ring in memory."""
    SERIAL = "serial"
    """The emulated serial line of an HVM domain, the only one that its firmware and boot
    loaders know. Each character is a trap to QEMU in dom0: a kernel that logs there is slow."""


# xenconsole lets only one of its kind at a domain (its lock in /var/lock), so the other console
# is read from its terminal, which xenstore names. $1 that terminal's key, $2 console, $3 name.
_BOTH = """\
tty=$(xenstore-read "/local/domain/$(xl domid "$3")/$1")
cat <"$tty" &
exec xl console -t "$2" "$3"
"""


def console_command(name: str) -> Command:
    """The command that shows a domain's Xen console: open it, and close it when done.

    It does not end by itself when its input does. xenconsole takes input from a terminal
    only (tools/console/client/main.c: ``interactive``); without one it shows, but is deaf.
    """
    return Command(("xl", "console", "-t", ConsoleType.PV.value, name), terminal=True)


def both_consoles_command(name: str, spoken: ConsoleType) -> Command:
    """The same for an HVM domain: both its consoles are heard, *spoken* takes the input."""
    other = "console/tty" if spoken is ConsoleType.SERIAL else "serial/0/tty"
    return Command(("sh", "-c", _BOTH, "xl console", other, spoken.value, name), terminal=True)


class Toolstack(Protocol):
    """What a domain needs of the toolstack; `harness.xen.toolstack.Xl` has it."""

    def list(self) -> tuple[DomainInfo, ...]:
        """All domains."""
        ...

    def unpause(self, name: str) -> None:
        """Let it run."""
        ...

    def shutdown(self, name: str) -> None:
        """Ask it to power off."""
        ...

    def destroy(self, name: str, timeout: timedelta) -> None:
        """End it."""
        ...

    def backends(self, domid: int) -> tuple[str, ...]:
        """Back ends left in xenstore."""
        ...

    def tidy(self, name: str, timeout: timedelta) -> None:
        """Wait for udev and remove its configuration file."""
        ...


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """How long each rung of the ladder may take. Multiply them for a slow host with `scaled`."""

    shutdown: timedelta = timedelta(seconds=60)
    destroy: timedelta = timedelta(seconds=120)
    backends: timedelta = timedelta(seconds=30)
    settle: timedelta = timedelta(seconds=30)

    def scaled(self, factor: float) -> Bounds:
        """The same bounds for a host that is *factor* times slower."""
        return Bounds(
            shutdown=self.shutdown * factor,
            destroy=self.destroy * factor,
            backends=self.backends * factor,
            settle=self.settle * factor,
        )


class Outcome(StrEnum):
    """What became of one rung."""

    DONE = "done"
    NOT_NEEDED = "not needed"
    GAVE_UP = "gave up"
    """The guest did not do as it was asked; the next rung is for that."""
    FAILED = "failed"
    """The lab failed; see the error."""


@dataclass(frozen=True, kw_only=True)
class Rung:
    """One rung of the ladder, as it went. *duration* in seconds."""

    name: str
    outcome: Outcome
    detail: str = ""
    duration: float = 0.0
    error: LabError | None = None


@dataclass(frozen=True, kw_only=True)
class Teardown:
    """How a domain was ended."""

    domain: str
    rungs: tuple[Rung, ...]

    @property
    def errors(self) -> tuple[LabError, ...]:
        """What went wrong on the way, in order."""
        return tuple(rung.error for rung in self.rungs if rung.error is not None)

    def check(self) -> Teardown:
        """Itself if nothing went wrong; else a `LabError` with all of it."""
        if not self.errors:
            return self
        told = "; ".join(f"{rung.name}: {rung.error}" for rung in self.rungs if rung.error)
        msg = f"domain {self.domain} was not ended in good order: {told}"
        raise LabError(msg) from self.errors[0]


class Domain:
    """A domain on a host. Made by `harness.xen.toolstack.Xl.create_paused`."""

    def __init__(
        self, xl: Toolstack, *, name: str, domid: int, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self.name = name
        self.domid = domid
        """Its number now: a domain that reboots gets a new one."""
        self._domids = {domid}
        self._xl = xl
        self._clock = clock

    @property
    def domids(self) -> tuple[int, ...]:
        """All numbers that it is known to have had, the lowest first."""
        return tuple(sorted(self._domids))

    def became(self, domid: int) -> None:
        """It was made anew and has another number, as one that was restored or started again."""
        self.domid = domid
        self._domids.add(domid)

    def unpause(self) -> None:
        """Let it run."""
        self._xl.unpause(self.name)

    def state(self) -> DomainState | None:
        """What it is doing; None when it is gone."""
        found = None
        for info in self._xl.list():
            if info.name == self.name:
                found = info
                self.became(info.domid)
            elif info.name == NAMELESS and info.domid in self._domids:
                found = found or info
        return found.state if found else None

    def shutdown(self) -> None:
        """Ask the guest to power off; returns at once."""
        self._xl.shutdown(self.name)

    def wait_gone(self, deadline: Deadline) -> None:
        """Wait until there is no such domain; `DeadlineExceeded` with its last state."""

        def gone() -> None:
            state = self.state()
            if state is not None:
                raise NotYet(state)

        wait_for(gone, what=f"the end of {self.name}", deadline=deadline, interval=POLL)

    def teardown(self, *, graceful: bool = True, bounds: Bounds | None = None) -> Teardown:
        """End the domain and see that nothing of it is left in xenstore.

        Shutdown (if *graceful*), destroy, back ends gone, udev settled: every rung is climbed,
        whatever became of the one before, and none without a bound. Never raises a `LabError`:
        they are all in the result, for the caller to add its own to.
        """
        limits = bounds or Bounds()
        ask = self._shut_down if graceful else lambda _: (Outcome.NOT_NEEDED, "not asked for")
        rungs = [
            self._climb("shutdown", limits.shutdown, ask),
            self._climb("destroy", limits.destroy, self._destroy),
            self._climb("backends", limits.backends, self._await_backends),
            self._climb("settle", limits.settle, self._settle),
        ]
        return Teardown(domain=self.name, rungs=tuple(rungs))

    def _climb(
        self,
        name: str,
        bound: timedelta,
        step: Callable[[Deadline], tuple[Outcome, str]],
    ) -> Rung:
        began = self._clock.monotonic()
        error = None
        try:
            outcome, detail = step(Deadline.after(bound, self._clock))
        except LabError as caught:
            outcome, detail, error = Outcome.FAILED, caught.message, caught
        duration = self._clock.monotonic() - began
        return Rung(name=name, outcome=outcome, detail=detail, duration=duration, error=error)

    def _shut_down(self, deadline: Deadline) -> tuple[Outcome, str]:
        state = self.state()
        if state in (None, DomainState.SHUTDOWN, DomainState.CRASHED, DomainState.DYING):
            return Outcome.NOT_NEEDED, f"it is {state or 'gone'}"
        if state is DomainState.PAUSED:
            # Nobody is there to hear the request.
            return Outcome.NOT_NEEDED, "it is paused"
        self.shutdown()
        try:
            self._wait_while_alive(deadline)
        except DeadlineExceeded as error:
            return Outcome.GAVE_UP, error.message
        return Outcome.DONE, ""

    def _wait_while_alive(self, deadline: Deadline) -> None:
        def ended() -> None:
            state = self.state()
            if state not in (None, DomainState.SHUTDOWN, DomainState.CRASHED):
                raise NotYet(state)

        what = f"{self.name} to shut down"
        wait_for(ended, what=what, deadline=deadline, interval=POLL)

    def _destroy(self, deadline: Deadline) -> tuple[Outcome, str]:
        state = self.state()
        if state is None:
            return Outcome.NOT_NEEDED, "it is gone"
        try:
            self._xl.destroy(self.name, timedelta(seconds=max(1.0, deadline.remaining)))
        except CommandFailed as error:
            # xl's own process that waits for the domain's end may be taking it apart just now
            # (on_poweroff=destroy): then it is gone soon, and that is all that was wanted.
            try:
                self.wait_gone(deadline.sooner(DESTROYED_BY_OTHERS))
            except DeadlineExceeded:
                raise error from None
            return Outcome.DONE, f"it was {state}, and xl was ending it already"
        self.wait_gone(deadline)
        return Outcome.DONE, f"it was {state}"

    def _await_backends(self, deadline: Deadline) -> tuple[Outcome, str]:
        def none_left() -> None:
            left = [back for domid in self._domids for back in self._xl.backends(domid)]
            if left:
                raise NotYet(", ".join(left))

        what = f"the back ends of {self.name} (domid {self.domid}) to go"
        wait_for(none_left, what=what, deadline=deadline, interval=POLL)
        return Outcome.DONE, ""

    def _settle(self, deadline: Deadline) -> tuple[Outcome, str]:
        self._xl.tidy(self.name, timedelta(seconds=deadline.remaining))
        return Outcome.DONE, ""
