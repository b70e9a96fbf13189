"""What an estimator goes by: samples from the store, or from flights' directories without one."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from harness.errors import XenflightError
from harness.flight.plan import Plan
from harness.schedule.estimate import Estimator, Sample, own_time

RUNS = Path("reports/runs")


def expecting(
    plan: Plan, *, branch: str | None = None, store: str | None = None, runs: Path = RUNS
) -> Plan:
    """*plan*, and what is to be expected of its jobs, by what its *branch* did so far.

    *store* is as `harness.store.url.find_store` has it; without one what is in *runs* is taken.
    A history that can't be read is none: it decides in what order jobs run, and not which.
    """
    samples: list[Sample] = []
    # Of simulated hosts nothing is in the store.
    if not plan.simulated:
        found = from_store(store, branch or plan.flight)
        samples = _from_runs(runs, plan.flight) if found is None else found
    jobs = [job for job in plan.jobs if not job.skip]
    (only, *more) = plan.hosts
    estimator = Estimator(samples, plan.created)
    expected = estimator.expectations(jobs, None if more else only.name)
    names = (job.name for job in jobs)
    return replace(plan, expected=dict(zip(names, expected, strict=True)))


def from_store(store: str | None, branch: str) -> list[Sample] | None:
    """What the store knows of *branch*; None where there is no store, or none that can be read."""
    if (store or os.environ.get("XENFLIGHT_STORE")) == "none":
        return None
    # Imported only now: SQLAlchemy takes longer than all else of a plan.
    from harness.store.durations import durations
    from harness.store.store import present_store

    try:
        chosen = present_store(store)
        if chosen is None:
            return None
        with chosen, chosen.reading() as connection:
            return [
                Sample(*one[:7], seconds=own_time(one.seconds, one.waits))
                for one in durations(connection, branch)
            ]
    except XenflightError:
        # That it can't be read is told of by who writes to it.
        return None


def _from_runs(runs: Path, flight: str) -> list[Sample]:
    if not runs.is_dir():
        return []
    # As above: what reads results is not needed otherwise.
    from harness.schedule.pastruns import from_runs

    return list(from_runs(runs, flight))
