"""The fixture that suites use, and the guests of this process behind it."""

from __future__ import annotations

import pytest

from harness.errors import LabError, UsageError
from harness.flight.axes import Keep
from harness.flight.plan import Plan
from harness.host.xenhost import XenHost
from harness.job.guest import GuestUnderTest
from harness.job.prepared import JobFacts, Prepared
from harness.plugin.state import FlightState, state_of
from harness.results.layout import FlightDirectory


class Guests:
    """The guests that this process works with, and its one connection to the host."""

    def __init__(self, plan: Plan, files: FlightDirectory) -> None:
        self._plan = plan
        self._files = files
        self._host: XenHost | None = None
        self._guests: dict[str, GuestUnderTest] = {}
        self._facts: dict[str, JobFacts] = {}

    def get(self, job: str) -> GuestUnderTest:
        """The guest of *job*, known from its first step on. `LabError` when the lab failed."""
        if job not in self._guests:
            prepared = Prepared.read(self._files.path)
            if prepared.broken:
                raise LabError(prepared.broken)
            spec = next(spec for spec in self._plan.jobs if spec.name == job)
            image = prepared.images[job]
            if image.broken:
                raise LabError(image.broken)
            self._guests[job] = GuestUnderTest(
                spec=spec,
                plan=self._plan,
                host=self._connected(prepared),
                prepared=prepared,
                files=self._files.job(job),
            )
        return self._guests[job]

    def tear_down(self, job: str, *, failed: bool) -> None:
        """The job is over: remove its guest, unless it is to be kept."""
        guest = self._guests.pop(job, None)
        if guest is None:
            return
        keep = self._plan.keep
        kept = keep is Keep.ALWAYS or (keep is Keep.ON_FAILURE and failed)
        try:
            if kept:
                guest.keep()
            else:
                guest.remove()
        finally:
            guest.close()
            self._facts[job] = guest.facts(kept=kept)

    def facts(self, job: str) -> JobFacts:
        """What is known of a job that is over."""
        return self._facts.get(job, JobFacts())

    def close(self) -> None:
        """Remove what is left after an interrupt, and let go of the host."""
        for job in list(self._guests):
            try:
                self.tear_down(job, failed=True)
            except LabError:
                # The controller looks for leftovers when all is over, and reports them.
                continue
        if self._host:
            self._host.close()
            self._host = None

    def _connected(self, prepared: Prepared) -> XenHost:
        if self._host is None:
            self._host = XenHost.connect(self._plan.host, prepared.endpoint)
        return self._host


GUESTS: pytest.StashKey[Guests] = pytest.StashKey()


def guests_of(config: pytest.Config) -> Guests:
    """The guests of this process."""
    if GUESTS not in config.stash:
        state = _state(config)
        config.stash[GUESTS] = Guests(state.plan, state.files)
    return config.stash[GUESTS]


@pytest.fixture
def guest(request: pytest.FixtureRequest) -> GuestUnderTest:
    """The guest of this job: made by ``guest-create``, the same through all of its steps."""
    return guests_of(request.config).get(request.param)


def _state(config: pytest.Config) -> FlightState:
    state = state_of(config)
    if state is None:
        msg = "no flight was given"
        raise UsageError(msg)
    return state
