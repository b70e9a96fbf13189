"""The leak check of a job and of a flight: a step of its own, after the teardown.

A leak is a fault of ours, so it is `broken`, and changes no other step (osstest's ``leak-check
check`` fails the job instead, since there the host is the job's alone).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from harness.errors import XenflightError
from harness.host.census import Census
from harness.host.figures import figures
from harness.host.ledger import Reckoning, reckon
from harness.host.owners import Owner, Owners, Whose
from harness.host.xenhost import XenHost
from harness.job.inventories import Inventories, Reconnect, ask
from harness.results.model import StepResult
from harness.secret import mask
from harness.status import Status, worst
from harness.steps import LEAK_CHECK
from harness.wait import SYSTEM_CLOCK, Clock, Deadline, NotYet, wait_for
from harness.xen.domain import Domain

LEAK = "leak"
"""The failure class."""
SETTLE = timedelta(seconds=5)
"""How long what is left may take to go by itself, times the host's timeout factor: a process that
is just ending, a device that udev has open. osstest counts only processes that it sees twice."""
_INTERVAL = timedelta(seconds=1)

DOMID_RUNVARS = ("domid", "former_domids", "installer_domid", "neighbour_domid")
"""Where a job tells the numbers of its domains."""
PEER_DOMIDS = "peer_domids"
"""The same for those that it had on its second host."""

Domids = Mapping[str, Iterable[int]]
"""The numbers that the domain of each job is known to have had."""


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """One comparison: of the *flight*, or of one *job* of it if there is one."""

    host: XenHost
    again: Reconnect
    before: Future[Census]
    flight: str
    job: str | None = None
    clock: Clock = SYSTEM_CLOCK

    def wait(self) -> None:
        """Until the inventory before is there, so that something may be taken now.

        What went wrong with it is told by `check`.
        """
        with suppress(Exception):
            self.before.result()

    def check(self, domids: Domids, take: Callable[[], Census] | None = None) -> StepResult:
        """Compare with what is there now, or with what *take* finds.

        Never raises: a host that can't be asked, or a bug, is in the result.
        """
        started, began = datetime.now(UTC), self.clock.monotonic()
        try:
            after = take() if take else ask(self.host, self.again)
            found = self._compare(after, domids)
            if found.leaked:
                found = self._settled(found, domids)
            result = self._judged(found)
        except Exception as error:  # noqa: BLE001  # in a thread: nobody else would tell it
            result = not_made(error)
        seconds = self.clock.monotonic() - began
        return result.model_copy(update={"started": started, "duration": max(0.0, seconds)})

    def _compare(self, after: Census, domids: Domids) -> Reckoning:
        before = None
        with suppress(Exception):
            before = self.before.result()
        seen = (before, after) if before else (after,)
        owners = Owners(self.flight, domids, seen)
        found = reckon(before, after, owners, self._mine, self.flight)
        if self.job is None and before:
            found = replace(found, figures=figures(before, after, owners))
        return found

    def _mine(self, owner: Owner) -> bool:
        if self.job is not None:
            return owner == Owner(Whose.JOB, self.job)
        return owner.whose in (Whose.JOB, Whose.FLIGHT)

    def _settled(self, found: Reckoning, domids: Domids) -> Reckoning:
        """What is still left a while after; the same if nothing went."""
        # One that can't be asked any more has told of this at least.
        last = found

        def gone() -> None:
            nonlocal last
            last = self._compare(ask(self.host, self.again), domids)
            if last.leaked:
                raise NotYet(last.leaks)

        bound = self.host.stretched(SETTLE)
        with suppress(XenflightError):
            wait_for(
                gone,
                what="the host to settle",
                deadline=Deadline.after(bound, self.clock),
                interval=_INTERVAL,
            )
        return last

    def _judged(self, found: Reckoning) -> StepResult:
        reasons = []
        if found.leaked:
            whose = "this job" if self.job else "this flight"
            reasons.append(f"left on {self.host.name} by {whose}: {found.leaks}")
        if error := self.before.exception():
            reasons.append(f"nobody knows what was there before: {_said(error)}")
        broken = bool(reasons)
        if found.remarks:
            reasons.append(found.remarks)
        return StepResult(
            testid=LEAK_CHECK,
            status=Status.BROKEN if broken else Status.PASS,
            reason=mask("; ".join(reasons)) or None,
            failure_class=LEAK if found.leaked else None,
            # Command lines are among it.
            evidence=mask(found.text),
        )


class JobLedger:
    """The ledger of one job, in the process that runs it."""

    def __init__(self, inventories: Inventories, ledger: Ledger, jobs: Iterable[str]) -> None:
        self._inventories = inventories
        self._ledger = ledger
        self._jobs = tuple(jobs)

    @classmethod
    def open(
        cls,
        inventories: Inventories,
        host: XenHost,
        again: Reconnect,
        *,
        flight: str,
        job: str,
        jobs: Iterable[str],
    ) -> JobLedger:
        """Begin it, before *job* takes anything. *jobs* are all of the *flight*, for telling
        theirs from nobody's."""
        before = inventories.before(host, again)
        clock = inventories.clock
        ledger = Ledger(host=host, again=again, before=before, flight=flight, job=job, clock=clock)
        return cls(inventories, ledger, jobs)

    def wait(self) -> None:
        """See `Ledger.wait`."""
        self._ledger.wait()

    def check(self, domids: Iterable[int]) -> Future[StepResult]:
        """The job is over, its teardown included: look, in the background, for what is left.

        *domids* are all that its domain had.
        """
        ledger, known = self._ledger, dict.fromkeys(self._jobs, ())
        mine: Domids = {**known, str(ledger.job): tuple(domids)}
        after = self._inventories.take(ledger.host, ledger.again)
        return self._inventories.begin(lambda: ledger.check(mine, after.result))


