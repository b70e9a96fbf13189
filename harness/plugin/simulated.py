"""Brings simulated hosts to a flight: ``pytest -p harness.plugin.simulated suites --flight ...``.

For xenflight's own tests only. Nothing loads it by itself, and it minds only flights whose host has
``sim`` in hosts.yaml. What comes of them says that it is simulated.
"""

from __future__ import annotations

import pytest

from harness.errors import UsageError
from harness.job.lab import Lab
from harness.plugin.options import plan_of
from harness.plugin.state import is_worker
from harness.sim.lab import SimLab

LAB: pytest.StashKey[SimLab] = pytest.StashKey()


def pytest_xenflight_lab(config: pytest.Config) -> Lab | None:
    """A simulated one for a simulated host; `UsageError` where several processes want it."""
    plan = plan_of(config)
    if plan is None or not plan.simulated:
        return None
    if is_worker(config) or config.getoption("tx", None):
        msg = f"{plan.hosts[0].name} is a simulated host, in the memory of one process"
        raise UsageError(msg, hint="run without -n")
    config.stash[LAB] = SimLab()
    return config.stash[LAB]


def pytest_unconfigure(config: pytest.Config) -> None:
    """However the session ended, the process gets its own time back."""
    if LAB in config.stash:
        config.stash[LAB].close()
