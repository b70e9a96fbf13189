"""The hooks that every pytest process runs: the controller and xdist's workers."""

from __future__ import annotations

import signal
from collections.abc import Generator
from types import FrameType
from typing import Any

import pytest

from harness.errors import UsageError, XenflightError
from harness.flight.plan import from_json, to_json
from harness.job.guest import GuestUnderTest
from harness.plugin.fixtures import guests_of
from harness.plugin.naming import split_nodeid, suite_of
from harness.plugin.options import add_options, plan_from_options
from harness.plugin.outcome import (
    JOB_PROPERTY,
    PROPERTY,
    TEARDOWN,
    BlockedStep,
    step_result,
)
from harness.plugin.state import REPORTS, STATE, FlightState, is_worker, state_of
from harness.results.layout import FlightDirectory
from harness.results.rules import HARMLESS
from harness.steps import StepRecord

RECORD: pytest.StashKey[StepRecord] = pytest.StashKey()
LAST_OF_JOB: pytest.StashKey[bool] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare our options."""
    add_options(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Make the plan, or take the controller's."""
    try:
        if is_worker(config):
            text = config.workerinput.get("xenflight_plan")  # type: ignore[attr-defined]
            plan = from_json(text) if text else None
        else:
            plan = plan_from_options(config)
    except UsageError as error:
        raise pytest.UsageError(str(error)) from error
    if plan is None:
        return
    files = FlightDirectory.of((config.invocation_params.dir / REPORTS), plan.flight_id)
    live = bool(config.getoption("xenflight_live"))
    config.stash[STATE] = FlightState(plan=plan, files=files, live=live)
    if not is_worker(config) and not config.option.collectonly:
        from harness.plugin.session import FlightSession

        if hasattr(config.option, "allure_report_dir") and not config.option.allure_report_dir:
            config.option.allure_report_dir = str(files.allure)
        # CI systems end jobs with SIGTERM, on which Python would just die.
        signal.signal(signal.SIGTERM, _interrupt)
        config.pluginmanager.register(FlightSession(config), "xenflight-session")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Forget the flight."""
    if config.stash.get(STATE, None):
        del config.stash[STATE]


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:  # noqa: ANN401 (xdist has no public type for it)
    """Hand the plan to a new xdist worker: what it collects must not depend on anything else."""
    state = state_of(node.config)
    if state:
        node.workerinput["xenflight_plan"] = to_json(state.plan)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object | None:  # noqa: ANN401
    """Keep the steps of a job on one worker, whatever ``--dist`` says."""
    if not state_of(config):
        return None
    from harness.plugin.scheduling import JobScheduling

    return JobScheduling(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """``-n auto``: as many workers as the host has slots; the controller's cores say nothing."""
    state = state_of(config)
    return min(state.plan.host.slots, len(state.plan.jobs)) if state else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each job of the flight that is bound to the test's suite."""
    suite = suite_of(metafunc.definition.path)
    if "guest" not in metafunc.fixturenames or suite is None:
        return
    state = state_of(metafunc.config)
    if not state:
        msg = "the suites need a flight, such as: pytest suites --flight flights/smoke.yaml"
        raise pytest.UsageError(msg)
    names = [job.name for job in state.plan.jobs if job.suite == suite]
    metafunc.parametrize("guest", names, indirect=True, ids=names)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Job by job, each in its suite's order; and nothing for suites the flight does not use."""
    state = state_of(config)
    if not state:
        return
    order = {job.name: index for index, job in enumerate(state.plan.jobs)}
    unused = [item for item in items if _is_unused(item)]
    if unused:
        config.hook.pytest_deselected(items=unused)
        items[:] = [item for item in items if item not in unused]
    items.sort(key=lambda item: order.get((split_nodeid(item.nodeid) or ("", ""))[0], -1))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """A step whose job has failed already is blocked, before any fixture is touched."""
    state, found = state_of(item.config), split_nodeid(item.nodeid)
    if not state or not found:
        return
    job, testid = found
    item.stash[RECORD] = StepRecord(job=job, testid=testid)
    culprit = state.culprits.get(job)
    if culprit:
        raise BlockedStep.by(culprit)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Tell the guest which step it is used by, so that phases are recorded there."""
    guest, record = getattr(item, "funcargs", {}).get("guest"), item.stash.get(RECORD, None)
    if isinstance(guest, GuestUnderTest) and record:
        guest.step = record
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(
    item: pytest.Item, nextitem: pytest.Item | None
) -> Generator[None, object, object]:
    """After the last step of a job, tear its guest down: here, where failing can be reported.

    A fixture of a wider scope would be torn down in the set-up of the next job's first step.
    """
    result = yield
    here = split_nodeid(item.nodeid)
    then = split_nodeid(nextitem.nodeid) if nextitem else None
    state = state_of(item.config)
    if state and here and (then is None or then[0] != here[0]):
        item.stash[LAST_OF_JOB] = True
        guests_of(item.config).tear_down(here[0], failed=here[0] in state.culprits)
    return result


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """After Ctrl-C some guests are still there: each process tears its own down."""
    if state_of(session.config):
        guests_of(session.config).close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn what happened into a step's result, and send it along with the report."""
    report = yield
    state, record = state_of(item.config), item.stash.get(RECORD, None)
    if not state or not record:
        return report
    if call.when == "teardown":
        _report_teardown(item, call, report)
    elif call.when == "call" or call.excinfo is not None:
        result = step_result(record, call)
        if result.status not in HARMLESS:
            state.culprits.setdefault(record.job, result)
        report.user_properties.append((PROPERTY, result.model_dump_json()))
        _shorten(report, call)
    return report


def _report_teardown(
    item: pytest.Item,
    call: pytest.CallInfo[None],
    report: pytest.TestReport,
) -> None:
    """A leftover is a line of its own, never a failure of the step that happened to be last."""
    record = item.stash[RECORD]
    if call.excinfo is not None:
        own = StepRecord(job=record.job, testid=TEARDOWN)
        report.user_properties.append((PROPERTY, step_result(own, call).model_dump_json()))
        _shorten(report, call)
    if item.stash.get(LAST_OF_JOB, False):
        facts = guests_of(item.config).facts(record.job)
        report.user_properties.append((JOB_PROPERTY, facts.model_dump_json()))


def _shorten(report: pytest.TestReport, call: pytest.CallInfo[None]) -> None:
    """Our own errors say all there is to say; a traceback through the harness says nothing."""
    error = call.excinfo.value if call.excinfo else None
    if isinstance(error, XenflightError):
        evidence = getattr(error, "evidence", "")
        report.longrepr = f"{error.status}: {error}" + (f"\n\n{evidence}" if evidence else "")


def _is_unused(item: pytest.Item) -> bool:
    """Whether pytest made a "no jobs" placeholder of it: its suite has no job in this flight."""
    return suite_of(item.path) is not None and item.nodeid.endswith("[NOTSET]")


def _interrupt(number: int, frame: FrameType | None) -> None:
    del frame
    msg = f"signal {number}"
    raise KeyboardInterrupt(msg)
