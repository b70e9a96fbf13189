"""A job's attempts as jobs of their own: for whoever counts runs."""

from __future__ import annotations

from harness.results.model import JobResult


def attempts_of(job: JobResult) -> tuple[JobResult, ...]:
    """Each time that *job* was tried, the oldest first; the last is *job* itself.

    Where the runvars of an attempt were not written down, what was given to the job stands for
    them: that is the same each time.
    """
    stored = {name for step in job.steps for name in step.facts}
    given = {name: value for name, value in job.runvars.items() if name not in stored}
    earlier = (
        job.model_copy(
            update={
                "status": attempt.status,
                "reason": attempt.reason,
                "steps": attempt.steps,
                "host": attempt.host,
                "started": attempt.started,
                "duration": attempt.duration,
                "console_log": attempt.console_log,
                "evidence": attempt.evidence,
                "runvars": attempt.runvars or given,
                "kept": False,
                "waits": {},
                "attempts": (),
            }
        )
        for attempt in job.attempts
    )
    return (*earlier, job)
