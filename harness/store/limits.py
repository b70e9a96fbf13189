"""What a database can hold: names that are in an index have a length."""

from __future__ import annotations

from collections.abc import Iterator

from harness.errors import UsageError
from harness.results.attempts import attempts_of
from harness.results.belonging import branch_name
from harness.results.model import FlightResult
from harness.store.about import flight_name

LONGEST = 500
"""Letters. PostgreSQL takes 2,700 bytes in an index, and a letter may have four."""
MOST_STEPS = 1_000_000


def check_limits(result: FlightResult) -> None:
    """`UsageError` when *result*, which anybody may have written, can't be stored."""
    flight_name(result.flight_id)
    branch_name(result.flight)
    if sum(len(one.steps) for job in result.jobs for one in attempts_of(job)) > MOST_STEPS:
        msg = f"flight {result.flight_id} has more than {MOST_STEPS:,} steps"
        raise UsageError(msg)
    for what, name in _names(result):
        if len(name) > LONGEST:
            msg = f"flight {result.flight_id}: a {what} has {len(name)} letters: {name[:40]!r}..."
            raise UsageError(msg, hint=f"names have {LONGEST} at most")


def _names(result: FlightResult) -> Iterator[tuple[str, str]]:
    for host in result.hosts:
        yield "host", host.name
        yield "version", host.xen_version or ""
        yield "version", host.dom0_kernel or ""
    for image in result.images:
        yield "key of an image", image.key
        yield "mirror", " ".join(image.release_dates)
    for job in result.jobs:
        yield "job", job.name
        yield "version", job.runvars.get("guest_kernel", "")
        yield "key of an image", job.runvars.get("image", "")
        for name in job.runvars:
            yield "runvar", name
        for attempt in attempts_of(job):
            yield "host", attempt.host or ""
            for step in attempt.steps:
                yield "testid", step.testid
