"""What a plan's jobs will do, without doing it: their steps, as pytest collects them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from harness import plugin
from harness.errors import UsageError
from harness.flight.plan import Plan, to_json
from harness.plugin.header import flight_header
from harness.plugin.launch import arguments
from harness.plugin.state import FlightState, state_of
from harness.plugin.steps import SIMULATED, planned_steps
from harness.results.events import FlightHeader
from harness.results.layout import FlightDirectory


def collect_header(plan: Plan) -> FlightHeader:
    """The header of *plan*'s flight, as a run of it would write it.

    `UsageError` when a suite can't be imported, a job has no steps, or its hosts are simulated and
    the plugin for such is not loaded.
    """
    if plan.simulated and SIMULATED not in os.environ.get("PYTEST_PLUGINS", "").split(","):
        msg = f"{plan.hosts[0].name} is a simulated host"
        raise UsageError(
            msg, hint=f"only xenflight's own tests use such: PYTEST_PLUGINS={SIMULATED}"
        )
    collector = Collector()
    with tempfile.TemporaryDirectory(prefix="xenflight-") as directory:
        file = Path(directory) / "plan.json"
        file.write_text(to_json(plan), encoding="utf-8")
        words = [*arguments(plan, file, workers=1), "--collect-only"]
        pytest.main(words, plugins=[plugin, collector])
    if collector.failed:
        msg = f"a suite can't be imported: {collector.failed}"
        raise UsageError(msg)
    empty = [name for name, steps in collector.steps.items() if not steps]
    if empty or not collector.steps:
        msg = f"there are no steps for {empty[0] if empty else 'this flight'}"
        raise UsageError(msg, hint="xenflight check says which suites there are")
    state = FlightState(plan=plan, files=FlightDirectory.of(Path("reports"), plan.flight_id))
    return flight_header(state, collector.steps)


class Collector:
    """Remembers what was collected, and says nothing."""

    def __init__(self) -> None:
        self.steps: Mapping[str, Sequence[str]] = {}
        self.failed = ""

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        """Nobody wants to read what is collected."""
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        if reporter:
            config.pluginmanager.unregister(reporter)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A suite that can't be imported."""
        if report.failed:
            self.failed = self.failed or report.longreprtext.strip().splitlines()[-1]

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """All that there is."""
        if state := state_of(session.config):
            self.steps = planned_steps(state, [item.nodeid for item in session.items])
