"""What the plugin remembers about one pytest session, under a typed key."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import pytest

from harness.plugin.naming import split_nodeid

if TYPE_CHECKING:
    from harness.flight.plan import Plan
    from harness.plugin.failfast import FailFast
    from harness.results.layout import FlightDirectory
    from harness.results.model import StepResult


@dataclass(kw_only=True)
class FlightState:
    """One flight in this process: the controller's, or an xdist worker's."""

    plan: Plan
    files: FlightDirectory
    culprits: dict[str, StepResult] = field(default_factory=dict)
    """For each job its first step that did not pass: what blocks the steps after it."""

    _skips: dict[str, str] | None = None

    @property
    def skips(self) -> dict[str, str]:
        """Why jobs cannot run, by job: by the rules of flights, or on this host.

        To be asked when the flight was made ready, not before.
        """
        if self._skips is None:
            from harness.errors import LabError
            from harness.job.prepared import Prepared

            self._skips = {job.name: job.skip for job in self.plan.jobs if job.skip}
            # What was not made ready is told by each job's first step.
            with suppress(LabError):
                self._skips |= Prepared.read(self.files.path).skips
        return self._skips

    @cached_property
    def names(self) -> frozenset[str]:
        """Of all jobs."""
        return frozenset(job.name for job in self.plan.jobs)

    @cached_property
    def fail_fast(self) -> FailFast:
        """Whether jobs may begin yet."""
        from harness.plugin.failfast import FailFast

        return FailFast(wanted=self.plan.fail_fast)

    def step_of(self, nodeid: str) -> tuple[str, str] | None:
        """Job and testid of a node; None when it is no step of this flight."""
        return split_nodeid(nodeid, self.names)


STATE: pytest.StashKey[FlightState] = pytest.StashKey()


def state_of(config: pytest.Config) -> FlightState | None:
    """The flight of this session; None when pytest runs something else."""
    return config.stash.get(STATE, None)


@contextmanager
def at_item(config: pytest.Config, item: pytest.Item) -> Iterator[None]:
    """Tell xdist that this worker is at *item*, which it did not give out just now.

    It sends the item's number along with every report, and asserts that they belong together
    (``xdist/remote.py``, `WorkerInteractor.pytest_runtest_logreport`).
    """
    plugins = config.pluginmanager.get_plugins() if is_worker(config) else ()
    interactors = [plugin for plugin in plugins if hasattr(plugin, "item_index")]
    before = [plugin.item_index for plugin in interactors]
    try:
        for plugin in interactors:
            plugin.item_index = item.session.items.index(item)
        yield
    finally:
        for plugin, index in zip(interactors, before, strict=True):
            plugin.item_index = index


def is_worker(config: pytest.Config) -> bool:
    """Whether this process is one of xdist's workers."""
    return hasattr(config, "workerinput")
