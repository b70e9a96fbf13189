"""The fixture that suites use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.plugin.state import state_of

if TYPE_CHECKING:
    from harness.job.guest import GuestUnderTest


@pytest.fixture
def rounds(pytestconfig: pytest.Config) -> int:
    """How often a step of many rounds does its thing: ``--rounds``, 10 if not given."""
    return int(pytestconfig.getoption("--rounds"))


@pytest.fixture
def guest(request: pytest.FixtureRequest) -> GuestUnderTest:
    """The guest of this job: made by ``guest-create``, the same through all of its steps."""
    from harness.plugin.steps import RECORD, FlightSteps

    state = state_of(request.config)
    if state is None or not hasattr(request, "param"):
        pytest.fail("`guest` is for the suites of a flight: pytest suites --flight NAME")
    # A fake lab's guests have what its tests' suites use, and not more.
    step = request.node.stash[RECORD]
    return FlightSteps.of(request.config).guests.get(step)  # type: ignore[return-value]
