"""What a plan comes to, in words. Imported by verbs when they run."""

from __future__ import annotations

from collections.abc import Iterator

from harness.schedule.outlook import Outlook
from harness.units import human_seconds, human_size

_CHAIN = 4


def outlook_lines(found: Outlook, workers: int) -> Iterator[str]:
    """How long it takes, what decides that, and what each host needs; nothing for no jobs."""
    if not found.bars:
        return
    at_once = f"{_jobs(workers)} at once"
    yield (
        f"expected: {human_seconds(found.makespan)} with {at_once},"
        f" {human_seconds(found.longest)} if all goes slowly; no less than"
        f" {human_seconds(found.bound)}"
    )
    yield f"by the history of {found.known} of {_jobs(len(found.bars))}"
    if found.evidence and len(found.evidence) < len(found.bars):
        yield f"first of all: {len(found.evidence)} that failed last time or never ran"
    names = [f"{bar.job} ({human_seconds(bar.end - bar.begin)})" for bar in found.critical]
    chain = names if len(names) <= _CHAIN else [*names[:2], f"{len(names) - 3} more", names[-1]]
    yield f"critical path: {' > '.join(chain)}"
    for host in found.hosts:
        yield (
            f"{host.name}: {_jobs(host.jobs)}, slots {100 * host.busy:.0f} % busy;"
            f" at once {human_size(host.memory)} of memory, {human_size(host.disk)} of disk"
        )


def _jobs(count: int) -> str:
    return f"{count} job{'s' if count != 1 else ''}"
