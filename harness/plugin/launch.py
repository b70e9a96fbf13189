"""Running a plan through pytest, in this process: what `xenflight run` does."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from rich.console import Console

from harness import plugin
from harness.flight.find import suites_dir
from harness.flight.plan import Plan, to_json
from harness.plugin.view import LiveTerminal
from harness.status import EXIT_BUG, EXIT_CODES, EXIT_USAGE, Status


def run_flight(plan: Plan, *, workers: int, keeping: Sequence[str] = (), terminal: int = 1) -> int:
    """Run *plan* with that many jobs at once; the process's exit code (harness/status.py).

    *keeping*: more options of the plugin, such as how history keeps the flight. What runs is shown
    on the descriptor *terminal*.
    """
    # pytest's capture takes descriptor 1 away while tests run; the live view needs the real one.
    with (
        tempfile.TemporaryDirectory(prefix="xenflight-") as directory,
        os.fdopen(os.dup(terminal), "w", encoding="utf-8") as shown,
    ):
        file = Path(directory) / "plan.json"
        file.write_text(to_json(plan), encoding="utf-8")
        face = Face(Console(file=shown, highlight=False))
        words = [*arguments(plan, file, workers), *keeping]
        returned = pytest.main(words, plugins=[plugin, face])
        return face.exit_code(returned)


def arguments(plan: Plan, plan_file: Path, workers: int) -> list[str]:
    """pytest's command line."""
    suites = sorted({job.suite for job in plan.jobs})
    words = [str(suites_dir() / suite) for suite in suites]
    # Without it a project that has no pytest.ini would lose the conftest.py above its suites.
    words += ["--rootdir", str(suites_dir().parent)]
    words += ["--plan", str(plan_file), "-p", "no:cacheprovider"]
    # The project's own pytest options are for its self-tests, not for flights.
    words += ["-o", "addopts=", "-o", "filterwarnings=default"]
    return [*words, "-n", str(workers)] if workers > 1 else words


class Face:
    """The live view in place of pytest's own terminal output."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._session: pytest.Session | None = None
        self._refused: int | None = None

    def exit_code(self, returned: int) -> int:
        """Ours if the session came to its end; else pytest's word for why not, translated.

        What pytest.main returns can't tell: it makes an `ExitCode` of every number it knows,
        so that our 4 (broken) comes back as its USAGE_ERROR.
        """
        ended = self._session.exitstatus if self._session else self._refused or returned
        if not isinstance(ended, pytest.ExitCode):
            return ended
        return {
            pytest.ExitCode.OK: 0,
            pytest.ExitCode.INTERRUPTED: EXIT_CODES[Status.ABORTED],
            pytest.ExitCode.USAGE_ERROR: EXIT_USAGE,
        }.get(ended, EXIT_BUG)

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        """Take pytest's away."""
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        if reporter:
            config.pluginmanager.unregister(reporter)

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """It knows the exit code before `pytest.main` makes its own of it."""
        self._session = session

    def pytest_xenflight_view(self, steps: Mapping[str, Sequence[str]]) -> LiveTerminal:
        """Ours."""
        return LiveTerminal(self._console, steps)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A suite that can't be imported must not end in silence."""
        if report.failed:
            self._say(report.longreprtext)

    def pytest_internalerror(self, excrepr: object) -> None:
        """Nor must a bug of ours."""
        self._say(str(excrepr))

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Nor must an end that one of us asked for."""
        if isinstance(excinfo.value, pytest.exit.Exception):
            self._refused = excinfo.value.returncode
            if self._session:  # before that, pytest says it itself
                self._say(f"error: {excinfo.value.msg}")

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)
