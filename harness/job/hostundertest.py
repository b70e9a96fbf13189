"""A host as the thing under test: rebooted by one of its own entries, and watched on its line."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from harness.errors import DeadlineExceeded, GuestFailure, LabError, NotApplicable
from harness.flight.model import HostSpec, JobSpec
from harness.flight.plan import Plan
from harness.grub.entry import XenEntry
from harness.grub.grub2 import read_grub2
from harness.grub.model import Menu
from harness.grub.resolve import Boot
from harness.host.whole import WholeHost
from harness.host.xenhost import XenHost
from harness.hostboot.custom import remove_entries, write_entries
from harness.hostboot.entries import BEFORE, PREFIX, usual_boot
from harness.hostboot.facts import MENU, BootFacts, look, read_menu
from harness.job.evidence import Reconnect, secrets_mask, take_evidence
from harness.job.hostline import HostLine
from harness.job.prepared import JobFacts
from harness.job.revive import Revival
from harness.job.secrets import FlightSecrets
from harness.power.model import Power
from harness.remote.command import Command
from harness.results.layout import JobDirectory
from harness.results.model import EvidenceResult, StepResult
from harness.status import Status
from harness.steps import LEAK_CHECK, StepRecord
from harness.wait import SYSTEM_CLOCK
from harness.xen.listing import XenInfo

BACK_TIMEOUT = timedelta(minutes=2)
"""From the login on the serial line until dom0's toolstack answers over SSH, on hardware."""
REBOOT_COMMAND = Command.of("reboot")
FORGET_CHOICE = Command.of("grub-editenv", "-", "unset", "next_entry")
CHOOSE_TIMEOUT = timedelta(minutes=1)
NO_GUEST = "the job had a host and no guest; what is on it is looked at when the flight ends"


