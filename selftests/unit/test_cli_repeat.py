"""When ``--until-first-failure`` ends, and with which exit code."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from harness.cli.repeat import Bounds, Flown, bounds_of, until_failure
from harness.errors import UsageError
from harness.sim.clock import SimClock


class Flights:
    """Flights with these exit codes, each an hour long; 5 stands for a failed job."""

    def __init__(self, codes: Sequence[int], failed_and_broken: int = -1) -> None:
        self.clock = SimClock()
        self.flown = 0
        self.said: list[str] = []
        self._codes = codes
        self._both = failed_and_broken

    def fly(self) -> Flown:
        code = self._codes[self.flown]
        self.flown += 1
        self.clock.sleep(3600)
        failed = code == 5 or self.flown == self._both
        return Flown(flight_id=f"f-{self.flown}", code=code, failed=failed)

    def run(self, times: int | None = None, within: timedelta | None = None) -> int:
        bounds = Bounds(times=times, within=within)
        return until_failure(self.fly, bounds, self.said.append, self.clock)


@pytest.mark.parametrize(
    ("codes", "flown", "code"),
    [
        ([0, 0, 5, 0], 3, 5),
        ([0, 0, 0, 0], 4, 0),
        ([0, 4, 0, 5], 4, 5),
        ([0, 6, 4, 0], 4, 4),
        ([0, 6, 0, 0], 4, 6),
        ([4, 6, 4, 0], 3, 4),
        ([0, 130, 0, 0], 2, 130),
        ([1, 0, 0, 0], 1, 1),
        ([0, 2, 0, 0], 2, 2),
        ([3, 0, 0, 0], 1, 3),
    ],
)
def test_it_ends_with_a_failure_or_its_count(codes: list[int], flown: int, code: int) -> None:
    flights = Flights(codes)
    assert flights.run(times=4) == code
    assert flights.flown == flown


def test_a_job_that_failed_counts_where_another_was_broken() -> None:
    flights = Flights([0, 4, 0], failed_and_broken=2)
    assert flights.run(times=3) == 5
    assert flights.said[-2:] == [
        "2 flights: 1 pass, 1 broken, in 2 h 00 m",
        "the first failure: f-2",
    ]


def test_no_flight_begins_after_its_time() -> None:
    flights = Flights([0] * 9)
    assert flights.run(within=timedelta(hours=2, minutes=30)) == 0
    assert flights.flown == 3
    assert flights.said[-1] == "no job failed"


@pytest.mark.parametrize(
    ("wanted", "times", "within", "message"),
    [
        (True, None, None, "needs an end"),
        (False, 3, None, "--times says how often"),
        (False, None, "8h", "--for says how often"),
        (True, None, "soon", "--for: "),
    ],
)
def test_bounds_that_are_none(
    *, wanted: bool, times: int | None, within: str | None, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        bounds_of(wanted=wanted, times=times, within=within)


def test_bounds() -> None:
    assert bounds_of(wanted=False, times=None, within=None) is None
    both = bounds_of(wanted=True, times=3, within="8h")
    assert both == Bounds(times=3, within=timedelta(hours=8))
