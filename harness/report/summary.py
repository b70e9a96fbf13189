"""The summary at the end of a run: a line for each job, then the first failing thing in words."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from harness.report.again import again_words, report_words
from harness.report.evidence import last_lines, one_line, tail_of
from harness.report.leaks import leak_report, left_there
from harness.report.words import SIMULATED, STYLES, plain, status_text
from harness.results.layout import FlightDirectory
from harness.results.model import (
    AttemptResult,
    EvidenceResult,
    FlightResult,
    HostFacts,
    JobResult,
    StepResult,
)
from harness.results.rules import HARMLESS
from harness.status import EXIT_CODES, WORST_FIRST, Status
from harness.steps import LEAK_CHECK
from harness.units import human_seconds

QUOTED_LINES = 15
_LATE = datetime.max.replace(tzinfo=UTC)


class Summary:
    """What to print when *result* is complete; *directory* is the flight's, as to be shown.

    A rich renderable. Everything that came from a guest or a host is cleaned first.
    """

    def __init__(
        self, result: FlightResult, directory: Path, *, program: str = "./xenflight"
    ) -> None:
        self.result = result
        self.files = FlightDirectory(directory)
        self.program = program

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if self._simulated:
            yield Text(SIMULATED, style=STYLES[Status.BROKEN])
        yield from self._jobs()
        yield from self._skipped()
        culprit = first_failure(self.result)
        if culprit:
            yield Text()
            yield from self._failure(*culprit, options.max_width)
        yield from leak_report(self.result)
        for problem in self.result.problems:
            yield Text()
            yield Text.assemble(("broken", STYLES[Status.BROKEN]), ": ", one_line(problem))
        yield Text()
        yield from self._totals()

    @property
    def _simulated(self) -> bool:
        return self.result.simulated

    def _jobs(self) -> Iterator[RenderableType]:
        table = Table.grid(padding=(0, 2), pad_edge=False)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        table.add_column(no_wrap=True, justify="right")
        table.add_column(no_wrap=True, justify="right")
        for job in self.result.jobs:
            if why_skipped(job) is not None:
                continue
            passed = sum(step.status is Status.PASS for step in job.steps)
            steps = Text(f"{passed}/{len(job.steps)} steps")
            time = Text(human_seconds(job.duration))
            table.add_row(status_text(job.status), plain(job.name), steps, time)
        yield table
        for job in self.result.jobs:
            for attempt in job.attempts:
                yield plain(f"tried once more: {_attempt(job, attempt)}", style="dim")

    def _skipped(self) -> Iterator[RenderableType]:
        """A line for each reason: a matrix has many cells that no host of its kind can run."""
        reasons: dict[str, list[str]] = {}
        for job in self.result.jobs:
            if (why := why_skipped(job)) is not None:
                reasons.setdefault(why, []).append(job.name)
        table = Table.grid(padding=(0, 2), pad_edge=False)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold", ratio=1)
        for why, names in sorted(reasons.items(), key=lambda item: -len(item[1])):
            jobs = names[0] if len(names) == 1 else f"{len(names)} jobs"
            table.add_row(status_text(Status.SKIP), plain(jobs), Text(one_line(why)))
        if reasons:
            yield table

    def _failure(self, job: JobResult, step: StepResult, width: int) -> Iterator[RenderableType]:
        style = STYLES[step.status]
        head = f"{step.status}: {step.testid} of {job.name}"
        yield Text(one_line(head), style=style)
        reason = one_line(step.reason or "nobody said why")
        facts = {"phase": step.phase, "class": step.failure_class, "reason": reason}
        yield _fields({name: text for name, text in facts.items() if text})
        yield from self._quote(job, step)
        yield Text()
        log = self._console(job)
        places = {"console": str(log)} if log else {}
        if job.evidence:
            places["evidence"] = self._evidence(job.evidence)
        if job.kept:
            places["kept"] = f"its domain and its disks are still on {job.host or 'the host'}"
        yield _fields(places)
        yield from self._again(job, width)

    def _quote(self, job: JobResult, step: StepResult) -> Iterator[RenderableType]:
        evidence, title = step.evidence, "last lines around it"
        log = self._console(job)
        if not evidence.strip() and log:
            evidence, title = tail_of(log), "end of the console"
        lines = last_lines(evidence, QUOTED_LINES)
        if not lines:
            return
        yield Text(f"  {title}:", style="dim")
        for line in lines:
            text = Text("  | ", style="dim", no_wrap=True, overflow="ellipsis")
            yield text.append(line, style="not dim")

    def _console(self, job: JobResult) -> Path | None:
        """The console log; None when the job ended before its domain had a console."""
        log = self.files.path / job.console_log if job.console_log else None
        return log if log and log.is_file() else None

    def _evidence(self, taken: EvidenceResult) -> str:
        """Where it is, and what is to be known before one looks."""
        if not taken.index:
            return taken.note or "none"
        directory = str((self.files.path / taken.index).parent)
        remarks = [] if taken.had == taken.asked else [f"{taken.had} of {taken.asked}"]
        remarks += [taken.note] if taken.note else []
        return f"{directory}/" + (f" ({'; '.join(remarks)})" if remarks else "")

    def _again(self, job: JobResult, width: int) -> Iterator[RenderableType]:
        """The command to run this job again, on three lines where one is too long."""
        words = again_words(self.result, job.name, self.program)
        lines = [" ".join(words)]
        if cell_len(lines[0]) + 4 > width:
            lines = " \\\n  ".join(words).split("\n")
        yield Text("  run just this again:", style="dim")
        yield from (Text(f"    {line}", style="bold", overflow="fold") for line in lines)

    def _totals(self) -> Iterator[RenderableType]:
        result = self.result
        counts = [sum(job.status is status for job in result.jobs) for status in WORST_FIRST]
        counted = zip(WORST_FIRST, counts, strict=True)
        words = [f"{count} {status}" for status, count in counted if count]
        jobs = f"{len(result.jobs)} job{'' if len(result.jobs) == 1 else 's'}"
        told = f"{jobs}: {', '.join(words)}" if words else jobs
        fields = {"jobs": f"{told}, in {human_seconds(result.duration)}"}
        for number, host in enumerate(result.hosts):
            fields["host" if number == 0 else f"host {number + 1}"] = _host(host)
        if left := left_there(result.leak_check):
            fields["left there"] = left
        if waits := _waits(result):
            fields["time went to"] = waits
        fields["results"] = f"{self.files.path}/"
        fields["pages"] = " ".join(report_words(self.files.path, self.program))
        yield _fields(fields)
        code = EXIT_CODES[result.status]
        verdict = (str(result.status), STYLES[result.status])
        yield Text.assemble(
            "flight ", one_line(result.flight), ": ", verdict, f" (exit code {code})"
        )
        if self._simulated:
            yield Text(SIMULATED, style=STYLES[Status.BROKEN])


def first_failure(result: FlightResult) -> tuple[JobResult, StepResult] | None:
    """The step that went wrong first, and its job. One that was only blocked is no cause, and a
    leak says nothing of a guest: `leak_report` tells of these."""
    bad = [
        (job, step)
        for job in result.jobs
        for step in job.steps
        if step.status not in HARMLESS
        and step.status is not Status.BLOCKED
        and step.testid != LEAK_CHECK
    ]
    return min(bad, key=lambda pair: pair[1].started or _LATE, default=None)


def why_skipped(job: JobResult) -> str | None:
    """The reason of a job of which nothing could run; None when it says none, or ran."""
    steps = [step for step in job.steps if step.testid != LEAK_CHECK]
    none_ran = all(step.status is Status.SKIP for step in steps)
    return job.reason if job.status is Status.SKIP and none_ran else None


def summary_text(
    result: FlightResult, directory: Path, *, width: int = 100, program: str = "./xenflight"
) -> str:
    """The same as plain text, without colours."""
    out = io.StringIO()
    console = Console(file=out, width=width, no_color=True, force_terminal=False)
    console.print(Summary(result, directory, program=program))
    return "\n".join(line.rstrip() for line in out.getvalue().split("\n"))


def _fields(fields: dict[str, str]) -> RenderableType:
    table = Table.grid(padding=(0, 1), pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in fields.items():
        table.add_row(Text(f"  {name}:"), Text(one_line(text), overflow="fold"))
    return table if fields else Group()


def _host(host: HostFacts) -> str:
    parts = [host.name, *(["SIMULATED"] if host.simulated else [])]
    parts += [f"Xen {host.xen_version}"] if host.xen_version else []
    parts += [f"dom0 Linux {host.dom0_kernel}"] if host.dom0_kernel else []
    parts += [host.accel] if host.accel else []
    return ", ".join(parts)


def _attempt(job: JobResult, attempt: AttemptResult) -> str:
    where = f" on {attempt.host}" if attempt.host else ""
    return f"{job.name}, {attempt.status}{where} at first: {attempt.reason or 'nobody said why'}"


def _waits(result: FlightResult) -> str:
    total: dict[str, float] = {}
    for job in result.jobs:
        for word, seconds in job.waits.items():
            total[word] = total.get(word, 0.0) + seconds
    whole = sum(total.values())
    longest = sorted(total.items(), key=lambda item: -item[1])
    return ", ".join(
        f"{word} {human_seconds(seconds)} ({100 * seconds / whole:.0f} %)"
        for word, seconds in longest
        if seconds > 0
    )
