"""The hooks that are there without a flight, too: they find out whether there is one.

Anything heavier is imported only once there is.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.errors import UsageError
from harness.flight.model import HOST_SUITES
from harness.plugin import hookspecs
from harness.plugin.naming import suite_of
from harness.plugin.options import add_options, plan_of
from harness.plugin.state import STATE, FlightState, is_worker, state_of
from harness.status import EXIT_CODES, EXIT_USAGE, Status

if TYPE_CHECKING:
    from harness.plugin.steps import FlightSteps

MARKERS = ("ends_guest: a step after which there is no guest; skipped with --keep always",)
GUEST, HOST = "guest", "host"
"""The fixtures whose parameter is a job."""
NO_FLIGHT = "the suites need a flight, such as: pytest suites --flight flights/smoke.yaml"


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare our own hooks."""
    pluginmanager.add_hookspecs(hookspecs)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare our options."""
    add_options(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Make the plan, or take the controller's; without one, stay out of the way."""
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    state = _worker_state(config) if is_worker(config) else _own_state(config)
    if state is None:
        return
    config.stash[STATE] = state
    from harness.plugin.masking import Masking
    from harness.plugin.steps import FlightSteps

    steps = FlightSteps(config, state)
    if state.plan.simulated:
        _require_lab(steps)
    config.pluginmanager.register(Masking(), Masking.NAME)
    config.pluginmanager.register(steps, FlightSteps.NAME)
    if config.option.collectonly:
        return
    # Each worker writes its own; xdist hands down only what stands on the command line.
    if hasattr(config.option, "allure_report_dir") and not config.option.allure_report_dir:
        config.option.allure_report_dir = str(state.files.allure)
    if is_worker(config):
        from harness.plugin.workloop import WorkLoop

        config.pluginmanager.register(WorkLoop(config, state), WorkLoop.NAME)
        return
    from harness.plugin.crashes import Crashes
    from harness.plugin.keeping import Keeping
    from harness.plugin.session import FlightSession

    try:
        keeping = Keeping(config, state)
    except UsageError as error:
        pytest.exit(str(error), returncode=EXIT_USAGE)
    _make_directory(state.files.path)
    crashes = Crashes(state)
    session = FlightSession(config, state, keeping, crashes)
    config.pluginmanager.register(session, FlightSession.NAME)
    if config.pluginmanager.has_plugin("xdist"):
        from harness.plugin.workers import FlightWorkers

        config.pluginmanager.register(FlightWorkers(state, crashes), FlightWorkers.NAME)


def _own_state(config: pytest.Config) -> FlightState | None:
    try:
        plan = plan_of(config)
    except UsageError as error:
        # pytest's own status for bad usage, 4, means `broken` here.
        pytest.exit(str(error), returncode=EXIT_USAGE)
    if plan is None:
        return None
    from harness.results.layout import FlightDirectory

    reports = config.invocation_params.dir / config.getoption("--reports")
    files = FlightDirectory.of(reports, plan.flight_id)
    return FlightState(plan=plan, files=files)


def _require_lab(steps: FlightSteps) -> None:
    """A plan for a simulated host is refused before anything is done, where nobody asked for it."""
    try:
        _ = steps.lab
    except UsageError as error:
        pytest.exit(str(error), returncode=EXIT_USAGE)


def _make_directory(path: Path) -> None:
    """Before Allure does, which has no words for what can go wrong."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"cannot record the flight in {path}: {error.strerror}"
        pytest.exit(msg, returncode=EXIT_CODES[Status.BROKEN])


def _worker_state(config: pytest.Config) -> FlightState | None:
    given: dict[str, Any] = config.workerinput  # type: ignore[attr-defined]
    if "xenflight_plan" not in given:
        return None
    from harness.flight.plan import from_json
    from harness.results.layout import FlightDirectory

    directory = FlightDirectory(Path(given["xenflight_directory"]))
    return FlightState(plan=from_json(given["xenflight_plan"]), files=directory)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Forget the flight."""
    if STATE in config.stash:
        del config.stash[STATE]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """``-n auto``: as many workers as the hosts have slots; the controller's cores say nothing.

    Slots that others hold are counted: they may be free soon. Until they are, no job is given out
    for them, but for one that stands in line.

    Asked before `pytest_configure`, which is the place to complain about the plan.
    """
    try:
        plan = plan_of(config)
    except UsageError:
        return 1
    if plan and plan.simulated:
        return 0  # its hosts are in the memory of one process
    return max(1, min(plan.slots, sum(not job.skip for job in plan.jobs))) if plan else None


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each job of the flight that is bound to the test's suite.

    First of all, so that the job comes first in the test's id.
    """
    suite = suite_of(metafunc.definition.path)
    subject = HOST if suite in HOST_SUITES else GUEST
    if subject not in metafunc.fixturenames or suite is None:
        return
    state = state_of(metafunc.config)
    if state:
        names = [job.name for job in state.plan.jobs if job.suite == suite]
        metafunc.parametrize(subject, names, indirect=True, ids=names)
    elif _is_ours(metafunc, subject):
        # An error of collection, so pytest ends with 2: which means bad usage here, too.
        pytest.fail(NO_FLIGHT, pytrace=False)


def _is_ours(metafunc: pytest.Metafunc, subject: str) -> bool:
    """Whether *subject* is our fixture: other projects have suites and guests, too."""
    found = metafunc._arg2fixturedefs.get(subject, ())
    return bool(found) and found[-1].func.__module__ == "harness.plugin.fixtures"
