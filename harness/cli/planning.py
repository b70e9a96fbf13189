"""A plan as a table and as words. Imported by verbs when they run."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from harness.flight.find import suites_dir
from harness.flight.plan import Plan
from harness.units import Size, human_size


def workers_for(plan: Plan, wanted: int | None) -> int:
    """How many jobs run at once: as many as asked for, else as the host has slots."""
    return min(wanted or plan.host.slots, len(plan.jobs))


def plan_table(plan: Plan) -> Table:
    """One line a job, and what they need together."""
    table = Table(box=None, pad_edge=False, show_footer=True, header_style="bold")
    count = len(plan.jobs)
    table.add_column("job", footer=f"{count} job{'s' if count != 1 else ''}", no_wrap=True)
    memory = Size(sum(job.memory for job in plan.jobs))
    disk = Size(sum(job.disk for job in plan.jobs))
    table.add_column("memory", justify="right", footer=human_size(memory))
    table.add_column("vcpus", justify="right", footer=str(sum(job.vcpus for job in plan.jobs)))
    table.add_column("disk", justify="right", footer=human_size(disk))
    table.add_column("host", footer="")
    for job in plan.jobs:
        row = (job.name, human_size(job.memory), str(job.vcpus), human_size(job.disk))
        table.add_row(*map(Text, row), Text(plan.host.name))
    table.footer_style = "dim"
    return table


def host_line(plan: Plan) -> str:
    """What the host is, in a few words."""
    host = plan.host
    if host.testbox:
        kind = f"a testbox: Xen on Debian {host.testbox.release} in QEMU"
    else:
        kind = f"at {host.ssh.address}" if host.ssh else "of no known kind"
    return f"{host.name}, {kind}; {host.slots} slot(s), timeouts x {host.timeout_factor:g}"


def pytest_line(plan: Plan, workers: int) -> list[str]:
    """The plain pytest command that does the same as this plan."""
    words = ["pytest", str(suites_dir()), "--flight", plan.source, "--host", plan.host.name]
    words += ["--only", ",".join(job.name for job in plan.jobs), "--keep", plan.keep]
    return [*words, "-n", str(workers)] if workers > 1 else words
