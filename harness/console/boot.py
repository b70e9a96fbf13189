"""Watches a booting guest's console up to the login prompt, phase by phase.

Every phase has a deadline of its own, which starts when the phase begins. A line that
betrays a failure ends the watch within about a second, whatever the deadline.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from harness.console.course import GUEST_COURSE, Course
from harness.console.garbage import GarbageMeter
from harness.console.phases import INIT, LOGIN, login_prompt
from harness.console.recorder import ConsoleRecorder
from harness.console.scan import Line, LineScanner
from harness.console.sieve import BOOT_SIEVE
from harness.console.verdicts import (
    Finding,
    explain,
    find_sign,
    finding,
    most_telling,
)
from harness.errors import GuestFailure, LabError
from harness.status import Status
from harness.steps import StepRecord
from harness.units import human_seconds

SETTLE = 1.0
"""Seconds to go on reading after a failure shows, so that the evidence is whole."""
POLL = 2.0
"""Seconds between two questions about the domain's state: each is a command over SSH."""
NUDGE_WAIT = 3.0
"""Seconds a getty has to answer an Enter, times the host's timeout factor."""
EVIDENCE_LINES = 30
_READ = 1 << 16
_BURST = 1 << 22
"""Bytes read before time is looked at again: a guest may print as fast as we read."""
_LATE = 1 << 23
"""Bytes read after a deadline, of what may have come before it."""
_OUR_STATES = {
    "crashed": ("domain-crashed", "Xen says the domain crashed"),
    "shutdown": ("domain-shutdown", "the domain shut itself down in the middle of its boot"),
}


@dataclass(frozen=True, kw_only=True)
class BootResult:
    """A guest that came to its login prompt."""

    hostname: str
    """The host name in the prompt."""
    position: int
    """Where the prompt's line begins in console.log: start the login from here."""
    seconds: float
    """From the begin of the watch to the prompt."""
    nudged: bool
    """Whether an Enter was needed: the first prompt was torn apart by another line."""
    remarks: tuple[str, ...]
    """Signs of trouble that did not stop the boot, such as a soft lockup."""


