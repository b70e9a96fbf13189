"""What every process of a flight does: order its steps, run them, tell what became of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Sequence
from typing import Self

import pytest

from harness.errors import UsageError, XenflightError
from harness.flight.axes import Keep
from harness.job.lab import Lab
from harness.job.prepared import JobFacts
from harness.plugin.guests import Guests, LastWords
from harness.plugin.naming import suite_of
from harness.plugin.outcome import (
    CHECKS_PROPERTY,
    JOB_PROPERTY,
    PROPERTY,
    TEARDOWN,
    BlockedStep,
    step_result,
)
from harness.plugin.retry import Retries
from harness.plugin.state import FlightState, at_item, is_worker
from harness.report.allure.words import Key, tag_step
from harness.results.rules import HARMLESS
from harness.schedule.order import jobs_in_order
from harness.secret import mask
from harness.status import Status
from harness.steps import LEAK_CHECK, StepRecord

RECORD: pytest.StashKey[StepRecord] = pytest.StashKey()
LAST_OF_JOB: pytest.StashKey[bool] = pytest.StashKey()
SIMULATED = "harness.plugin.simulated"
"""The plugin that brings simulated hosts; nothing loads it by itself."""
LAST_WORDS = "xenflight_last_words"
"""Under this name a worker's `LastWords` come to the controller."""


