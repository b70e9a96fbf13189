"""Whether what a policy names exists: a pattern that matches nothing is a slip of the pen, or
old, and a gate that silently asks nothing is no gate."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UsageError
from harness.flight.find import flight_files
from harness.flight.hints import did_you_mean
from harness.flight.loader import load_flight
from harness.flight.problems import Finding, InputErrors, findings_of
from harness.flight.yamlfile import KeyPath
from harness.gate.policy import Policy, load_policy, policy_files
from harness.judge.history import FlightRecord
from harness.judge.waiver import any_glob

_WITH_JOBS = ("required", "allow", "known_issues", "coverage")
_WITH_STEPS = ("allow", "known_issues")


@dataclass(frozen=True, kw_only=True)
class Known:
    """The names that there are. An empty set: nobody knows, so none is wrong."""

    jobs: frozenset[str] = frozenset()
    steps: frozenset[str] = frozenset()
    trees: frozenset[str] = frozenset()

    @classmethod
    def of(cls, flights: Iterable[FlightRecord], jobs: Iterable[str] = ()) -> Known:
        """Those in *flights*, and further *jobs*."""
        records = [record for flight in flights for record in flight.jobs]
        return cls(
            jobs=frozenset({*jobs, *(record.job for record in records)}),
            steps=frozenset(step.testid for record in records for step in record.steps),
            trees=frozenset(tree for record in records for tree in record.revisions),
        )


def check_names(policy: Policy, known: Known) -> None:
    """`InputErrors` for each job, step and revision that *policy* names and that is unknown."""
    findings = list(unknown_names(policy, known))
    if findings:
        raise InputErrors(findings)


def unknown_names(policy: Policy, known: Known) -> Iterator[Finding]:
    """The same as findings, with the lines of the policy's file."""
    document = policy.document
    if document is None:
        return
    value = document.value
    for section in _WITH_JOBS:
        for index, entry in enumerate(_entries(value.get(section))):
            path: KeyPath = (section, index)
            yield from _unknown(policy, (*path, "jobs"), entry.get("jobs"), "job", known.jobs)
            if section in _WITH_STEPS:
                steps = entry.get("steps")
                yield from _unknown(policy, (*path, "steps"), steps, "step", known.steps)
    yield from _unknown(policy, ("revision",), value.get("revision"), "revision", known.trees)


def check_policies(flights_dir: Path) -> list[Finding]:
    """All that is wrong with the policies below the folder of flights, as far as the flights that
    they are for can tell."""
    findings: list[Finding] = []
    for path in policy_files(flights_dir).values():
        try:
            policy = load_policy(path)
        except UsageError as error:
            findings += findings_of(error)
            continue
        jobs = flight_jobs(flights_dir, policy.branches)
        findings += unknown_names(policy, Known(jobs=frozenset(jobs)))
    return findings


def flight_jobs(flights_dir: Path, branches: Collection[str]) -> list[str]:
    """The jobs of the flights whose names match *branches*. A flight that cannot be read has
    none: that is for others to complain of."""
    found: list[str] = []
    for name, path in flight_files(flights_dir).items():
        if any_glob(branches, name):
            try:
                found += (job.name for job in load_flight(path).jobs)
            except UsageError:
                return []
    return found


def _entries(value: object) -> list[dict[str, object]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _unknown(
    policy: Policy, path: KeyPath, value: object, what: str, known: frozenset[str]
) -> Iterator[Finding]:
    document = policy.document
    if document is None or not known:
        return
    many = isinstance(value, list)
    patterns = value if isinstance(value, list) else [] if value is None else [value]
    for index, pattern in enumerate(map(str, patterns)):
        if not any(any_glob([pattern], name) for name in known):
            text = f"unknown {what} {pattern!r}{_guess(pattern, known)}"
            yield document.finding(text, (*path, index) if many else path)


def _guess(pattern: str, known: frozenset[str]) -> str:
    """Of a glob the nearest glob that matches something."""
    names = sorted(known)
    if "*" not in pattern:
        return did_you_mean(pattern, names)
    parts = [name.split("-") for name in names]
    heads = {"-".join(part[:n]) + "-*" for part in parts for n in range(1, len(part))}
    tails = {"*-" + "-".join(part[n:]) for part in parts for n in range(1, len(part))}
    return did_you_mean(pattern, sorted({*heads, *tails} if heads else names))
