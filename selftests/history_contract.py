"""What every `History` must do. A test class that inherits it says how one is made."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from judge_samples import BRANCH, EPOCH, XL, flight

from harness.judge.history import FlightRecord, History
from harness.status import Status


class HistoryContract:
    """Derive, and give `history_of`."""

    def history_of(self, flights: Sequence[FlightRecord]) -> History:
        """A history of just these flights."""
        raise NotImplementedError

    def sample(self) -> History:
        """Five flights of two branches, in no order."""
        return self.history_of(
            [
                flight("3", "b", {XL: "s pass, t fail/oops", "other": "s pass"}, gate=False),
                flight("1", "a", {XL: "s pass, t pass"}, gate=True),
                flight("5", "b", {XL: "s fail, t blocked"}),
                flight("4", "b", {XL: "s pass"}, branch="side", blessing="adhoc", gate=True),
                flight("2", "a", {XL: "s pass, t pass"}, gate=True),
            ]
        )

    def test_flights_newest_first(self) -> None:
        history = self.sample()
        assert list(history.flights(BRANCH, None, 10)) == ["5", "3", "2", "1"]
        assert list(history.flights(BRANCH, None, 2)) == ["5", "3"]
        assert list(history.flights("none", None, 2)) == []

    def test_flights_before_excludes_that_moment(self) -> None:
        before = EPOCH + timedelta(minutes=3)
        assert list(self.sample().flights(BRANCH, before, 10)) == ["2", "1"]

    def test_one_flight(self) -> None:
        history = self.sample()
        found = history.flight("3")
        assert found is not None
        assert {job.job for job in found.jobs} == {XL, "other"}
        assert (found.branch, found.blessing, found.gate_open) == (BRANCH, "real", False)
        assert history.flight("9") is None

    def test_the_runs_of_a_job(self) -> None:
        history = self.sample()
        found = history.job_history(XL, BRANCH, 3)
        assert [job.flight for job in found] == ["5", "3", "2"]
        assert [step.testid for step in found[0].steps] == ["s", "t"]
        assert list(history.job_history("none", BRANCH, 3)) == []

    def test_the_runs_of_a_step_those_that_were_blocked_too(self) -> None:
        found = self.sample().step_history(XL, "t", BRANCH, None)
        assert [(run.flight, run.status) for run in found] == [
            ("5", Status.BLOCKED),
            ("3", Status.FAIL),
            ("2", Status.PASS),
            ("1", Status.PASS),
        ]
        assert found[1].fingerprint == "oops"
        assert dict(found[1].revisions) == {"xen": "b"}
        assert (found[1].host, found[1].started) == ("albana0", EPOCH + timedelta(minutes=3))

    def test_so_many_runs_of_a_step_and_no_more(self) -> None:
        history = self.sample()
        assert len(history.step_history(XL, "t", BRANCH, 2)) == 2
        assert list(history.step_history(XL, "none", BRANCH, None)) == []
        assert [run.flight for run in history.step_history(XL, "s", "side", None)] == ["4"]

    def test_the_baseline_is_the_last_flight_before_whose_gate_opened(self) -> None:
        history = self.sample()
        assert history.baseline(BRANCH, EPOCH + timedelta(minutes=5)) == "2"
        assert history.baseline(BRANCH, EPOCH + timedelta(minutes=2)) == "1"
        assert history.baseline(BRANCH, EPOCH + timedelta(minutes=1)) is None
        assert history.baseline("none", EPOCH + timedelta(days=9)) is None

    def test_passes_with_a_revision_on_any_branch(self) -> None:
        history = self.sample()
        assert [job.flight for job in history.passes_at({"xen": "b"}, XL)] == ["4", "3"]
        assert list(history.passes_at({"xen": "b", "image": "i"}, XL)) == []
        assert list(history.passes_at({}, XL)) == []
        assert list(history.passes_at({"xen": "a"}, "other")) == []
