"""What became of each waiver: used, idle, expired, or never about anything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from harness.gate.case import Case
from harness.gate.verdict import WaiverResult, WaiverState
from harness.judge.history import FlightRecord, History
from harness.judge.judge import failures
from harness.judge.judgement import Judgement
from harness.judge.waiver import Waiver
from harness.status import Status

LOOKED_BACK = 25
"""In how many flights a waiver may be about nothing before it is called useless."""
SOON = timedelta(days=14)
LONG = timedelta(days=366)


def waiver_results(case: Case, today: date) -> tuple[WaiverResult, ...]:
    """All waivers of the policy, in its order."""
    failed = [one for one in case.judged.judgements if one.status is Status.FAIL]
    past = _Past(case)
    return tuple(_result(waiver, failed, past, today) for waiver in case.policy.waivers)


def waiver_remarks(results: Sequence[WaiverResult], today: date) -> Iterator[str]:
    """What somebody should see to."""
    for one in results:
        who = f"{one.kind} {one.name}, owner {one.owner}"
        match one.state:
            case WaiverState.EXPIRED:
                about = f", and is about {_listed(one.failures)}" if one.failures else ""
                yield f"expired on {one.expires}{about}: {who}"
            case WaiverState.NEVER_MATCHES:
                text = f"matches no failure here nor in the last {LOOKED_BACK} flights"
                yield f"{text}; it can go: {who}"
            case _ if one.expires - today <= SOON:
                yield f"expires on {one.expires}: {who}"
        if one.expires - today > LONG:
            yield f"expires only on {one.expires}, in more than a year: {who}"


def recent_flights(flight: FlightRecord, history: History) -> Iterator[FlightRecord]:
    """The flights of the branch before *flight*, the newest first."""
    for name in history.flights(flight.branch, flight.started, LOOKED_BACK):
        found = history.flight(name)
        if found:
            yield found


class _Past:
    """Failures of the last flights, looked up when somebody asks."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._failures: list[tuple[str, str, str | None]] | None = None

    def has(self, waiver: Waiver) -> bool:
        """Whether *waiver* was about one of them."""
        if self._failures is None:
            flights = recent_flights(self._case.flight, self._case.evidence.history)
            self._failures = [
                (record.job, failure.testid, failure.fingerprint)
                for flight in flights
                for record in flight.jobs
                for failure in failures(record)
                if failure.status is Status.FAIL
            ]
        return any(waiver.fits(*failure) for failure in self._failures)


def _result(waiver: Waiver, failed: Sequence[Judgement], past: _Past, today: date) -> WaiverResult:
    about = [one for one in failed if waiver.fits(one.job, one.testid, one.fingerprint)]
    return WaiverResult(
        kind=waiver.kind,
        name=waiver.name,
        owner=waiver.owner,
        reason=waiver.reason,
        link=waiver.link,
        expires=waiver.expires,
        state=_state(waiver, about, past, today),
        failures=tuple(f"{one.job} {one.testid}" for one in about),
    )


def _state(waiver: Waiver, about: list[Judgement], past: _Past, today: date) -> WaiverState:
    if waiver.expired(today):
        return WaiverState.EXPIRED
    if about:
        used = any(one.answered and one.waiver == waiver for one in about)
        return WaiverState.USED if used else WaiverState.MATCHES
    return WaiverState.IDLE if past.has(waiver) else WaiverState.NEVER_MATCHES


def _listed(names: Sequence[str]) -> str:
    return names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "")