def not_made(error: BaseException) -> StepResult:
    """The check of a host that could not be asked."""
    return StepResult(testid=LEAK_CHECK, status=Status.BROKEN, reason=f"not made: {_said(error)}")


def unchecked() -> Future[StepResult]:
    """The check of a guest before which nobody looked."""
    told: Future[StepResult] = Future()
    reason = "nobody looked what was on the host before"
    told.set_result(StepResult(testid=LEAK_CHECK, status=Status.SKIP, reason=reason))
    return told


def of_hosts(checks: Mapping[str, StepResult]) -> StepResult:
    """The checks of the hosts of a flight, by name and at least one, as one."""
    found = list(checks.values())
    if len(found) == 1:
        return found[0]
    told = {name: check for name, check in checks.items() if check.reason or check.evidence}
    begun = [check.started for check in found if check.started]
    return StepResult(
        testid=LEAK_CHECK,
        status=worst(check.status for check in found),
        reason="; ".join(f"{name}: {one.reason}" for name, one in told.items() if one.reason)
        or None,
        failure_class=next((check.failure_class for check in found if check.failure_class), None),
        evidence="\n".join(f"{name}:\n{one.evidence}" for name, one in told.items()),
        started=min(begun, default=None),
        duration=sum(check.duration for check in found),
    )


def together(checks: Mapping[str, Future[StepResult]]) -> Future[StepResult]:
    """The checks of the hosts of one job, by name and at least one, as one when all are made."""
    if len(checks) == 1:
        return next(iter(checks.values()))
    told: Future[StepResult] = Future()

    def tell(_: Future[StepResult]) -> None:
        if all(check.done() for check in checks.values()):
            found = {name: _of(check) for name, check in checks.items()}
            with suppress(InvalidStateError):
                told.set_result(of_hosts(found))

    for check in checks.values():
        check.add_done_callback(tell)
    return told


def _of(check: Future[StepResult]) -> StepResult:
    error = check.exception()
    return not_made(error) if error else check.result()


def domid_runvars(domain: Domain | None) -> dict[str, str]:
    """The runvars that tell the numbers of *domain*: the last, and those before its reboots."""
    if domain is None:
        return {}
    former = " ".join(str(domid) for domid in domain.domids if domid != domain.domid)
    return {"domid": str(domain.domid)} | ({"former_domids": former} if former else {})


def domids_of(runvars: Mapping[str, str]) -> tuple[int, ...]:
    """All numbers that the domain of a job had, as its runvars tell."""
    return _numbers(runvars.get(name, "") for name in DOMID_RUNVARS)


def peer_domids_of(runvars: Mapping[str, str]) -> tuple[int, ...]:
    """The same on its second host."""
    return _numbers([runvars.get(PEER_DOMIDS, "")])


def _numbers(texts: Iterable[str]) -> tuple[int, ...]:
    words = (text.split() for text in texts)
    return tuple(int(word) for some in words for word in some if word.isdecimal())


def _said(error: BaseException) -> str:
    return str(error) if isinstance(error, XenflightError) else f"{type(error).__name__}: {error}"
