"""The controller's part of a flight: ready the host, record, clean up, judge, report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from harness.errors import LabError, XenflightError
from harness.flight.plan import to_json
from harness.job.lab import FlightKeeper
from harness.job.prepared import JobFacts
from harness.plugin.crashes import Crashes
from harness.plugin.guests import LastWords, LeakChecks
from harness.plugin.header import flight_header
from harness.plugin.keeping import Keeping
from harness.plugin.outcome import CHECKS_PROPERTY, JOB_PROPERTY, PROPERTY, why_blocked
from harness.plugin.state import FlightState
from harness.plugin.steps import LAST_WORDS, FlightSteps, planned_steps
from harness.plugin.view import PlainPytest, View
from harness.plugin.waiting import WaitingJobs
from harness.report.allure.write import write_allure
from harness.report.junit import write_junit
from harness.report.summary import summary_text
from harness.results.model import StepResult
from harness.results.recorder import FlightRecorder
from harness.results.rules import HARMLESS
from harness.signals import tell_on_usr1, terminate_like_interrupt
from harness.status import EXIT_BUG, EXIT_CODES, EXIT_NOTHING_RAN, EXIT_USAGE, Status
from harness.steps import LEAK_CHECK

LOST_CHECK = "not told: the process that looked for leaks is gone"
CRASHED = "???"
"""What xdist calls the phase in which a worker died."""


class FlightSession:
    """Lives in the controller only; hears of every step from the workers' reports."""

    NAME = "xenflight-session"

    def __init__(
        self, config: pytest.Config, state: FlightState, keeping: Keeping, crashes: Crashes
    ) -> None:
        self._crashes = crashes
        self._running: dict[str, str] = {}
        """By job the step that was begun last."""
        self._config = config
        self._state = state
        self._keeping = keeping
        self._steps: dict[str, list[str]] = {}
        self._recorder: FlightRecorder | None = None
        self._view: View = PlainPytest(config)
        self._keeper: FlightKeeper | None = None
        self._waiting: WaitingJobs | None = None
        self._over: set[str] = set()
        self._unchecked: set[str] = set()
        """Jobs whose leak check is still to come."""
        self._interrupts = 0
        self._uncollected = False
        self._bug = ""
        # CI systems end jobs with SIGTERM, on which Python would just die.
        config.add_cleanup(terminate_like_interrupt())

    # -- before the first step ---------------------------------------------------------

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A suite that can't be imported: no job of the flight shall run without the others."""
        self._uncollected = self._uncollected or report.failed

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        """Without xdist: everything is collected now."""
        if not self._under_xdist() and not self._uncollected:
            self._begin([item.nodeid for item in session.items])
        return (yield)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: Sequence[str]) -> None:  # noqa: ANN401
        """With xdist: the first worker has collected; no step is given out before it has."""
        del node
        if self._uncollected:
            pytest.exit("a suite could not be collected", returncode=EXIT_USAGE)
        self._begin(ids)

    def _begin(self, nodeids: Sequence[str]) -> None:
        steps = planned_steps(self._state, nodeids)
        if self._recorder or not any(steps.values()):
            return
        self._steps = steps
        plan, files = self._state.plan, self._state.files
        with _or_end():
            header = flight_header(self._state, steps)
            self._recorder = FlightRecorder(files.path, header, sink=self._keeping.sink())
            self._keeping.write_beside()
            files.plan.write_text(to_json(plan), encoding="utf-8")
        view = self._config.hook.pytest_xenflight_view(config=self._config, steps=steps)
        self._view = view or self._view
        self._view.note(f"flight {plan.flight_id}")
        self._config.add_cleanup(tell_on_usr1(self._tell))
        lab = FlightSteps.of(self._config).lab
        self._keeper = lab.flight(plan, files.path, self._recorder, self._working)
        self._waiting = WaitingJobs(self._view.step_phase, self._keeper.awaits)
        self._waiting.watch()
        try:
            self._keeper.prepare()
        except XenflightError as error:
            self._recorder.problem(str(error))
        self._unchecked = {job for job, testids in steps.items() if testids}
        self._unchecked -= set(self._state.skips)
        self._skip_jobs(self._recorder)

    def _tell(self) -> None:
        """Say how far the flight is. Never a reason to end it."""
        # Not needed by most flights, and not quick to load.
        from harness.report.running import look_at

        with suppress(XenflightError, OSError):
            for look in look_at([self._state.files.path]):
                for line in look.lines:
                    self._view.note(line)

    def _skip_jobs(self, recorder: FlightRecorder) -> None:
        """What cannot run is told now, in a line for each reason; no step of it is begun.

        pytest still goes through those steps, where it skips each for the same reason.
        """
        skips = {job: why for job, why in self._state.skips.items() if self._steps[job]}
        for job, why in skips.items():
            steps = [
                StepResult(testid=testid, status=Status.SKIP, reason=why)
                for testid in self._steps[job]
            ]
            self._tell_at_once(recorder, job, steps)
        for why, count in Counter(skips.values()).items():
            self._view.note(f"skip: {count} job{'s' if count > 1 else ''}: {why}")

    def _working(self, text: str, fraction: float | None = None) -> None:
        """Said by the keeper, in any of its threads; jobs may have got what they waited for."""
        self._view.working(text, fraction)
        if self._waiting:
            self._waiting.look()

    # -- while it runs -----------------------------------------------------------------

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """A step begins, here or on a worker."""
        found = self._state.step_of(nodeid)
        if found and self._recorder and self._runs(found[0]):
            with _or_end():
                self._recorder.step_started(*found)
            self._running[found[0]] = found[1]
            self._view.step_started(*found)
            if self._waiting:
                self._waiting.begin(found[0])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A step ended, here or on a worker."""
        found = self._state.step_of(report.nodeid)
        if not found or not self._recorder:
            return
        properties = {name: str(value) for name, value in report.user_properties}
        with _or_end():
            runs = self._runs(found[0])
            if runs:
                self._told_of(*found, report, properties)
            if CHECKS_PROPERTY in properties:
                self._leaks_checked(LeakChecks.model_validate_json(properties[CHECKS_PROPERTY]))
            # Last: it may be where the next attempt of the job begins.
            if runs and JOB_PROPERTY in properties:
                self._job_ended(found[0], JobFacts.model_validate_json(properties[JOB_PROPERTY]))

    def _runs(self, job: str) -> bool:
        """Not one that was told of already, which pytest goes through all the same."""
        return job not in self._state.skips and not self._state.fail_fast.holds(job)

    def _told_of(
        self, job: str, testid: str, report: pytest.TestReport, properties: Mapping[str, str]
    ) -> None:
        if report.when == CRASHED:
            self._worker_died(job, testid, str(report.longrepr))
        if PROPERTY in properties:
            self._step_ended(job, StepResult.model_validate_json(properties[PROPERTY]))

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:  # noqa: ANN401
        """A worker ends, in good order if it has last words."""
        text = (getattr(node, "workeroutput", None) or {}).get(LAST_WORDS)
        if text and self._recorder:
            self._take(LastWords.model_validate_json(text))

    def _step_ended(self, job: str, step: StepResult) -> None:
        assert self._recorder
        if self._waiting:
            self._waiting.end(job)
        if step.testid in self._steps[job] and step.status not in HARMLESS:
            self._state.culprits.setdefault(job, step)
        if step.testid == LEAK_CHECK:
            self._unchecked.discard(job)
        self._recorder.step_finished(job, step)
        self._view.step_finished(job, step)
        if self._state.fail_fast.hear(job, self._state.culprits.get(job)):
            self._leave_out(self._recorder)

    def _leave_out(self, recorder: FlightRecorder) -> None:
        """The jobs that have not begun never do: that is told now."""
        left = self._state.fail_fast.left_out(
            job for job, testids in self._steps.items() if testids and job not in self._state.skips
        )
        for job in left:
            self._tell_at_once(recorder, job, self._state.fail_fast.steps(self._steps[job]))
        self._unchecked.difference_update(left)
        if left:
            jobs = f"{len(left)} job{'s' if len(left) > 1 else ''}"
            self._view.note(f"{jobs} {self._state.fail_fast.why}")

    def _tell_at_once(
        self, recorder: FlightRecorder, job: str, steps: Sequence[StepResult]
    ) -> None:
        """Of a job of which nothing runs."""
        with _or_end():
            recorder.job_skipped(job, steps)
        for step in steps:
            self._view.step_finished(job, step)

    def _worker_died(self, job: str, testid: str, said: str) -> None:
        """It took the job's guest along: of this attempt no more steps can run."""
        # In another attempt of the job it is not the one that xdist gave out last.
        testid = self._running.get(job, testid)
        reason = said.strip().splitlines()[0] if said.strip() else "the worker died"
        crash = StepResult(testid=testid, status=Status.BROKEN, reason=reason)
        self._step_ended(job, crash)
        steps = self._steps[job]
        for later in steps[steps.index(testid) + 1 :]:
            blocked = StepResult(testid=later, status=Status.BLOCKED, reason=why_blocked(crash))
            self._step_ended(job, blocked)
        (host, *_) = self._crashes.hosts(job) or ("",)
        self._job_ended(job, JobFacts(host=host, again=self._crashes.tell(job)))

    def _job_ended(self, job: str, facts: JobFacts) -> None:
        assert self._recorder
        self._over.add(job)
        self._recorder.job_ended(
            job,
            host=facts.host or None,
            kept=facts.kept,
            waits=facts.waits,
            runvars=facts.runvars,
            evidence=facts.evidence,
        )
        if facts.kept and self._keeper:
            self._view.note(self._keeper.how_to_reach(job, facts))
        if facts.again:
            why = self._state.culprits.pop(job, None)
            self._over.discard(job)
            self._unchecked.add(job)
            self._recorder.job_retried(job)
            self._view.note(f"{job} is tried once more; broken: {why.reason if why else '?'}")

    def _leaks_checked(self, checks: LeakChecks) -> None:
        """Checks of jobs that were over some time ago, or just now."""
        for job, step in checks.steps.items():
            if job in self._unchecked:
                self._step_ended(job, step)

    def _tell_lost_checks(self) -> None:
        """Of jobs that were over when the process died that had still to tell of them."""
        lost = StepResult(testid=LEAK_CHECK, status=Status.BROKEN, reason=LOST_CHECK)
        self._leaks_checked(LeakChecks(steps=dict.fromkeys(sorted(self._over), lost)))

    def _take(self, words: LastWords) -> None:
        assert self._recorder
        self._leaks_checked(words)
        for job, facts in words.facts.items():
            self._job_ended(job, facts)
        for problem in words.problems:
            self._recorder.problem(problem)

    # -- when it is over ---------------------------------------------------------------

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Ctrl-C, a signal, or `pytest.exit`; not pytest's own end after bad collection."""
        if not isinstance(excinfo.value, pytest.Session.Interrupted):
            self._interrupts += 1

    def pytest_internalerror(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """A bug, ours or a plugin's."""
        self._bug = excinfo.exconly()

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, object, object]:
        """Workers and fixtures are gone after the yield: clean up, judge, write reports.

        The innermost wrapper, so that pytest prints its summary after that.
        """
        try:
            return (yield)
        except KeyboardInterrupt:
            self._interrupts += 1
            return None
        finally:
            if self._recorder:
                session.exitstatus = self._finish(self._recorder)
            else:
                session.exitstatus = self._never_began(session.exitstatus)
                _remove_empty(self._state.files.allure)

    def _never_began(self, status: int) -> int:
        if self._uncollected:
            return EXIT_USAGE
        if self._interrupts and status == pytest.ExitCode.INTERRUPTED:
            return EXIT_CODES[Status.ABORTED]
        return EXIT_NOTHING_RAN if status == pytest.ExitCode.NO_TESTS_COLLECTED else status

    def _finish(self, recorder: FlightRecorder) -> int:
        if self._waiting:
            self._waiting.stop()
        try:
            try:
                self._take(FlightSteps.of(self._config).last_words)
                if not self._interrupts:
                    self._tell_lost_checks()
            finally:
                self._clean_up(recorder)
            if self._bug:
                recorder.problem(f"the harness broke down: {self._bug}")
            flight = recorder.finish(Status.ABORTED if self._interrupts else None)
            write_junit(flight, self._state.files.junit, files=str(self._shown_directory()))
            if allure := getattr(self._config.option, "allure_report_dir", None):
                about = self._keeping.about
                more = {"branch": about.branch, "blessing": about.blessing}
                write_allure(flight, Path(allure), files=self._state.files.path, more=more)
        except (XenflightError, OSError) as error:
            # Results can't be written, which is what all else would be told by.
            self._view.note(f"broken: {error}")
            return EXIT_CODES[Status.BROKEN]
        finally:
            for note in self._keeping.close():
                self._view.note(note)
        self._view.finish(flight, self._shown_directory())
        return EXIT_BUG if self._bug else EXIT_CODES[flight.status]

    def _clean_up(self, recorder: FlightRecorder) -> None:
        """Leave the host clean, unless a second Ctrl-C says that nobody wants to wait for it."""
        if not self._keeper:
            return
        try:
            while self._interrupts < 2:
                try:
                    self._keeper.sweep(aborted=self._interrupts > 0)
                    return
                except XenflightError as error:
                    recorder.problem(str(error))
                    return
                except KeyboardInterrupt:
                    self._interrupts += 1
            names = [host.name for host in self._state.plan.hosts]
            reaps = " and ".join(f"`xenflight reap --host {name}`" for name in names)
            todo = f"the next flight on {' and '.join(names)} does it, or {reaps}"
            recorder.problem(f"not cleaned up: {todo}")
        finally:
            self._keeper.close()

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say in words how the flight went, under pytest's own output."""
        if self._recorder:
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
        return bool(self._config.getoption("tx", None))


@contextmanager
def _or_end() -> Iterator[None]:
    """Results that can't be written end the flight: nobody would hear of the rest of it."""
    try:
        yield
    except (LabError, OSError) as error:
        pytest.exit(str(error), returncode=EXIT_CODES[Status.BROKEN])


def _remove_empty(directory: Path) -> None:
    """Allure makes its directory before anyone knows whether there is anything to put in."""
    with suppress(OSError):
        for path in (directory, *directory.parents[:3]):
            path.rmdir()
