"""The fixtures that suites use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.plugin.state import state_of

if TYPE_CHECKING:
    from harness.job.guest import GuestUnderTest
    from harness.job.hostundertest import HostUnderTest
    from harness.job.lab import Guest


@pytest.fixture
def rounds(pytestconfig: pytest.Config) -> int:
    """How often a step of many rounds does its thing: ``--rounds``, 10 if not given."""
    return int(pytestconfig.getoption("--rounds"))


@pytest.fixture
def guest(request: pytest.FixtureRequest) -> GuestUnderTest:
    """The guest of this job: made by ``guest-create``, the same through all of its steps."""
    # A fake lab's guests have what its tests' suites use, and not more.
    return _of_job(request)  # type: ignore[return-value]


@pytest.fixture
def host(request: pytest.FixtureRequest) -> HostUnderTest:
    """The host of this job, of a suite about hosts: the same through all of its steps."""
    return _of_job(request)  # type: ignore[return-value]


def _of_job(request: pytest.FixtureRequest) -> Guest:
    from harness.plugin.steps import RECORD, FlightSteps

    state = state_of(request.config)
    if state is None or not hasattr(request, "param"):
        name = request.fixturename
        pytest.fail(f"`{name}` is for the suites of a flight: pytest suites --flight NAME")
    step = request.node.stash[RECORD]
    return FlightSteps.of(request.config).guests.get(step)
