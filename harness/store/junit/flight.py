"""From JUnit to a flight: a job for each suite, a step for each case.

What a file does not say somebody must: its branch, and when it was, if no suite has a time.
Properties of a suite may say it, too: ``xenflight.flight``, ``.branch``, ``.blessing``,
``.time``, ``.host`` and ``.revision.TREE``; and those that we write ourselves are known.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from harness.cache import content_key
from harness.errors import Place, UsageError
from harness.results.belonging import ADHOC, blessing_word, branch_name
from harness.results.model import FlightResult, HostFacts, JobResult, StepResult
from harness.results.rules import (
    FLIGHT,
    LAB_PROBLEMS,
    first_bad,
    flight_status,
    job_status,
    problems_of,
)
from harness.status import Status
from harness.store.about import About, Origin, flight_name, parse_time
from harness.store.junit.parse import Case, Document, Suite, parse_junit

OURS = "xenflight."
_REVISION = f"{OURS}revision."
_UNKNOWN = {"", "unknown", "localhost"}
_UNSAFE = re.compile(r"[^A-Za-z0-9_.+@=-]+")
_WORDS = {"failure": Status.FAIL, "error": Status.BROKEN, "skipped": Status.SKIP}
_SPOKEN = (Status.BLOCKED, Status.STARVED, Status.SKIP)
"""Statuses that we write in front of the message of what JUnit calls skipped."""
_LONGEST = 1e9
"""Seconds; thirty years."""


@dataclass(frozen=True, kw_only=True)
class Said:
    """What somebody says of a file; it goes before what the file says."""

    flight: str | None = None
    branch: str | None = None
    blessing: str | None = None
    time: datetime | None = None
    host: str | None = None
    revisions: Mapping[str, str] | None = None


def junit_flight(path: Path, said: Said) -> tuple[FlightResult, About]:
    """The flight in a file. Raises `UsageError`, with the place, when it can't be had."""
    place = Place(file=str(path))
    document = parse_junit(path)
    try:
        return _flight(document, said)
    except UsageError as error:
        raise UsageError(error.message, hint=error.hint, place=place) from error


def _flight(document: Document, said: Said) -> tuple[FlightResult, About]:
    properties = document.properties
    branch = said.branch or properties.get(f"{OURS}branch")
    if not branch:
        msg = "it does not say which branch it belongs to"
        raise UsageError(msg, hint=f"--branch NAME, or a property {OURS}branch in the file")
    started = said.time or _began(document)
    suites = [suite for suite in document.suites if suite.cases]
    problems = tuple(
        case.message for suite in suites if suite.name == LAB_PROBLEMS for case in suite.cases
    )
    given = said.host or properties.get(f"{OURS}host")
    ours = "flight_id" in properties
    left = [suite for suite in suites if ours and suite.name == FLIGHT]
    of_none = {LAB_PROBLEMS, FLIGHT} if ours else {LAB_PROBLEMS}
    jobs = _jobs([suite for suite in suites if suite.name not in of_none], started, given)
    leak_check = _steps(left[0])[0] if left else None
    wrong = bool(problems_of(problems, leak_check))
    length = _seconds(document.time) or sum(job.duration for job in jobs)
    name = _safe(document.name) or _safe(branch)
    flight_id = said.flight or properties.get(f"{OURS}flight") or properties.get("flight_id")
    flight_id = flight_id or f"junit-{started:%Y%m%d-%H%M%S}-{_key(branch, jobs)}"
    result = FlightResult(
        flight_id=flight_name(flight_id),
        flight=name,
        status=flight_status(jobs, problems=wrong, ended=True),
        started=started,
        ended=started + timedelta(seconds=length),
        duration=length,
        harness_version=properties.get("harness", ""),
        revision=None,
        hosts=_hosts(given, suites),
        jobs=jobs,
        command="",
        problems=problems,
        leak_check=leak_check,
    )
    revisions = {
        key.removeprefix(_REVISION): value
        for key, value in properties.items()
        if key.startswith(_REVISION)
    }
    about = About(
        branch=branch_name(branch),
        blessing=blessing_word(said.blessing or properties.get(f"{OURS}blessing") or ADHOC),
        origin=Origin.JUNIT,
        revisions={**revisions, **(said.revisions or {})},
    )
    return result, about


