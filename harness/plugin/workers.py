"""The controller's part of running on xdist's workers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from harness.flight.plan import to_json
from harness.plugin.crashes import Crashes
from harness.plugin.scheduler import JobScheduling
from harness.plugin.signs import flight_board
from harness.plugin.state import FlightState
from harness.schedule.board import Board


class FlightWorkers:
    """Gives the plan to each worker, and each job to one of them. Only where xdist is."""

    NAME = "xenflight-workers"

    def __init__(self, state: FlightState, crashes: Crashes) -> None:
        self._state = state
        self._crashes = crashes

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:  # noqa: ANN401 (xdist has no public type)
        """What a worker collects must not depend on anything else than the plan."""
        node.workerinput["xenflight_plan"] = to_json(self._state.plan)
        node.workerinput["xenflight_directory"] = str(self._state.files.path)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> object:  # noqa: ANN401
        """Whatever ``--dist`` says."""
        del log
        return JobScheduling(config, self._state, self._board, self._crashes)

    def _board(self, jobs: Sequence[str]) -> Board:
        return flight_board(self._state.plan, self._state.files.path, jobs)
