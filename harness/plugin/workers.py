"""The controller's part of running on xdist's workers."""

from __future__ import annotations

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from harness.flight.plan import to_json
from harness.plugin.state import FlightState


class FlightWorkers:
    """Gives the plan to each worker, and each job to one of them. Only where xdist is."""

    NAME = "xenflight-workers"

    def __init__(self, state: FlightState) -> None:
        self._state = state

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:  # noqa: ANN401 (xdist has no public type)
        """What a worker collects must not depend on anything else than the plan."""
        node.workerinput["xenflight_plan"] = to_json(self._state.plan)
        node.workerinput["xenflight_directory"] = str(self._state.files.path)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> object:  # noqa: ANN401
        """Whatever ``--dist`` says."""
        return JobScheduling(self._state, config, log)


class JobScheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist ships no types
    """xdist's ``loadscope``, where the scope is the job: its steps stay together, in order.

    Not ``loadgroup``: that one rewrites node ids, which JUnit and history would then see.
    """

    def __init__(self, state: FlightState, config: pytest.Config, log: object) -> None:
        super().__init__(config, log)
        self._state = state

    def _split_scope(self, nodeid: str) -> str:
        found = self._state.step_of(nodeid)
        return found[0] if found else nodeid

    def remove_node(self, node: Any) -> str | None:  # noqa: ANN401
        """A worker is gone; the step that it ran then, if any.

        It took its guest along, so nobody can go on with that job. (xdist would give all of
        it to the next worker, the step that ended this one first.)
        """
        units = self.assigned_work[node]
        for scope, unit in list(units.items()):
            running: str | None = next((nodeid for nodeid, done in unit.items() if not done), None)
            if running is not None:
                del units[scope]
                super().remove_node(node)
                return running
        super().remove_node(node)
        return None