def _jobs(suites: list[Suite], began: datetime, host: str | None) -> tuple[JobResult, ...]:
    seen: Counter[str] = Counter()
    jobs = []
    for suite in suites:
        steps = _steps(suite)
        bad = first_bad(steps)
        known = suite.properties
        jobs.append(
            JobResult(
                name=_once(suite.name or "tests", seen),
                suite=suite.name or "tests",
                dist=known.get("dist", ""),
                arch=known.get("arch", ""),
                virt=known.get("virt", ""),
                boot=known.get("boot", ""),
                status=job_status(steps),
                reason=f"{bad.testid}: {bad.reason or bad.status}" if bad else None,
                steps=steps,
                host=host or _host_of(suite),
                started=_perhaps(suite.timestamp) or began,
                duration=_seconds(suite.time) or sum(step.duration for step in steps),
            )
        )
    return tuple(jobs)


def _steps(suite: Suite) -> tuple[StepResult, ...]:
    seen: Counter[str] = Counter()
    return tuple(_step(suite, case, seen) for case in suite.cases)


def _step(suite: Suite, case: Case, seen: Counter[str]) -> StepResult:
    status, reason = Status.PASS, None
    if case.outcome:
        status = _WORDS[case.outcome]
        reason = case.message.strip() or next(iter(case.text.splitlines()), "") or None
    if status is Status.SKIP and reason:
        spoken, _, rest = reason.partition(": ")
        status = next((word for word in _SPOKEN if word == spoken), status)
        reason = rest if status == spoken else reason
    return StepResult(
        testid=_once(_testid(suite, case), seen),
        status=status,
        duration=_seconds(case.time),
        reason=reason if reason or status is not Status.SKIP else "no reason was given",
        failure_class=_class(case),
        evidence=case.text if status in {Status.FAIL, Status.BROKEN} else "",
    )


def _testid(suite: Suite, case: Case) -> str:
    """The case's name, with its class where that says more than the suite's name does."""
    classname = case.classname
    if not classname or classname == suite.name or classname.endswith(f".{suite.name}"):
        return case.name or classname or "unnamed"
    return f"{classname}.{case.name}" if case.name else classname


def _class(case: Case) -> str | None:
    """A short word only: other tools put the name of an exception there, or a sentence."""
    words = case.kind.split()
    plain = len(words) == 1 and case.outcome in {"failure", "error"}
    return case.kind if plain and case.kind not in {*_WORDS, *Status} else None


def _once(name: str, seen: Counter[str]) -> str:
    """*name*, with a number if it is there already, as osstest has it: ``guest-start.2``."""
    seen[name] += 1
    if seen[name] == 1:
        return name
    numbered = f"{name}.{seen[name]}"
    return numbered if numbered not in seen else _once(numbered, seen)


def _began(document: Document) -> datetime:
    said = document.properties.get(f"{OURS}time", "")
    times = [_time(text) for text in (said, document.timestamp) if text]
    times = times or [_time(suite.timestamp) for suite in document.suites if suite.timestamp]
    found = [time for time in times if time]
    if not found:
        msg = "it does not say when it was"
        hint = f"--time 2026-11-22T11:44:12, or a property {OURS}time in the file"
        raise UsageError(msg, hint=hint)
    return min(found)


def _time(text: str) -> datetime | None:
    """A time without a zone is UTC, as in what we write ourselves; None for an empty text."""
    if not text.strip():
        return None
    return parse_time(text.strip())


def _perhaps(text: str) -> datetime | None:
    """The same of a suite, which need not say when it was."""
    try:
        return _time(text)
    except UsageError:
        return None


def _seconds(text: str) -> float:
    """Of ``time=``; some tools write ``1,234.5``, and some nothing."""
    plain = text.replace(",", "").strip()
    if not plain:
        return 0.0
    try:
        found = float(plain)
    except ValueError as error:
        msg = f"time={text[:40]!r} is no number of seconds"
        raise UsageError(msg) from error
    return min(max(0.0, found), _LONGEST) if math.isfinite(found) else 0.0


def _hosts(given: str | None, suites: list[Suite]) -> tuple[HostFacts, ...]:
    """Those that suites name, or the one that somebody says it was."""
    found: dict[str, Mapping[str, str]] = {}
    for suite in suites:
        if name := given or _host_of(suite):
            found[name] = {**suite.properties, **found.get(name, {})}
    return tuple(
        HostFacts(
            name=name,
            kind="other",
            xen_version=_known(known, "xen"),
            dom0_kernel=_known(known, "dom0_kernel"),
        )
        for name, known in found.items()
    )


def _host_of(suite: Suite) -> str | None:
    return suite.hostname if suite.hostname not in _UNKNOWN else None


def _known(properties: Mapping[str, str], name: str) -> str | None:
    value = properties.get(name, "")
    return None if value in _UNKNOWN else value


def _safe(text: str) -> str:
    return _UNSAFE.sub("-", text).strip("-.")[:100]


def _key(branch: str, jobs: tuple[JobResult, ...]) -> str:
    return content_key(branch, *(job.model_dump_json() for job in jobs))[:8]