class HostUnderTest:
    """The host of one job, which has it to itself. `step` is the one that runs."""

    def __init__(
        self,
        *,
        spec: JobSpec,
        host_spec: HostSpec,
        plan: Plan,
        host: XenHost,
        again: Reconnect,
        whole: WholeHost,
        power: Power | None,
        line: HostLine,
        files: JobDirectory,
        secrets: FlightSecrets,
    ) -> None:
        self.spec = spec
        self.host = host
        self.line = line
        self.step = StepRecord(job=spec.name, testid="none")
        self._terms = host_spec
        self._plan = plan
        self._again = again
        self._whole = whole
        self._power = power
        self._files = files
        self._secrets = secrets
        # Nobody stops it: a boot that takes too long ends by its bound.
        self._revival = Revival(host.name, again, threading.Event())
        self._runvars: dict[str, str] = {}
        self._known: BootFacts | None = None
        """As it last said it."""
        self._written = False
        self._undoing: list[Callable[[], None]] = []
        self._up = True
        self._chosen = ""
        """What GRUB was told to boot, and was not asked for yet."""
        self._entry = ""
        """What it booted then, the last time; empty: what it does by itself."""
        self._began = SYSTEM_CLOCK.monotonic()

    # -- what it is --------------------------------------------------------------------

    def look(self) -> BootFacts:
        """What it says of its boot."""
        self._known = look(self.host.runner)
        return self._known

    def xen(self) -> XenInfo:
        """What ``xl info`` says."""
        return self.host.xl.info()

    def menu(self) -> Menu:
        """GRUB's menu on it, read. `NotApplicable` without GRUB 2."""
        return read_grub2(self.menu_text(), MENU)

    def menu_text(self) -> str:
        """The text of that."""
        found = self.host.runner.run(Command.of("test", "-r", MENU), check=False)
        if not found.ok:
            msg = f"{self.host.name} has no {MENU}: it does not boot by GRUB 2"
            raise NotApplicable(msg)
        return read_menu(self.host.runner)

    def usual(self) -> Boot:
        """The boot of Xen that its menu offers first."""
        return usual_boot(self.menu())

    def remember(self, name: str, value: str) -> None:
        """Store a runvar, in the job and in the step that found it."""
        self._runvars[name] = self.step.facts[name] = value

    def recall(self, name: str) -> str:
        """A runvar that an earlier step stored; empty when none did."""
        return self._runvars.get(name, "")

    # -- what is done on it --------------------------------------------------------------

    def at_the_end(self, undo: Callable[[], None]) -> None:
        """Have *undo* called when the job is over and it is up, before it is given back.

        What can't be undone is a `LabError`: it then stays drained.
        """
        self._undoing.append(undo)

    def make_room(self) -> None:
        """Let go of its slots, for a guest of ours: as it is drained nobody else gets one."""
        self._whole.let_go()

    @property
    def terms(self) -> HostSpec:
        """What hosts.yaml says of it."""
        return self._terms

    @property
    def again(self) -> Reconnect:
        """One more connection to it."""
        return self._again

    @property
    def directory(self) -> Path:
        """For what the step that runs leaves behind, beside the job's own files."""
        return self._files.path / self.step.testid

    # -- booting it --------------------------------------------------------------------

    def rescue(self) -> None:
        """Take its power away for a moment, though it is up, since it crashed; then it is in its
        usual boot. `LabError` or `GuestFailure` when it does not come back."""
        if self._power is None or self._known is None:
            msg = f"{self.host.name} crashed, and nothing can power-cycle it"
            raise LabError(msg)
        self._up = False
        self.host.close()
        self._whole.let_go()
        self._recover(self._known)

    def offer(self, entries: Iterable[XenEntry], *, usual: str = "") -> None:
        """Have *entries* in its menu, until the job is over; *usual* is the id of the one that
        boots by itself, if that is not to be the host's own."""
        if "custom.cfg" not in self.menu_text():
            msg = f"the menu of {self.host.name} reads no custom.cfg (/etc/grub.d/41_custom)"
            raise NotApplicable(msg)
        self._written = True
        write_entries(self.host.runner, entries, usual=usual)

    def boot(self, entry: str) -> int:
        """Reboot it by *entry*, once, and see it come to its login and answer over SSH.

        Where on its line that began. `GuestFailure` with phase and class when it does not come up.
        """
        before = self._choose(entry)
        start = self._go(before)
        self._watch(self.step, start, before)
        self._return(before)
        return start

    def try_boot(self, entry: str) -> int:
        """As `boot`, of what may well fail: then it is had back before that is told."""
        before = self._choose(entry)
        start = self._go(before)
        own = StepRecord(job=self.spec.name, testid=self.step.testid, clock=self.step.clock)
        try:
            self._watch(own, start, before)
        except GuestFailure as failure:
            self._tell_failure(own, start)
            # Whether it comes back is seen again when the job is over.
            with suppress(LabError, GuestFailure):
                self._recover(before)
            raise failure from None
        finally:
            self.step.phases += own.phases
        try:
            self._return(before)
        except DeadlineExceeded as error:
            msg = f"{self.host.name} came to its login, and not to SSH: {error.message}"
            raise GuestFailure(msg, phase="ssh", failure_class="ssh-unreachable") from error
        return start

    def fail_to_boot(self, entry: str) -> GuestFailure:
        """Reboot it by *entry*, which can't come up: how that was told. Then have it back.

        `GuestFailure` of another class when it does come up, or does not come back.
        """
        before = self._choose(entry)
        start = self._go(before)
        own = StepRecord(job=self.spec.name, testid=self.step.testid, clock=self.step.clock)
        told: GuestFailure | None = None
        with self.step.phase("cannot-boot"):
            try:
                self._watch(own, start, before)
            except GuestFailure as failure:
                told = failure
        if told is None:
            self._return(before)
            msg = f"{self.host.name} came up by {entry}, which it can't"
            raise GuestFailure(msg, phase="cannot-boot", failure_class="wrong-boot")
        self._tell_failure(own, start)
        self._recover(before)
        return told

    def _tell_failure(self, own: StepRecord, start: int) -> None:
        """Where it failed, how soon that was known, and where on the line it stands."""
        last = own.phases[-1]
        self.step.facts["failed_phase"] = last.name
        self.step.facts["told_after"] = f"{last.duration:.1f} s"
        self.step.facts["serial"] = f"{self._files.relative(self._files.console_log)} @ {start}"

    def _choose(self, entry: str) -> BootFacts:
        """Have GRUB boot *entry* the next time, and only then; how the host is now."""
        self.require_way_back()
        self._chosen = entry
        self.host.runner.run(Command.of("grub-reboot", entry), timeout=CHOOSE_TIMEOUT)
        self.host.runner.run(Command.of("sync"))
        found = self.look()
        if found.next_entry != entry:
            msg = f"grub-reboot {entry!r} wrote {found.next_entry!r} into GRUB's environment"
            raise GuestFailure(msg, phase="choose", failure_class="grub-environment")
        return found

    def require_way_back(self) -> None:
        """`NotApplicable` where nobody could have it back: then no other entry of it is booted."""
        if self._power is None:
            msg = f"nothing can power-cycle {self.host.name}, should it not come up (power:)"
            raise NotApplicable(msg)

    def _go(self, before: BootFacts) -> int:
        start = self.line.mark()
        self._up = False
        self._entry, self._chosen = self._chosen, ""
        self.step.facts["boot_before"] = before.boot_id
        with suppress(LabError):
            # Its answer may be lost with the connection.
            self.host.runner.run(REBOOT_COMMAND, timeout=CHOOSE_TIMEOUT, check=False)
        self.host.close()
        self._whole.let_go()
        return start

    def _watch(self, step: StepRecord, start: int, before: BootFacts) -> None:
        factor = max(1.0, self.host.timeout_factor)
        self.line.watch_boot(step, start, before.hostname, factor)

    def _return(self, before: BootFacts) -> None:
        """A new connection, to another boot than *before*."""
        bound = BACK_TIMEOUT * max(1.0, self.host.timeout_factor)
        with self.step.phase("ssh"):
            self.host = self._revival.wait_back(before.boot_id, bound)
        self._up = True

    def _recover(self, before: BootFacts) -> None:
        """Take its power away for a moment: GRUB then boots what it usually does."""
        assert self._power  # nothing was booted otherwise
        with self.step.phase("recover"):
            start = self.line.mark()
            self._power.cycle()
            self._entry = ""
            own = StepRecord(job=self.spec.name, testid=self.step.testid, clock=self.step.clock)
            self._watch(own, start, before)
        self._return(before)

    # -- what the plugin does with it --------------------------------------------------

    def capture(self, culprit: StepResult) -> EvidenceResult:
        """Take evidence of a step that did not pass: what dom0 tells, if it is up."""
        if not self._up:
            log = self._files.relative(self._files.console_log)
            return EvidenceResult(note=f"the host is not up; its serial line is in {log}")
        try:
            mask = secrets_mask(self._secrets)
            taken = take_evidence(
                culprit,
                self._plan,
                self._files,
                job=self.spec.name,
                domain="Domain-0",
                host=self.host,
                again=self._again,
                mask=mask,
            )
        except OSError as error:
            return EvidenceResult(note=f"could not be written: {error.strerror}")
        return taken.result

    def remove(self) -> None:
        """Leave it as it was found: up by its usual entry, none of ours in its menu, undrained.

        `LabError` when it does not come up: it then stays drained.
        """
        if not self._up:
            self._have_up()
        self.step = StepRecord(job=self.spec.name, testid="teardown")
        while self._undoing:
            self._undoing.pop()()
        if self._written:
            remove_entries(self.host.runner)
        self._leave_our_entries()
        self._whole.give_back(self.host.runner)

    def _leave_our_entries(self) -> None:
        """GRUB has no choice of ours any more, nor is the host in an entry of ours that is not as
        its own: dom0 may have little memory there."""
        strange = self._entry.startswith(PREFIX) and self._entry != BEFORE
        if self._chosen or strange:
            self.host.runner.run(FORGET_CHOICE, timeout=CHOOSE_TIMEOUT)
            self._chosen = ""
        if not strange:
            return
        before = self.look()
        try:
            start = self._go(before)
            self._watch(self.step, start, before)
            self._return(before)
        except GuestFailure as error:
            msg = f"{self.host.name} did not come back to its usual boot: {error.message}"
            raise LabError(msg) from error

    def _have_up(self) -> None:
        """After a boot that failed in a step of its own."""
        if (host := self._revival.answers()) is not None:
            self.host, self._up = host, True
            return
        if self._power is None:
            msg = f"{self.host.name} is not up, and nothing can power-cycle it: it stays drained"
            raise LabError(msg)
        self._power.cycle()
        self._entry = ""
        terms = self._terms.power_terms
        assert terms
        self.host = self._revival.wait_back(None, terms.boot_timeout)
        self._up = True

    def keep(self) -> bool:
        """There is nothing to keep: the host goes back."""
        return False

    def close(self) -> None:
        """Let go of its line and of it; never raises."""
        self.line.close()
        self._whole.let_go()
        self.host.close()

    def check_leaks(self) -> Future[StepResult]:
        """The flight's own check looks at the host; a job that booted it knows no before."""
        told: Future[StepResult] = Future()
        told.set_result(StepResult(testid=LEAK_CHECK, status=Status.SKIP, reason=NO_GUEST))
        return told

    def facts(self, *, kept: bool) -> JobFacts:
        """For the results."""
        seconds = SYSTEM_CLOCK.monotonic() - self._began
        waits = {"host": round(seconds, 2)}
        return JobFacts(host=self.host.name, kept=kept, waits=waits, runvars=dict(self._runvars))
