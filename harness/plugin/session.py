"""The controller's part of a flight: ready the host, record, clean up, judge, report."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from harness import __version__
from harness.flight.plan import Plan, to_json
from harness.job.flight import FlightRun
from harness.job.prepared import JobFacts
from harness.plugin.naming import split_nodeid
from harness.plugin.outcome import JOB_PROPERTY, PROPERTY
from harness.plugin.state import state_of
from harness.plugin.view import View, make_view
from harness.remote.command import Command
from harness.remote.local import LocalRunner
from harness.report.junit import write_junit
from harness.report.summary import summary_text
from harness.results.events import FlightHeader, PlannedJob
from harness.results.model import StepResult
from harness.results.provenance import describe_revision
from harness.results.recorder import FlightRecorder
from harness.status import EXIT_CODES, EXIT_NOTHING_RAN, Status

INTERRUPTED = (pytest.ExitCode.INTERRUPTED,)


class FlightSession:
    """Lives in the controller only; hears of every step from the workers' reports."""

    def __init__(self, config: pytest.Config) -> None:
        state = state_of(config)
        assert state is not None
        self._config = config
        self._state = state
        self._recorder: FlightRecorder | None = None
        self._view: View | None = None
        self._run: FlightRun | None = None
        self._ended = False

    # -- before the first step ---------------------------------------------------------

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        """Without xdist: everything is collected now."""
        if not self._under_xdist():
            self._begin([item.nodeid for item in session.items])
        return (yield)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: Sequence[str]) -> None:  # noqa: ANN401
        """With xdist: the first worker has collected; no step is given out before all have."""
        del node
        self._begin(ids)

    def _begin(self, nodeids: Sequence[str]) -> None:
        steps = planned_steps(self._state.plan, nodeids)
        if self._recorder or not any(steps.values()):
            return
        plan, files = self._state.plan, self._state.files
        self._recorder = FlightRecorder(files.path, self._header(plan, steps))
        files.plan.write_text(to_json(plan), encoding="utf-8")
        self._view = make_view(self._config, steps, live=self._state.live)
        self._view.note(f"flight {plan.flight_id}")
        self._run = FlightRun(plan, files.path, self._recorder, self._view.working)
        self._run.prepare()

    def _header(self, plan: Plan, steps: dict[str, list[str]]) -> FlightHeader:
        jobs = tuple(
            PlannedJob(
                name=job.name,
                suite=job.suite,
                dist=job.dist,
                arch=job.arch,
                virt=job.virt,
                boot=job.boot,
                steps=tuple(steps[job.name]),
                runvars=job_runvars(job),
                console_log=self._state.files.relative(self._state.files.job(job.name).console_log),
            )
            for job in plan.jobs
            if steps[job.name]
        )
        return FlightHeader(
            flight_id=plan.flight_id,
            flight=plan.flight,
            started=datetime.now(UTC),
            harness_version=__version__,
            revision=describe_revision(LocalRunner(), Path(__file__).parent),
            command=command_line(),
            jobs=jobs,
        )

    # -- while it runs -----------------------------------------------------------------

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """A step begins, here or on a worker."""
        found = split_nodeid(nodeid)
        if found and self._recorder and self._view:
            self._recorder.step_started(*found)
            self._view.step_started(*found)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A step ended, here or on a worker."""
        found = split_nodeid(report.nodeid)
        if not found or not self._recorder or not self._view:
            return
        properties = dict(report.user_properties)
        if PROPERTY in properties:
            step = StepResult.model_validate_json(str(properties[PROPERTY]))
        elif report.failed and report.when not in {"setup", "call", "teardown"}:
            # xdist's own report of a step whose worker died.
            step = StepResult(testid=found[1], status=Status.BROKEN, reason=str(report.longrepr))
        else:
            step = None
        if step:
            self._recorder.step_finished(found[0], step)
            self._view.step_finished(found[0], step)
        if JOB_PROPERTY in properties:
            facts = JobFacts.model_validate_json(str(properties[JOB_PROPERTY]))
            self._recorder.job_ended(
                found[0], kept=facts.kept, waits=facts.waits, runvars=facts.runvars
            )
            if facts.kept and self._run:
                self._view.note(self._run.how_to_reach(found[0], facts))

    # -- when it is over ---------------------------------------------------------------

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(
        self, session: pytest.Session, exitstatus: int
    ) -> Generator[None, object, object]:
        """Workers and fixtures are gone after the yield: clean up, judge, write reports."""
        result = yield
        if self._recorder and not self._ended:
            self._ended = True
            session.exitstatus = self._finish(interrupted=exitstatus in INTERRUPTED)
        elif not self._recorder and exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
            session.exitstatus = EXIT_NOTHING_RAN
        return result

    def _finish(self, *, interrupted: bool) -> int:
        assert self._recorder is not None
        assert self._view is not None
        if self._run:
            self._run.finish()
        flight = self._recorder.finish(Status.ABORTED if interrupted else None)
        write_junit(flight, self._state.files.junit)
        self._view.finish(flight, self._shown_directory())
        return EXIT_CODES[flight.status]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say in words how the flight went, under pytest's own output."""
        if self._recorder and not self._state.live:
            width = terminalreporter._tw.fullwidth
            terminalreporter.section("flight")
            terminalreporter.write_line(
                summary_text(self._recorder.result, self._shown_directory(), width=width)
            )

    def _shown_directory(self) -> Path:
        path = self._state.files.path
        here = self._config.invocation_params.dir
        return path.relative_to(here) if path.is_relative_to(here) else path

    def _under_xdist(self) -> bool:
        return bool(self._config.getoption("numprocesses", None)) or bool(
            self._config.getoption("tx", None)
        )


def planned_steps(plan: Plan, nodeids: Sequence[str]) -> dict[str, list[str]]:
    """For each job of *plan*, in order, the testids that were collected for it."""
    steps: dict[str, list[str]] = {job.name: [] for job in plan.jobs}
    for nodeid in nodeids:
        found = split_nodeid(nodeid)
        if found and found[0] in steps:
            steps[found[0]].append(found[1])
    return steps


def job_runvars(job: Any) -> dict[str, str]:  # noqa: ANN401
    """The runvars that the flight file gives: osstest's ``definition``."""
    return {
        "memory": str(job.memory),
        "vcpus": str(job.vcpus),
        "disk": str(job.disk),
        "kernel_args": job.kernel_args,
        "packages": " ".join(job.packages),
    }


def command_line() -> str:
    """The command that is running, to paste into a shell."""
    program = os.environ.get("XENFLIGHT_COMMAND", Path(sys.argv[0]).name)
    return str(Command((program, *sys.argv[1:])))