class FlightSteps:
    """Registered in the controller and in xdist's workers, if there is a flight."""

    NAME = "xenflight-steps"

    def __init__(self, config: pytest.Config, state: FlightState) -> None:
        self._config = config
        self._state = state
        self._guests: Guests | None = None
        self._lab: Lab | None = None
        self._retries = Retries(state.plan, state.files.path)
        self._again: list[str] = []
        self._attempts: defaultdict[str, int] = defaultdict(lambda: 1)
        self.last_words = LastWords()

    @classmethod
    def of(cls, config: pytest.Config) -> Self:
        """That of this session, which must have a flight."""
        found = config.pluginmanager.get_plugin(cls.NAME)
        assert isinstance(found, cls)
        return found

    @property
    def lab(self) -> Lab:
        """Where the guests live; `UsageError` for a simulated host where none is wanted."""
        if self._lab is None:
            self._lab = self._config.hook.pytest_xenflight_lab(config=self._config)
        if self._lab is None:
            if self._state.plan.simulated:
                msg = f"{self._state.plan.hosts[0].name} is a simulated host"
                raise UsageError(msg, hint="only xenflight's own tests use such: -p " + SIMULATED)
            from harness.job.real import RealLab

            self._lab = RealLab()
        return self._lab

    @property
    def guests(self) -> Guests:
        """The guests of this process."""
        if self._guests is None:
            maker = self.lab.guests(self._state.plan, self._state.files)
            self._guests = Guests(maker, self._state.plan.keep)
        return self._guests

    # -- collecting --------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> Generator[None, object, object]:
        """Job by job in the order of the schedule, each in its suite's own, whatever others made of
        it; -k counts, and knows testids."""
        written = {item: index for index, item in enumerate(items)}
        for item in items:
            if found := self._state.step_of(item.nodeid):
                item.extra_keyword_matches.add(found[1])
        result = yield
        unused = [item for item in items if _is_unused(item)]
        if unused:
            config.hook.pytest_deselected(items=unused)
        jobs = {job: index for index, job in enumerate(jobs_in_order(self._state.plan))}

        def place(item: pytest.Item) -> tuple[int, int]:
            found = self._state.step_of(item.nodeid)
            return jobs[found[0]] if found else -1, written.get(item, len(written))

        items[:] = sorted((item for item in items if not _is_unused(item)), key=place)
        return result

    # -- running -----------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> Generator[None, object, object]:
        """After the last step of a job that is to be tried again, all of its steps once more.

        As if they stood behind it: so a worker of xdist is still at work on its last step.
        """
        result = yield
        while self._again:
            job = self._again.pop()
            self._state.culprits.pop(job, None)
            self._attempts[job] += 1
            self.guests.forget(job)
            steps = [one for one in item.session.items if self._job_of(one) == job]
            for step, then in zip(steps, [*steps[1:], nextitem], strict=True):
                step.stash[LAST_OF_JOB] = False
                with at_item(item.config, step):
                    item.config.hook.pytest_runtest_protocol(item=step, nextitem=then)
        return result

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """A step whose job cannot run, or has failed already, ends before a fixture is touched."""
        found = self._state.step_of(item.nodeid)
        if not found:
            return
        job, testid = found
        item.stash[RECORD] = StepRecord(job=job, testid=testid)
        tag_step(Key(job, testid, self._attempts[job]))
        if reason := self._state.skips.get(job):
            pytest.skip(reason)
        if self._state.fail_fast.holds(job):
            raise BlockedStep(self._state.fail_fast.why)
        self._state.fail_fast.begins(job)
        if culprit := self._state.culprits.get(job):
            raise BlockedStep.by(culprit)
        if self._state.plan.keep is Keep.ALWAYS and item.get_closest_marker("ends_guest"):
            pytest.skip("the guest is to be kept")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """Tell the guest which step it is used by, so that phases are recorded there."""
        if record := item.stash.get(RECORD, None):
            self.guests.at_step(record)
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> Generator[None, object, object]:
        """After the last step of a job, tear its guest down: here, where failing can be reported.

        A fixture of a wider scope would be torn down in the set-up of the next job's first step.
        Before that, of a step that did not pass, evidence: the step is over and has been told of.
        """
        here = self._state.step_of(item.nodeid)
        try:
            try:
                if here and (culprit := self._state.culprits.get(here[0])):
                    self.guests.capture(here[0], culprit)
            finally:
                result = yield
            return result
        finally:
            then = self._state.step_of(nextitem.nodeid) if nextitem else None
            if here and (then is None or then[0] != here[0]):
                item.stash[LAST_OF_JOB] = True
                self.guests.tear_down(here[0], failed=here[0] in self._state.culprits)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Turn what happened into a step's result, and send it along with the report."""
        report = yield
        record = item.stash.get(RECORD, None)
        if not record:
            return report
        if call.when == "teardown":
            self._report_teardown(item, call, report)
        elif call.when == "call" or call.excinfo is not None:
            result = step_result(record, call)
            if result.status not in HARMLESS:
                self._state.culprits.setdefault(record.job, result)
            if result.status is Status.BROKEN and call.excinfo:
                self.guests.blame(record.job, call.excinfo.value)
            report.user_properties.append((PROPERTY, mask(result.model_dump_json())))
            _shorten(report, call)
        self._report_checks(report)
        return report

    def _report_teardown(
        self, item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport
    ) -> None:
        """A leftover is a line of its own, never a failure of the step that happened to be last."""
        job = item.stash[RECORD].job
        if call.excinfo is not None:
            own = step_result(StepRecord(job=job, testid=TEARDOWN), call)
            report.user_properties.append((PROPERTY, mask(own.model_dump_json())))
            _shorten(report, call)
        if item.stash.get(LAST_OF_JOB, False):
            facts = self._with_retry(item, self.guests.facts(job), job)
            report.user_properties.append((JOB_PROPERTY, mask(facts.model_dump_json())))

    def _with_retry(self, item: pytest.Item, facts: JobFacts, job: str) -> JobFacts:
        """*facts*, and whether *job* is tried again; then its files are out of the way."""
        if item.session.shouldstop or item.session.shouldfail:
            return facts
        if not self._retries.due(job, self._state.culprits.get(job), facts):
            return facts
        try:
            self._state.files.job(job).put_by()
        except OSError:
            return facts
        # What that attempt left is told with it.
        self.guests.await_check(job)
        self._again.append(job)
        return facts.model_copy(update={"again": True})

    def _job_of(self, item: pytest.Item) -> str | None:
        found = self._state.step_of(item.nodeid)
        return found[0] if found else None

    def _report_checks(self, report: pytest.TestReport) -> None:
        """Leak checks of jobs that are over are told with whatever step is being told of."""
        checked = self._guests.checked() if self._guests else None
        if checked and checked.steps:
            report.user_properties.append((CHECKS_PROPERTY, mask(checked.model_dump_json())))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """After Ctrl-C some guests are still there: each process tears its own down."""
        if self._guests is None:
            return
        self.last_words = self._guests.close()
        if is_worker(self._config):
            output = self._config.workeroutput  # type: ignore[attr-defined]
            output[LAST_WORDS] = self.last_words.model_dump_json()


def planned_steps(state: FlightState, nodeids: Sequence[str]) -> dict[str, list[str]]:
    """For each job of the flight, in order, the testids that were collected for it.

    Every job that has any ends with its leak check, which pytest knows nothing of.
    """
    steps: dict[str, list[str]] = {job.name: [] for job in state.plan.jobs}
    for nodeid in nodeids:
        if found := state.step_of(nodeid):
            steps[found[0]].append(found[1])
    return {job: [*testids, LEAK_CHECK] if testids else [] for job, testids in steps.items()}


def _shorten(report: pytest.TestReport, call: pytest.CallInfo[None]) -> None:
    """Our own errors say all there is to say; a traceback through the harness says nothing."""
    error = call.excinfo.value if call.excinfo else None
    if isinstance(error, XenflightError):
        evidence = getattr(error, "evidence", "")
        report.longrepr = f"{error.status}: {error}" + (f"\n\n{evidence}" if evidence else "")


def _is_unused(item: pytest.Item) -> bool:
    """Whether pytest made a "no jobs" placeholder of it: its suite has no job in this flight."""
    return suite_of(item.path) is not None and item.nodeid.endswith("[NOTSET]")
