"""What a policy demands beyond "no regression": jobs, coverage, and that everything ran."""

from __future__ import annotations

from collections.abc import Iterator

from harness.gate.case import Case
from harness.gate.policy import Coverage
from harness.gate.schema import Demand, Reaction
from harness.gate.verdict import Reason, ReasonKind
from harness.judge.history import VERDICTS, JobRecord
from harness.status import Status

_LISTED = 4


def required(case: Case) -> Iterator[Reason]:
    """Jobs that must be there, and pass."""
    told: set[str] = set()
    for wanted in case.policy.required:
        for job in case.matching(wanted.jobs):
            found = [] if job in told else list(_required_job(case, job, wanted.must))
            told |= {job} if found else set()
            yield from found
        for pattern in wanted.jobs:
            if not case.matching((pattern,)):
                text = f"required, and neither here nor in the baseline: {pattern}"
                yield _not_run(ReasonKind.REQUIRED, None, text)


def _required_job(case: Case, job: str, must: Demand) -> Iterator[Reason]:
    if not case.ran(job):
        if not any(one.blocking for one in case.of_job(job)):
            status = case.status(job)
            text = f"required, and was {status}" if status else "required, and not in this flight"
            yield _not_run(ReasonKind.REQUIRED, status, text, job)
        return
    for one in case.of_job(job) if must is Demand.PASS else ():
        # What blocks has its reason already. Else only a pass with this very revision excuses it,
        # or somebody's word.
        proved = one.answered or case.evidence.passes_here(job, one.testid)
        if one.status is Status.FAIL and not one.blocking and not proved:
            yield Reason(
                kind=ReasonKind.REQUIRED,
                status=Status.FAIL,
                text=f"required to pass: {case.judged.summary(one)}",
                job=job,
                testid=one.testid,
            )


def coverage(case: Case) -> Iterator[Reason]:
    """How many jobs must come to a verdict."""
    for wanted in case.policy.coverage:
        jobs = case.matching(wanted.jobs)
        missing = [job for job in jobs if not case.ran(job)]
        if _enough(wanted, len(jobs) - len(missing), len(jobs)):
            continue
        least = f"{wanted.percent} %" if wanted.percent is not None else str(wanted.count)
        text = (
            f"{len(jobs) - len(missing)} of {len(jobs)} jobs that match {', '.join(wanted.jobs)}"
            f" came to a verdict; the least is {least}"
        )
        text += f"; not {_listed(missing)}" if missing else ""
        starved = any(case.status(job) is Status.STARVED for job in missing)
        yield _not_run(ReasonKind.COVERAGE, Status.STARVED if starved else None, text)


def _enough(wanted: Coverage, ran: int, jobs: int) -> bool:
    if wanted.percent is not None:
        return jobs > 0 and 100 * ran >= wanted.percent * jobs
    return ran >= (wanted.count or 0)


def never_ran(case: Case) -> Iterator[Reason]:
    """Steps that came to a verdict in the baseline, and never with this revision.

    Not told is what is hidden by a failure that blocks already, or that somebody answers for.
    """
    for job in sorted({*case.jobs, *case.baseline_jobs}):
        hidden = any(one.blocking or one.answered for one in case.of_job(job))
        missing = [] if hidden else list(steps_never_ran(case, job))
        if missing and case.policy.never_ran is Reaction.BLOCK:
            text = f"never ran with this revision: {_listed(missing)}"
            yield _not_run(ReasonKind.NEVER_RAN, case.status(job), text, job)


def steps_never_ran(case: Case, job: str) -> Iterator[str]:
    """The steps of *job* that are missing so, in its order."""
    here = case.jobs[job].counts if job in case.jobs else None
    there = case.baseline_jobs.get(job)
    done = _verdicts(here)
    for testid in _verdicts(there):
        if testid not in done and not case.evidence.ran_here(job, testid):
            yield testid


def _verdicts(record: JobRecord | None) -> list[str]:
    steps = record.steps if record else ()
    return [step.testid for step in steps if step.status in VERDICTS]


def _not_run(kind: ReasonKind, status: Status | None, text: str, job: str | None = None) -> Reason:
    """A reason by which nothing is known to be wrong: exit code 3, or 6 for want of a host."""
    starved = status is Status.STARVED
    return Reason(kind=kind, status=Status.STARVED if starved else Status.SKIP, text=text, job=job)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
