"""What a failure looks like: a short text that is the same for each run that fails like it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from harness.console.text import lines_of
from harness.console.verdicts import find_sign, most_telling
from harness.results.model import FlightResult, HostFacts, JobResult, StepResult
from harness.results.normal import normalise
from harness.results.rules import host_of
from harness.status import Status

MAX_LENGTH = 300
LAST_LINES = 3
_LOOKED_AT = 400
"""Lines of the evidence, from its end."""
_FAILURES = frozenset({Status.FAIL, Status.BROKEN})
_KERNEL = frozenset({"kernel-oops", "kernel-panic"})
_CULPRIT = re.compile(r"\bRIP: (?:e?[0-9a-f]{4}:)?(?P<symbol>[A-Za-z_][\w.]*)\+0x")
_MOVES = re.compile(r"\[[ *]{3,8}\] ")


def fingerprint(step: StepResult, names: Mapping[str, str] | None = None) -> str | None:
    """The fingerprint of *step*, ``class: text``; None when it neither failed nor was broken.

    The text is the line that betrays the failure, such as the panic's; else the console's last
    lines; else the reason. *names*: see `normalise`.
    """
    if step.status not in _FAILURES:
        return None
    lines = lines_of(step.evidence)[-_LOOKED_AT:]
    text = _betraying(lines) or _last(lines, names or {}) or normalise(step.reason or "", names)
    parts = [part for part in (step.failure_class, normalise(text, names)) if part]
    return ": ".join(parts)[:MAX_LENGTH].rstrip() or None


def names_of(flight: FlightResult, job: JobResult) -> dict[str, str]:
    """The words that only this run of *job* has, and what stands for them."""
    return own_names(flight.flight_id, host_of(flight.hosts, job), job)


def own_names(flight_id: str, host: HostFacts | None, job: JobResult) -> dict[str, str]:
    """The same of a job whose flight is not over."""
    names = {job.name: "<job>", flight_id: "<flight>"}
    if host:
        names[host.name] = "<host>"
    if hostname := job.runvars.get("hostname"):
        names[hostname] = "<host>"
    return names


def _betraying(lines: Iterable[str]) -> str:
    """The line that says what went wrong; of a kernel's bug also the function it was in."""
    found = [sign for at, line in enumerate(lines) if (sign := find_sign(line, at))]
    first = most_telling(found)
    if first is None:
        return ""
    culprits = (_CULPRIT.search(line) for line in lines) if first.failure.name in _KERNEL else ()
    symbol = next((match["symbol"] for match in culprits if match), "")
    return f"{first.line} in {symbol}" if symbol else first.line


def _last(lines: Iterable[str], names: Mapping[str, str]) -> str:
    """The last lines that say something new, without those that only show that time passes."""
    said = (normalise(line, names) for line in lines if not _MOVES.match(line))
    return " | ".join(list(dict.fromkeys(line for line in said if line))[-LAST_LINES:])
