"""What a run shows while it runs: a live table on a terminal, plain lines elsewhere.

Nothing here decides anything; a run is the same without it.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from harness.report.evidence import one_line
from harness.report.words import STYLES, job_word, plain, status_text, step_line
from harness.results.model import StepResult
from harness.results.rules import HARMLESS
from harness.status import WORST_FIRST, Status
from harness.steps import LEAK_CHECK
from harness.units import human_seconds
from harness.wait import SYSTEM_CLOCK, Clock

_DOT = "●"
_TO_COME = "·"


@dataclass(frozen=True, kw_only=True)
class _Row:
    """One job: its steps that are done, and the one that runs."""

    expected: int
    done: tuple[Status, ...] = ()
    clean: bool = False
    """Whether its leak check passed, which is the end of it and says nothing of the guest."""
    testid: str = ""
    phase: str = ""
    started: float | None = None
    took: float = 0.0

    @property
    def running(self) -> bool:
        return bool(self.testid)

    @property
    def over(self) -> bool:
        return not self.running and len(self.done) + self.clean >= self.expected


class LiveView:
    """Shows a run on *console*. *jobs*: for each job's name the testids that it will run.

    Rows are replaced, never changed, so the thread that redraws needs no lock.
    """

    def __init__(
        self,
        console: Console,
        jobs: Mapping[str, Sequence[str]],
        *,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._console = console
        self._clock = clock
        self._began = clock.monotonic()
        self._rows = {name: _Row(expected=len(steps)) for name, steps in jobs.items()}
        self._doing = ""
        self._work: dict[int, str] = {}
        self._tasks: dict[str, tuple[str, float, float | None]] = {}
        self._told: dict[str, int] = {}
        self._live: Live | None = None
        if console.is_terminal and not console.is_dumb_terminal:
            self._live = Live(
                console=console, get_renderable=self.render, refresh_per_second=4, transient=True
            )
            self._live.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def preparing(self, text: str) -> None:
        """What is being made ready before or between steps."""
        said, self._doing = self._doing, one_line(text)
        if self._doing != said:
            self._line(self._doing)

    def working(self, text: str, fraction: float | None = None) -> None:
        """The same for work that tells its share, 0 to 1: has the shape of `harness.progress`.

        What follows a colon is a detail. A thread does one thing at a time: what it says takes
        the place of what it said before, and only of that.
        """
        task, thread = text.partition(": ")[0], threading.get_ident()
        before = self._work.get(thread, task)
        if task != before:
            self._tasks.pop(before, None)
        self._work[thread] = task
        if fraction is None:
            self._tasks.pop(task, None)
            self.preparing(text)
        else:
            self._advance(task, text, fraction, 1.0)

    def progress(self, task: str, completed: float, total: float | None) -> None:
        """How far a long part is; *total* None: nobody knows. At *total* its bar goes away."""
        self._advance(task, task, completed, total)

    def _advance(self, task: str, text: str, completed: float, total: float | None) -> None:
        if total is not None and completed >= total:
            self._tasks.pop(task, None)
        else:
            self._tasks[task] = (text, completed, total)
        if not self._live:
            self._tell_progress(task, completed, total)

    def step_started(self, job: str, testid: str) -> None:
        """A step begins."""
        self._doing = ""
        now = self._clock.monotonic()
        row = self._row(job)
        if row.over:  # it is tried again
            row = _Row(expected=row.expected)
        started = row.started if row.started is not None else now
        self._rows[job] = replace(row, testid=testid, phase="", started=started)
        self._line(f"{job} {testid} started")

    def step_phase(self, job: str, phase: str) -> None:
        """The step that runs has come to *phase*; empty: nothing of note."""
        row = self._row(job)
        self._rows[job] = replace(row, phase=phase)
        if phase and phase != row.phase:
            self._line(f"{job} {row.testid}: {phase}")

    def step_finished(self, job: str, step: StepResult) -> None:
        """A step ended. One that is skipped before it began takes no line."""
        row = self._row(job)
        if step.testid == LEAK_CHECK and step.status is Status.PASS:
            self._rows[job] = replace(row, clean=True)
            self._line(f"{job} {step.testid} {step_line(step)}")
            return
        now = self._clock.monotonic()
        started = row.started if row.started is not None else now
        self._rows[job] = replace(
            row,
            done=(*row.done, step.status),
            testid="",
            phase="",
            started=started,
            # A leak check is told some time after its job was over.
            took=row.took if step.testid == LEAK_CHECK and row.took else now - started,
        )
        if row.running or step.status is not Status.SKIP:
            self._line(f"{job} {step.testid} {step_line(step)}")

    def note(self, text: str) -> None:
        """A line that stays."""
        self._print(one_line(text))

    def close(self) -> None:
        """Leave the terminal as it was found; harmless twice."""
        if self._live:
            self._live.stop()
            self._live = None

    def render(self) -> RenderableType:
        """The view as it is now."""
        parts: list[RenderableType] = []
        if self._doing:
            parts.append(plain(self._doing, "dim"))
        parts += [_bar(*task) for task in list(self._tasks.values())]
        parts.append(self._table())
        return Group(*parts)

    def _table(self) -> RenderableType:
        now = self._clock.monotonic()
        table = Table.grid(padding=(0, 2), pad_edge=False)
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=2)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        table.add_column(no_wrap=True, justify="right")
        shown = self._shown()
        for name, row in shown.items():
            since = now - row.started if row.running and row.started is not None else row.took
            time = human_seconds(since) if row.started is not None else ""
            table.add_row(plain(name), _dots(row), _doing(row), Text(time))
        hidden = [row for name, row in self._rows.items() if name not in shown]
        return Group(table, _counts(hidden, now - self._began))

    def _shown(self) -> dict[str, _Row]:
        """All jobs, or on a screen too low for them those that run, then those that went wrong."""
        rows = list(self._rows.items())
        room = max(3, self._console.height - 6 - len(self._tasks))
        if len(rows) > room:
            rows.sort(
                key=lambda item: (
                    not item[1].running,
                    job_word(item[1].done) in HARMLESS,
                    item[1].over,
                )
            )
        return dict(rows[:room])

    def _row(self, job: str) -> _Row:
        return self._rows.get(job, _Row(expected=0))

    def _tell_progress(self, task: str, completed: float, total: float | None) -> None:
        """Without a live table: a line at the start, and one at each quarter of the way."""
        quarter = int(4 * completed / total) if total else 0
        if quarter > self._told.get(task, -1):
            self._told[task] = quarter
            self._print(f"{task} {25 * quarter} %" if total else f"{task} started")

    def _line(self, text: str) -> None:
        """A line where there is no live table; there, the table shows it."""
        if not self._live:
            self._print(text)

    def _print(self, text: str) -> None:
        since = human_seconds(self._clock.monotonic() - self._began)
        self._console.print(Text(f"[{since:>9}] {one_line(text)}"), soft_wrap=True)


def _dots(row: _Row) -> Text:
    dots = Text()
    for status in row.done:
        dots.append(_DOT, style=STYLES[status])
    if row.clean:
        dots.append(_DOT, style=STYLES[Status.PASS])
    return dots.append(_TO_COME * (row.expected - len(row.done) - row.clean), style="dim")


def _doing(row: _Row) -> Text:
    if row.running:
        return plain(f"{row.testid}: {row.phase}" if row.phase else row.testid)
    if not row.done:
        return Text("waiting", style="dim")
    word = job_word(row.done)
    return status_text(word) if row.over or word not in HARMLESS else Text()


def _bar(task: str, completed: float, total: float | None) -> RenderableType:
    table = Table.grid(padding=(0, 2), pad_edge=False)
    bar = ProgressBar(total=total, completed=completed, width=30, pulse=total is None)
    share = f"{100 * completed / total:.0f} %" if total else ""
    table.add_row(plain(task), bar, Text(share))
    return table


def _counts(hidden: list[_Row], elapsed: float) -> Text:
    """``5 waiting, 12 pass ... elapsed``: the jobs for which there is no room, and the time."""
    waiting = sum(not row.done and not row.running for row in hidden)
    words = [f"{waiting} waiting"] if waiting else []
    for status in WORST_FIRST:
        count = sum(bool(row.done) and job_word(row.done) is status for row in hidden)
        words += [f"{count} {status}"] if count else []
    more = f"and {len(hidden)} more: {', '.join(words)} · " if hidden else ""
    return Text(f"{more}{human_seconds(elapsed)} elapsed", style="dim")
