"""What the operator sees while a flight runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Protocol

import pytest
from rich.console import Console

from harness.report.live import LiveView
from harness.report.summary import Summary
from harness.results.model import FlightResult, StepResult


class View(Protocol):
    """Told of everything as it happens."""

    def working(self, text: str, fraction: float | None = None) -> None:
        """What is being made ready, and how far it is (0 to 1)."""
        ...

    def step_started(self, job: str, testid: str) -> None:
        """A step begins."""
        ...

    def step_phase(self, job: str, phase: str) -> None:
        """What the step that runs is at; empty: nothing of note."""
        ...

    def step_finished(self, job: str, step: StepResult) -> None:
        """A step ended. One that is skipped may never have begun."""
        ...

    def note(self, text: str) -> None:
        """A line that stays."""
        ...

    def finish(self, flight: FlightResult, directory: Path) -> None:
        """The flight is over."""
        ...


class LiveTerminal:
    """`xenflight run`: the live view, then the summary."""

    def __init__(self, console: Console, steps: Mapping[str, Sequence[str]]) -> None:
        self._console = console
        self._live = LiveView(console, steps)

    def working(self, text: str, fraction: float | None = None) -> None:
        """Show it."""
        self._live.working(text, fraction)

    def step_started(self, job: str, testid: str) -> None:
        """Show it."""
        self._live.step_started(job, testid)

    def step_phase(self, job: str, phase: str) -> None:
        """Show it."""
        self._live.step_phase(job, phase)

    def step_finished(self, job: str, step: StepResult) -> None:
        """Show it."""
        self._live.step_finished(job, step)

    def note(self, text: str) -> None:
        """Print it."""
        self._live.note(text)

    def finish(self, flight: FlightResult, directory: Path) -> None:
        """Take the live view away and print the summary."""
        self._live.close()
        self._console.print(Summary(flight, directory))


class PlainPytest:
    """Plain ``pytest``: it shows the steps itself, so only the preparation is said."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._said: set[str] = set()

    def working(self, text: str, fraction: float | None = None) -> None:
        """Say each part of the work once; what follows a colon is no part."""
        del fraction
        part = text.partition(": ")[0]
        if part not in self._said:
            self._said.add(part)
            self.note(text)

    def step_started(self, job: str, testid: str) -> None:
        """pytest shows it."""

    def step_phase(self, job: str, phase: str) -> None:
        """pytest shows no phases."""

    def step_finished(self, job: str, step: StepResult) -> None:
        """pytest shows it."""

    def note(self, text: str) -> None:
        """A line among pytest's own."""
        plugins = self._config.pluginmanager
        reporter = plugins.get_plugin("terminalreporter")
        capture = plugins.get_plugin("capturemanager")
        if reporter:
            # In the middle of a test pytest would keep the line for itself.
            with capture.global_and_fixture_disabled() if capture else nullcontext():
                reporter.ensure_newline()
                reporter.write_line(f"xenflight: {text}")

    def finish(self, flight: FlightResult, directory: Path) -> None:
        """The summary comes with pytest's."""
