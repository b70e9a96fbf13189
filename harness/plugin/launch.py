"""Running a plan through pytest, in this process: what `xenflight run` does."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from harness import plugin
from harness.flight.find import suites_dir
from harness.flight.plan import Plan, to_json
from harness.plugin import view
from harness.status import EXIT_BUG, EXIT_USAGE


def run_flight(plan: Plan, *, workers: int) -> int:
    """Run *plan* with that many jobs at once; the process's exit code (harness/status.py)."""
    import os

    # pytest's capture takes descriptor 1 away while tests run; the live view needs the real one.
    view.TERMINAL_FD = os.dup(1)
    with tempfile.TemporaryDirectory(prefix="xenflight-") as directory:
        file = Path(directory) / "plan.json"
        file.write_text(to_json(plan), encoding="utf-8")
        return _exit_code(pytest.main(arguments(plan, file, workers), plugins=[plugin, Quiet()]))


def arguments(plan: Plan, plan_file: Path, workers: int) -> list[str]:
    """pytest's command line."""
    suites = sorted({job.suite for job in plan.jobs})
    words = [str(suites_dir() / suite) for suite in suites]
    words += ["--plan", str(plan_file), "--live", "-p", "no:cacheprovider"]
    # The project's own pytest options are for its self-tests, not for flights.
    words += ["-o", "addopts=", "-o", "filterwarnings=default"]
    return [*words, "-n", str(workers)] if workers > 1 else words


class Quiet:
    """Takes pytest's own terminal output away: the live view stands in its place."""

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        """Only its output goes; what went wrong before the first step is printed below."""
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        if reporter:
            config.pluginmanager.unregister(reporter)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A suite that can't be imported must not end in silence."""
        if report.failed:
            print(report.longreprtext)

    def pytest_internalerror(self, excrepr: object) -> None:
        """Nor must a bug of ours."""
        print(excrepr)


def _exit_code(code: int) -> int:
    """Ours where the flight ran; pytest's own words for what came before it, translated."""
    translated = {
        pytest.ExitCode.INTERNAL_ERROR: EXIT_BUG,
        pytest.ExitCode.USAGE_ERROR: EXIT_USAGE,
        pytest.ExitCode.INTERRUPTED: 130,
    }
    return (
        translated.get(pytest.ExitCode(code), int(code))
        if isinstance(code, pytest.ExitCode)
        else int(code)
    )
