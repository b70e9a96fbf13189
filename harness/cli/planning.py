"""A plan as a table and as words. Imported by verbs when they run."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from rich.console import Console

from harness.flight.find import suites_dir
from harness.flight.model import HostSpec, JobSpec
from harness.flight.plan import Plan
from harness.flight.selector import by_reason
from harness.schedule.outlook import disk_of
from harness.units import human_size

_WIDTH = 80


def workers_for(plan: Plan, wanted: int | None) -> int:
    """How many jobs run at once: as many as asked for, else as the hosts have slots."""
    runnable = sum(not job.skip for job in plan.jobs)
    return max(1, min(wanted or plan.slots, runnable))


def print_plan(console: Console, plan: Plan, *, skips: bool = False) -> None:
    """The jobs, what they need together, and why others are skipped.

    The lines are made here and not by rich, which takes seconds for a table of ten thousand.
    """
    jobs = [job for job in plan.jobs if not job.skip]
    if jobs:
        head, *body, foot = table(jobs)
        console.out(head, style="bold", highlight=False)
        console.out("\n".join(body), highlight=False)
        console.out(foot, style="dim", highlight=False)
    if len(jobs) < len(plan.jobs):
        text = "\n".join(skipped(plan.jobs, skips=skips))
        console.out(("\n" if jobs else "") + text, style="dim", highlight=False)


def table(jobs: Sequence[JobSpec]) -> list[str]:
    """A head, a line for each job, and their sum."""
    rows = [("job", "memory", "vcpus", "disk"), *map(_row, jobs), _total(jobs)]
    name, *rest = (max(map(len, column)) for column in zip(*rows, strict=True))
    return [
        "  ".join([row[0].ljust(name), *(t.rjust(w) for t, w in zip(row[1:], rest, strict=True))])
        for row in rows
    ]


def skipped(jobs: Sequence[JobSpec], *, skips: bool) -> Iterator[str]:
    """How many jobs are skipped, and why; with *skips*, which ones."""
    groups = by_reason(jobs)
    count = sum(map(len, groups.values()))
    yield f"{len(jobs) - count} run, {count} skipped:"
    for reason, found in groups.items():
        lines = textwrap.wrap(reason, _WIDTH - 8, break_on_hyphens=False)
        yield f"{len(found):6}  {lines[0]}"
        yield from (f"        {line}" for line in lines[1:])
        if skips:
            yield from (f"          {job.name}" for job in found)


def host_lines(plan: Plan) -> str:
    """What each host is, in a few words and a line for each."""
    return "\n".join(f"host: {_host_line(host)}" for host in plan.hosts)


def _host_line(host: HostSpec) -> str:
    if host.testbox:
        kind = f"a testbox: Xen on Debian {host.testbox.release} in QEMU"
    elif host.sim:
        kind = "which is simulated: its verdicts count for nothing"
    else:
        kind = f"at {host.ssh.address}" if host.ssh else "of no known kind"
    return f"{host.name}, {kind}; {host.slots} slot(s), timeouts x {host.timeout_factor:g}"


def pytest_line(
    plan: Plan, workers: int, only: Sequence[str] = (), shard: str | None = None
) -> list[str]:
    """The plain pytest command that does the same as this plan."""
    words = ["pytest", str(suites_dir()), "--flight", plan.source]
    words += ["--host", ",".join(host.name for host in plan.hosts)]
    words += ["--only", ",".join(only)] if only else []
    words += ["--shard", shard] if shard else []
    words += ["--keep", plan.keep]
    if plan.keep_for:
        words += ["--keep-for", f"{plan.keep_for.total_seconds():g}s"]
    words += ["--dump-core"] if plan.dump_core else []
    words += [] if plan.retry else ["--no-retry"]
    words += [] if plan.power_cycle else ["--no-power-cycle"]
    words += ["--fail-fast"] if plan.fail_fast else []
    return [*words, "-n", str(workers)] if workers > 1 else words


def _row(job: JobSpec) -> tuple[str, str, str, str]:
    return job.name, human_size(job.memory), str(job.vcpus), human_size(disk_of(job))


def _total(jobs: Sequence[JobSpec]) -> tuple[str, str, str, str]:
    memory = sum(job.memory for job in jobs)
    vcpus = sum(job.vcpus for job in jobs)
    return _jobs(len(jobs)), human_size(memory), str(vcpus), human_size(sum(map(disk_of, jobs)))


def _jobs(count: int) -> str:
    return f"{count} job{'s' if count != 1 else ''}"


def keeping_words(branch: str | None, blessing: str | None, store: str | None) -> list[str]:
    """Options of the plugin for how history keeps a flight; `UsageError` for what it can't be."""
    from harness.results.belonging import blessing_word, branch_name
    from harness.store.url import find_store

    find_store(store)
    words = ["--branch", branch_name(branch)] if branch else []
    words += ["--blessing", blessing_word(blessing)] if blessing else []
    return words + (["--store", store] if store else [])