class BootWatcher:
    """Follows one boot on *recorder*; call `to_login` once.

    *timeouts* says how long each phase may take; phases left out get the default times
    *timeout_factor*, which also scales our own graces. *domain_state* says what the
    toolstack knows: ``running``, ``crashed``, ``shutdown``..., None for no such domain.
    *start* is the position in the log from which this boot is to be read: 0 for the first,
    the recorder's mark for one after a reboot. *console* is what the guest calls it. *course*
    is what it goes through, and *prompt* what it asks in the end, if that is no getty's question.
    """

    _phase: str
    _phase_began: float
    _deadline: float
    _printed: bool
    _late_from: int | None

    def __init__(
        self,
        recorder: ConsoleRecorder,
        *,
        timeouts: Mapping[str, timedelta],
        domain_state: Callable[[], str | None],
        hostname: str | None,
        step: StepRecord,
        timeout_factor: float = 1.0,
        start: int = 0,
        console: str = "hvc0",
        course: Course = GUEST_COURSE,
        prompt: re.Pattern[str] | None = None,
    ) -> None:
        self._console = console
        self._course = course
        self._recorder = recorder
        self._clock = recorder.clock
        self._timeouts = {
            phase: timeouts.get(phase, course.timeouts[phase] * timeout_factor)
            for phase in course.phases
        }
        self._domain_state = domain_state
        self._prompt = prompt or login_prompt(hostname)
        self._step = step
        self._factor = timeout_factor
        self._scanner = LineScanner(start, BOOT_SIEVE)
        self._garbage = GarbageMeter(start)
        self._findings: dict[str, Finding] = {}
        self._waits_at: Finding | None = None
        self._domain_fact: tuple[str, str] | None = None
        self._settled_at: float | None = None
        self._login: tuple[Line, str] | None = None
        self._last_line = ""
        self._nudged = False
        self._missing = self._orphaned = 0
        self._begin(course.first, self._clock.monotonic())
        self._began = self._phase_began
        self._next_poll = self._began + POLL

    def to_login(self) -> BootResult:
        """Wait for the login prompt.

        Raises `GuestFailure` with the phase, the class and the last console lines; and
        `LabError` when the console was lost although the domain goes on.
        """
        while True:
            self._check_domain()
            self._read()
            self._check_settled()
            if self._login and self._settled_at is None:
                return self._success(*self._login)
            self._check_deadline()
            self._recorder.wait(self._scanner.position, self._patience())

    def _read(self) -> None:
        end = self._scanner.position + _BURST
        while self._scanner.position < end and (
            data := self._recorder.read(self._scanner.position, _READ)
        ):
            for line in self._scanner.feed(data):
                self._see(line)
            if noise := self._garbage.feed(data):
                self._note(noise)
        self._see_partial(self._scanner.partial)

    def _see(self, line: Line) -> None:
        if not line.text.strip() or self._login:
            self._judge(line)
            return
        phase = self._course.begun(line.text)
        if phase and self._course.later(phase, self._phase):
            self._enter(phase, self._recorder.time_at(line.position))
        else:
            self._last_line = line.text.strip()
            self._printed = True
            if phase == self._course.again and not self._course.later(
                self._course.beyond, self._phase
            ):
                self._note(finding("unexpected-reboot", line.text, line.position))
        self._judge(line)
        self._see_prompt(line)

    def _see_partial(self, line: Line) -> None:
        # Looked at again until it settles: a prompt is one only if nothing comes after it.
        self._waits_at = find_sign(line.text, line.position, complete=False)
        if self._waits_at:
            self._settle()
        if line.text.strip():
            self._last_line, self._printed = line.text.strip(), True
            self._see_prompt(line)

    def _see_prompt(self, line: Line) -> None:
        found = None if self._login else self._prompt.search(line.text)
        if found:
            names = found.groupdict()
            self._login = line, names.get("own") or names["other"]

    def _judge(self, line: Line) -> None:
        if found := find_sign(line.text, line.position):
            self._note(found)

    def _note(self, found: Finding) -> None:
        # The first of each class: a lockup is repeated for ever, a flood may hold thousands.
        self._findings.setdefault(found.failure.name, found)
        if found.failure.fatal:
            self._settle()

    def _settle(self) -> None:
        if self._settled_at is None:
            self._settled_at = self._clock.monotonic() + SETTLE

    def _check_settled(self) -> None:
        """Fail once the output after the first sign of failure is in, and it still holds."""
        if self._settled_at is None:
            return
        if self._clock.monotonic() < self._settled_at and not self._recorder.ended:
            return
        seen = [*self._findings.values(), *([self._waits_at] if self._waits_at else [])]
        if found := most_telling([one for one in seen if one.failure.fatal]):
            raise self._failure(found.failure.name, explain(found, seen), found)
        if self._domain_fact:
            raise self._failure(*self._domain_fact)
        self._settled_at = None

    def _check_domain(self) -> None:
        if self._settled_at is not None or self._clock.monotonic() < self._next_poll:
            return
        state = self._domain_state()
        self._next_poll = self._clock.monotonic() + POLL
        # One look may fall between the two lives of a rebooting domain, or between the
        # end of its console and its own: so these two are believed the second time.
        self._missing = self._missing + 1 if state is None else 0
        self._orphaned = self._orphaned + 1 if state and self._recorder.ended else 0
        if self._missing >= 2:
            self._domain_fact = "domain-vanished", "the domain is gone from `xl list`"
        elif state in _OUR_STATES:
            self._domain_fact = _OUR_STATES[state]
        elif self._orphaned >= 2:
            msg = f"the console of {self._recorder.name} ended although the domain is {state}"
            raise LabError(msg)
        if self._domain_fact:
            self._settle()

    def _check_deadline(self) -> None:
        if self._settled_at is not None or self._clock.monotonic() < self._deadline:
            return
        # We may be late ourselves, held up by a slow host: what has come is read first. But a
        # guest that prints without end must not put off its deadline.
        position = self._scanner.position
        self._late_from = position if self._late_from is None else self._late_from
        if position < self._late_from + _LATE and self._recorder.wait(position, 0):
            return
        if self._phase in (INIT, LOGIN) and not self._nudged and not self._recorder.ended:
            self._nudged = True
            self._deadline = self._clock.monotonic() + NUDGE_WAIT * self._factor
            self._late_from = None
            self._recorder.write(b"\r")
            return
        raise self._timed_out()

    def _timed_out(self) -> GuestFailure:
        took = human_seconds(self._clock.monotonic() - self._phase_began)
        if self._phase == LOGIN:
            said = f"the boot finished, but no login prompt came in {took}, not even after Enter"
            return self._failure("no-login-prompt", f"{said}; is there a getty on {self._console}?")
        if noise := self._garbage.rest():
            self._findings.setdefault(noise.failure.name, noise)
        if remark := most_telling(seen := self._findings.values()):
            return self._failure(remark.failure.name, explain(remark, seen), remark)
        if not self._printed:
            return self._failure("silent", f"nothing was printed in {took}")
        said = f"not over after {took}; last line: {self._last_line!r}"
        return self._failure("phase-timeout", f"{said}{self._silence()}")

    def _silence(self) -> str:
        """For how long nothing has come, when that is most of the phase."""
        now = self._clock.monotonic()
        silent = now - max(self._phase_began, self._recorder.last_data or 0.0)
        if silent < (now - self._phase_began) / 2:
            return ""
        return f", and nothing in the {human_seconds(silent)} since"

    def _patience(self) -> float:
        """Seconds until something is to be checked again."""
        now = self._clock.monotonic()
        if self._settled_at is not None:
            return max(0.0, self._settled_at - now)
        # An ended console wakes no one: then the domain's state is all there is to wait for.
        if self._recorder.ended:
            self._clock.sleep(max(0.0, min(self._deadline, self._next_poll) - now))
            return 0.0
        return max(0.0, min(self._deadline, self._next_poll) - now)

    def _begin(self, phase: str, at: float) -> None:
        self._phase, self._phase_began = phase, at
        self._deadline = at + self._timeouts[phase].total_seconds()
        self._printed = False
        self._late_from = None

    def _enter(self, phase: str, at: float) -> None:
        self._step.add_phase(self._phase, self._phase_began, at, Status.PASS)
        self._begin(phase, at)

    def _success(self, line: Line, hostname: str) -> BootResult:
        at = self._recorder.time_at(line.position)
        if self._phase != LOGIN:
            self._enter(LOGIN, at)
        self._step.add_phase(LOGIN, self._phase_began, at, Status.PASS)
        return BootResult(
            hostname=hostname,
            position=line.position,
            seconds=at - self._began,
            nudged=self._nudged,
            remarks=tuple(explain(one, []) for one in self._findings.values()),
        )

    def _failure(
        self, failure_class: str, said: str, finding: Finding | None = None
    ) -> GuestFailure:
        now = self._clock.monotonic()
        self._step.add_phase(self._phase, self._phase_began, now, Status.FAIL)
        evidence = self._recorder.tail(EVIDENCE_LINES)
        if finding and finding.line not in evidence:
            evidence = f"{finding.line}\n[...]\n{evidence}"
        return GuestFailure(
            f"boot of {self._recorder.name} failed in phase {self._phase}: {said}",
            phase=self._phase,
            failure_class=failure_class,
            evidence=evidence,
        )
