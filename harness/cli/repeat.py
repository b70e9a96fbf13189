"""``run --until-first-failure``: one flight after the other, until a job fails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from harness.errors import UsageError
from harness.status import EXIT_CODES, Status
from harness.units import human_seconds, parse_duration
from harness.wait import SYSTEM_CLOCK, Clock

LAB_FAULTS = 3
"""So many flights in a row without a verdict on any guest, and the lab is at fault."""
_NO_VERDICT = (EXIT_CODES[Status.BROKEN], EXIT_CODES[Status.STARVED])


@dataclass(frozen=True, kw_only=True)
class Flown:
    """What became of one flight."""

    flight_id: str
    code: int
    """Its exit code."""
    failed: bool
    """Whether any job of it is `fail`; the flight may be `broken` all the same."""


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """After how many flights, or how long, no more begin; one of them at least."""

    times: int | None = None
    within: timedelta | None = None


def any_failed(flight_id: str) -> bool:
    """Whether a job of that flight, which has just run here, is `fail`."""
    from harness.results.layout import FlightDirectory
    from harness.results.load import load_results

    files = FlightDirectory.of(Path("reports"), flight_id)
    try:
        return any(job.status is Status.FAIL for job in load_results(files.results).jobs)
    except UsageError:
        # It never came to write any.
        return False


def bounds_of(*, wanted: bool, times: int | None, within: str | None) -> Bounds | None:
    """The bounds of a repetition; None when none is *wanted*. `UsageError` for what can't be."""
    if not wanted:
        if times is not None or within is not None:
            name = "--times" if times is not None else "--for"
            msg = f"{name} says how often a flight is repeated, but it is not"
            raise UsageError(msg, hint="add --until-first-failure")
        return None
    if times is None and within is None:
        msg = "--until-first-failure needs an end: a flight that never fails would run for ever"
        raise UsageError(msg, hint="add --times 50, or --for 8h")
    try:
        return Bounds(times=times, within=parse_duration(within) if within else None)
    except (ValueError, OverflowError) as error:
        msg = f"--for: {error}"
        raise UsageError(msg) from error


def until_failure(
    fly: Callable[[], Flown],
    bounds: Bounds,
    say: Callable[[str], None],
    clock: Clock = SYSTEM_CLOCK,
) -> int:
    """Run flights by *fly* until a job of one fails, or *bounds* are reached; the exit code.

    5 when a job failed. Else that of the worst flight: a lab that is broken now and then is no
    reason to stop looking, but thrice in a row it is, as is whatever else is no verdict.
    """
    began = clock.monotonic()
    codes: list[int] = []
    while not _at_end(bounds, len(codes), clock.monotonic() - began):
        flown = fly()
        codes.append(flown.code)
        took = human_seconds(clock.monotonic() - began)
        say(f"{_flights(codes)} in {took}")
        if flown.failed:
            say(f"the first failure: {flown.flight_id}")
            return EXIT_CODES[Status.FAIL]
        if flown.code and flown.code not in _NO_VERDICT:
            return flown.code
        if len(codes) >= LAB_FAULTS and all(codes[-LAB_FAULTS:]):
            say(f"{LAB_FAULTS} flights in a row say nothing of any guest: see `xenflight hosts`")
            return flown.code
    say("no job failed")
    return next((code for code in _NO_VERDICT if code in codes), 0)


def _at_end(bounds: Bounds, flown: int, seconds: float) -> bool:
    if bounds.times is not None and flown >= bounds.times:
        return True
    return bounds.within is not None and seconds >= bounds.within.total_seconds()


def _flights(codes: list[int]) -> str:
    words = {code: status for status, code in EXIT_CODES.items()} | {4: Status.BROKEN}
    found = Counter(str(words.get(code, f"exit code {code}")) for code in codes)
    parts = ", ".join(f"{count} {word}" for word, count in found.items())
    return f"{len(codes)} flight{'s' if len(codes) > 1 else ''}: {parts},"
